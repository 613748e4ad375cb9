/** Makes and finds elements of the page. */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, string>} [attributes] `text` and `class` among them. @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** @param {string} id @returns {HTMLElement} */
export function at(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Set a text, if it is another one: what does not change is not laid out anew. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} status @returns {HTMLElement} Mark and word of a status. */
export function statusMark(status) {
  return make("span", { class: "status", "data-status": status }, make("span", { class: "mark", "aria-hidden": "true" }), make("span", { class: "word", text: status }));
}

/** @param {Element} element @param {string} status */
export function setStatus(element, status) {
  if (element.getAttribute("data-status") === status) return;
  element.setAttribute("data-status", status);
  say(/** @type {Element} */ (element.querySelector(".word")), status);
}
