/** Asks for the bearer token, where the daemon wants one. */

import { keep, token } from "../net/access.js";
import { getJson, Refusal } from "../net/api.js";
import { at, say } from "./elements.js";

/** @returns {Promise<void>} Once the daemon takes what was given. */
export function askForToken() {
  const dialog = /** @type {HTMLDialogElement} */ (at("token"));
  const field = /** @type {HTMLInputElement} */ (at("token-field"));
  if (token()) say(at("token-why"), "The daemon does not take the token that was given.");
  keep("");
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.onsubmit = async (event) => {
      event.preventDefault();
      keep(field.value.trim());
      try {
        await getJson("api/v1/status");
      } catch (error) {
        if (error instanceof Refusal && error.status === 401) {
          keep("");
          say(at("token-why"), "The daemon does not take this token.");
          field.setAttribute("aria-invalid", "true");
          field.select();
          return;
        }
      }
      field.value = "";
      field.removeAttribute("aria-invalid");
      dialog.close();
      resolve();
    };
    dialog.oncancel = (event) => event.preventDefault();
  });
}
