/** The bearer token, where the daemon asks for one: kept for this tab, sent in headers, never in a URL. */

const KEY = "twind.token";

/** Take the token from `#token=...`, which no server sees, and out of the address bar. */
export function takeFromAddress() {
  const found = /(?:^#|&)token=([^&]*)/.exec(location.hash);
  if (!found) return;
  keep(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname + location.search);
}

/** @returns {string} The token, or nothing. */
export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** @param {string} value */
export function keep(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** @returns {string} The token's UTF-8, a character for each byte: what headers and `btoa` take. */
function bytes() {
  return String.fromCharCode(...new TextEncoder().encode(token()));
}

/** @returns {HeadersInit} */
export function headers() {
  return token() ? { Authorization: `Bearer ${bytes()}` } : {};
}

/** @returns {string[]} What a WebSocket names as subprotocols: browsers let a page set no other header there. */
export function subprotocols() {
  if (!token()) return ["twind.live.1"];
  const text = btoa(bytes()).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["twind.live.1", `twind.bearer.${text}`];
}
