// @ts-check
import { burn, keyOfPage, receipt } from "./api.js";
import { alertIn, explain, forgetOnLeave, input, lasting, moment, onSubmit, part, say } from "./page.js";

/** @typedef {import("./api.js").Receipt} Receipt */

const dialog = /** @type {HTMLDialogElement} */ (part("ask"));

/** What became of the secret, in words: a title, and what happened when. */
const words = {
  /** @param {Receipt} r @returns {[string, ...(string | Node)[]]} */
  new: (r) => ["Not read yet", "Its link still works. Unread, the secret is deleted ", ...at(ends(r)), "."],
  /** @param {Receipt} r @returns {[string, ...(string | Node)[]]} */
  viewed: (r) => ["Not read yet", "Its page was looked at, and nothing was revealed. Unread, the secret is deleted ", ...at(ends(r)), "."],
  /** @param {Receipt} r @returns {[string, ...(string | Node)[]]} */
  received: (r) => ["It was read", "The secret was revealed ", ...at(r.received), ". It is deleted, and nobody can reveal it again."],
  /** @param {Receipt} r @returns {[string, ...(string | Node)[]]} */
  burned: (r) => ["It was burned", "The secret was deleted unread ", ...at(r.updated), ". Its link does not work any more."],
  /** @param {Receipt} r @returns {[string, ...(string | Node)[]]} */
  expired: (r) => ["It expired unread", "Nobody revealed the secret in its time, which ended ", ...at(ends(r)), ". It is deleted."],
  /** @returns {[string, ...(string | Node)[]]} */
  orphaned: () => ["It is gone", "The secret is not there any more, and what became of it is not known."],
};

/** @param {Receipt} r */
const ends = (r) => (r.created && r.ttl ? r.created + r.ttl : null);

/**
 * @param {number | null | undefined} seconds
 * @returns {(string | Node)[]}
 */
const at = (seconds) => (seconds ? ["on ", moment(seconds)] : ["at a time that is not known"]);

/** @param {Receipt} r */
function show(r) {
  const [title, ...story] = (words[r.state] ?? words.orphaned)(r);
  part("title").textContent = title;
  part("title").dataset.state = r.state;
  part("story").replaceChildren(...story);
  /** @type {[string, string | Node][]} */
  const facts = [];
  if (r.created) facts.push(["Shared", moment(r.created)]);
  if (r.ttl) facts.push(["Lifetime", lasting(r.ttl)]);
  facts.push(["Passphrase", r.passphrase_required ? "needed" : "none"]);
  if (r.recipient.length) facts.push(["Recipients", r.recipient.join(", ")]);
  if (r.metadata_ttl) facts.push(["Receipt kept until", moment(Date.now() / 1000 + r.metadata_ttl)]);
  part("list").replaceChildren(...facts.map(entry));
  part("facts").hidden = false;
  const unread = r.state === "new" || r.state === "viewed";
  part("unread").hidden = !unread || !r.secret_key;
  part("link").textContent = unread && r.secret_key ? `${document.body.dataset.baseUrl}/secret/${r.secret_key}` : "";
  part("burn").hidden = !unread;
  part("locked").hidden = !r.passphrase_required;
}

/** @param {[string, string | Node]} fact */
function entry([name, value]) {
  const group = document.createElement("div");
  const [term, description] = [document.createElement("dt"), document.createElement("dd")];
  term.textContent = name;
  description.append(value);
  group.append(term, description);
  return group;
}

const lookRefusals = {
  gone: "No receipt is known under this address. A receipt is kept twice as long as its secret could be read; after that, nothing is left.",
  silent: "The server did not answer. Try again when you are connected.",
};

/** Asks what became of the secret. That consumes nothing, so it is done at once. */
async function look() {
  const outcome = await receipt(keyOfPage());
  if (outcome.ok) {
    alertIn("failure");
    show(outcome.answer);
    return say(`${part("title").textContent}. ${part("story").textContent}`);
  }
  if (part("facts").hidden) part("title").textContent = outcome.status === 404 ? "There is no such receipt" : "It could not be looked up";
  alertIn("failure", explain(outcome, lookRefusals));
}

part("look").addEventListener("click", look);
part("burn").addEventListener("click", () => {
  dialog.showModal();
  (part("locked").hidden ? part("keep") : input("passphrase")).focus(); // not where a second Enter would burn it
});
part("keep").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  input("passphrase").value = "";
  alertIn("refusal");
});

onSubmit("form", async () => {
  const outcome = await burn(keyOfPage(), input("passphrase").value);
  if (!outcome.ok && outcome.status !== 404) {
    alertIn("refusal", explain(outcome, { gone: "", silent: "The server did not answer. Look again to see whether it was burned." }));
    if (!part("locked").hidden) input("passphrase").select();
    return;
  }
  dialog.close();
  if (outcome.ok) show(outcome.answer.state);
  else await look(); // somebody was faster: say what happened
  part("title").focus();
});

forgetOnLeave();
part("receipt").hidden = false;
look();
