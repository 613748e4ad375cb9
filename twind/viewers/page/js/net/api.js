/** The daemon's HTTP interface. Addresses are relative, so that a proxy may serve all of it under a path of its own. */

import { headers } from "./access.js";

/** What an answer said besides 200. */
export class Refusal extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path Relative to the page.
 * @param {number} [withinMs] How long to wait.
 * @returns {Promise<Response>}
 */
export async function get(path, withinMs = 8000) {
  const answer = await fetch(path, { headers: headers(), signal: AbortSignal.timeout(withinMs) });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refusal(answer.status, said.error ?? `the daemon answers ${answer.status}`);
}

/** @param {string} path @returns {Promise<any>} */
export async function getJson(path) {
  return (await get(path)).json();
}
