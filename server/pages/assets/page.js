// @ts-check
// What the pages have in common: their parts, copying, words for times and for refusals, and forgetting.

/** @typedef {import("./api.js").Refused} Refused */

/**
 * An element that the page has; that it has it is held by the tests.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function part(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return /** @type {T} */ (element);
}

/** @param {string} id */
export const input = (id) => /** @type {HTMLInputElement} */ (part(id));

/**
 * Shows one of several parts, and moves to it those who do not see it.
 * @param {string} shown
 * @param {string[]} others
 */
export function turnTo(shown, ...others) {
  for (const other of others) part(other).hidden = true;
  part(shown).hidden = false;
  document.getElementById(`${shown}-title`)?.focus();
}

/**
 * Says something in passing to those who do not see it.
 * @param {string} text
 */
export const say = (text) => void (part("said").textContent = text);

/**
 * Shows an alert, or takes it away.
 * @param {string} id
 * @param {string} [text]
 */
export function alertIn(id, text = "") {
  part(id).textContent = text;
  part(id).hidden = text === "";
}

/**
 * Does what a form is for, once at a time. The button keeps the focus, so it is not disabled.
 * @param {string} id
 * @param {() => Promise<void>} work
 */
export function onSubmit(id, work) {
  const form = part(id);
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    form.ariaBusy = "true";
    try {
      await work();
    } finally {
      busy = false;
      form.ariaBusy = "false";
    }
  });
}

// Buttons that copy what an element shows, and buttons that show what a field hides.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const words = button.textContent ?? "";
  button.addEventListener("click", async () => {
    const done = await copy(part(/** @type {HTMLElement} */ (button).dataset.copies ?? ""));
    button.textContent = done ? "Copied" : "Select it and copy by hand";
    say(done ? "Copied" : "The browser does not let this page copy. Select the text and copy it by hand.");
    setTimeout(() => (button.textContent = words), 2500);
  });
}
for (const button of document.querySelectorAll("button[data-shows]")) {
  button.addEventListener("click", () => {
    const field = input(/** @type {HTMLElement} */ (button).dataset.shows ?? "");
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.ariaPressed = String(shown);
    button.textContent = shown ? "Hide" : "Show";
  });
}

/**
 * Copies what an element shows, to the byte. Browsers give the clipboard only to pages that came over HTTPS or from this
 * machine; to others there is an older way.
 * @param {HTMLElement} element
 */
async function copy(element) {
  const text = element.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const give = (/** @type {ClipboardEvent} */ event) => {
      event.clipboardData?.setData("text/plain", text);
      event.preventDefault(); // what is selected would be copied as it looks, with spaces changed
    };
    document.addEventListener("copy", give, { once: true });
    getSelection()?.selectAllChildren(element); // some browsers copy nothing where nothing is selected
    const done = document.execCommand("copy");
    document.removeEventListener("copy", give);
    return done;
  }
}

/**
 * Empties the page when it is left. A browser may keep a page that was left in memory, to come back to it: it comes back
 * as it was at first.
 */
export function forgetOnLeave() {
  addEventListener("pagehide", () => document.querySelector("main")?.replaceChildren());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/**
 * A moment, in local time and seen from now.
 * @param {number} seconds Unix
 */
export function moment(seconds) {
  const time = document.createElement("time");
  const date = new Date(seconds * 1000);
  time.dateTime = date.toISOString();
  const away = document.createElement("span");
  away.className = "away";
  away.textContent = `(${fromNow(seconds)})`;
  time.append(date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }), " ", away);
  return time;
}

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** @param {number} seconds Unix */
function fromNow(seconds) {
  const off = seconds - Date.now() / 1000;
  const [unit, size] = fitting(off);
  const numeric = unit === "second" ? "auto" : "always"; // "now", but "in 1 day" rather than "tomorrow", which may be two
  return new Intl.RelativeTimeFormat("en", { numeric }).format(Math.round(off / size), unit);
}

/**
 * A duration in words. It is never longer than said, so that who waits for it has waited long enough.
 * @param {number} seconds
 */
export function lasting(seconds) {
  const [unit, size] = fitting(seconds);
  return new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long" }).format(Math.ceil(seconds / size));
}

/**
 * The unit in which to say a duration: the largest of which it has two, or just one. So 36 hours are not two days, and 59
 * minutes and 58 seconds are an hour.
 * @param {number} seconds
 * @returns {[Intl.RelativeTimeFormatUnit, number]}
 */
const fitting = (seconds) =>
  units.find(([, size]) => Math.abs(seconds) > size * 1.95 || Math.abs(Math.abs(seconds) / size - 1) < 0.02) ?? ["second", 1];

/**
 * Says why something was refused, and what to do. Only some texts depend on what was asked for.
 * @param {Refused} refused
 * @param {{gone: string, silent: string}} texts for an unknown key, and for no answer
 */
export function explain(refused, texts) {
  switch (refused.status) {
    case 0:
      return texts.silent;
    case 400:
    case 403:
    case 422:
      return `${refused.message}.`; // it says what to do, and holds no value
    case 401:
      return "The account or its token is not right.";
    case 404:
      return texts.gone;
    case 429:
      return `Too many tries. Nothing was used up; try again ${refused.retryAfter ? `in ${lasting(refused.retryAfter)}` : "later"}.`;
    default:
      return `Something went wrong on the server, and its log says what, under the id ${refused.errorID}. Tell whoever runs it.`;
  }
}
