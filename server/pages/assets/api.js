// @ts-check
// The API, as the pages call it: as any other client does. Nothing here is sent twice by itself, and nothing is kept.

/**
 * What an operation answered. A status of 0 stands for no answer at all.
 * @template T
 * @typedef {{ok: true, answer: T} | Refused} Outcome
 */
/** @typedef {{ok: false, status: number, message: string, errorID: string, retryAfter: number}} Refused */
/** @typedef {{username: string, token: string}} Account */

/**
 * A receipt, as far as the pages look at it.
 * @typedef {object} Receipt
 * @property {string} metadata_key
 * @property {string} [secret_key]
 * @property {"new" | "viewed" | "received" | "burned" | "expired" | "orphaned"} state
 * @property {number | null} created
 * @property {number | null} updated
 * @property {number} [received]
 * @property {number | null} ttl
 * @property {number | null} metadata_ttl
 * @property {string | null} [metadata_url]
 * @property {string[]} recipient
 * @property {boolean} [passphrase_required]
 * @property {string} [value]
 */

const root = document.body.dataset.api ?? "";

/** The key that the address of this page ends with, escaped as it stands there, and as the API's address needs it. */
export const keyOfPage = () => location.pathname.slice(location.pathname.lastIndexOf("/") + 1);

/**
 * @param {"share" | "generate"} operation
 * @param {Record<string, string>} form
 * @param {Account} [account]
 * @returns {Promise<Outcome<Receipt>>}
 */
export const create = (operation, form, account) => call(operation, form, account);

/**
 * @param {string} key
 * @param {string} passphrase
 * @returns {Promise<Outcome<{value: string}>>}
 */
export const reveal = (key, passphrase) => call(`secret/${key}`, { passphrase });

/**
 * Asks by POST, to which "recent" is a key like any other. The GET of that name wants credentials, for which a browser would
 * open its own dialog.
 * @param {string} key
 * @returns {Promise<Outcome<Receipt>>}
 */
export const receipt = (key) => call(`receipt/${key}`, {});

/**
 * @param {string} key
 * @param {string} passphrase
 * @returns {Promise<Outcome<{state: Receipt}>>}
 */
export const burn = (key, passphrase) => call(`receipt/${key}/burn`, { passphrase });

/**
 * @param {string} path
 * @param {Record<string, string>} form
 * @param {Account} [account]
 * @returns {Promise<Outcome<any>>}
 */
async function call(path, form, account) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (account) headers.Authorization = `Basic ${base64(`${account.username}:${account.token}`)}`;
  /** @type {Response} */
  let response;
  /** @type {any} */
  let body;
  try {
    response = await fetch(`${root}/${path}`, {
      method: "POST",
      headers,
      body: new URLSearchParams(form),
      cache: "no-store",
      // What an account sends is all that says who it is. Without this a wrong token would open the browser's own dialog.
      credentials: account ? "omit" : "same-origin",
      mode: "same-origin",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    body = await response.json();
  } catch {
    return { ok: false, status: 0, message: "", errorID: "", retryAfter: 0 };
  }
  if (response.ok) return { ok: true, answer: body };
  return {
    ok: false,
    status: response.status,
    message: String(body?.message ?? ""),
    errorID: String(body?.error_id ?? ""),
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
  };
}

/** @param {string} text */
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
