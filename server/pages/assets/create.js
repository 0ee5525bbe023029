// @ts-check
import { create } from "./api.js";
import { alertIn, explain, forgetOnLeave, input, lasting, moment, onSubmit, part, say, turnTo } from "./page.js";

const secret = /** @type {HTMLTextAreaElement} */ (part("secret"));
const most = Number(secret.dataset.max);
const sizeHint = part("size").textContent;
const form = /** @type {HTMLFormElement} */ (part("form"));

const kind = () => /** @type {"share" | "generate"} */ (new FormData(form).get("kind"));
const size = () => new TextEncoder().encode(secret.value).length;

/** The account that was filled in, if the page offers one. */
function account() {
  if (!document.getElementById("username")) return undefined;
  const [username, token] = [input("username").value.trim(), input("token").value.trim()];
  return username || token ? { username, token } : undefined;
}

// A switch between the two kinds shows what each needs.
form.addEventListener("change", () => (part("text").hidden = kind() === "generate"));

// The server counts bytes. So does this, from where it matters on.
secret.addEventListener("input", () => {
  const left = most - size();
  part("size").textContent = left > most / 5 ? sizeHint : left >= 0 ? `${left} bytes left.` : `${-left} bytes too many.`;
});

// Longer lifetimes are an account's.
form.addEventListener("input", () => {
  for (const option of form.querySelectorAll("option[data-account]")) {
    /** @type {HTMLOptionElement} */ (option).disabled = !account();
  }
});

/** Says what is missing before anything is sent. */
function missing() {
  if (kind() === "generate") return "";
  if (secret.value === "") return "There is nothing to share yet: write or paste the secret.";
  if (size() > most) return `The secret is ${size() - most} bytes too long: share less at once.`;
  return "";
}

onSubmit("form", async () => {
  alertIn("failure", missing());
  if (missing()) return secret.focus();
  /** @type {Record<string, string>} */
  const fields = { ttl: input("ttl").value, passphrase: input("passphrase").value };
  if (kind() === "share") fields.secret = secret.value;
  if (account()) fields.recipient = input("recipient").value;
  const outcome = await create(kind(), fields, account());
  if (!outcome.ok) return alertIn("failure", explain(outcome, refusals));
  showLink(outcome.answer);
});

const refusals = {
  gone: "This server has no such operation: is it behind another address?",
  silent: "The server did not answer. Nothing is lost: the text is still here. Try again when you are connected.",
};

/** @param {import("./api.js").Receipt} receipt */
function showLink(receipt) {
  const base = document.body.dataset.baseUrl;
  part("link").textContent = `${base}/secret/${receipt.secret_key}`;
  const address = receipt.metadata_url ?? `${base}/receipt/${receipt.metadata_key}`;
  /** @type {HTMLAnchorElement} */ (part("receipt")).href = address;
  part("receipt").textContent = address;
  part("generated").hidden = !receipt.value;
  part("value").textContent = receipt.value ?? "";
  const hint = part("link-hint");
  hint.replaceChildren("It works once");
  if (receipt.created && receipt.ttl) hint.append(", until ", moment(receipt.created + receipt.ttl));
  hint.append(receipt.passphrase_required ? ". The reader needs the passphrase as well." : ".");
  clear();
  turnTo("done", "ask");
  say(`The link is ready. It works once${receipt.ttl ? `, for ${lasting(receipt.ttl)}` : ""}.`);
}

/** Takes what was typed off the page. The account stays: who shares once, shares again. */
function clear() {
  secret.value = "";
  input("passphrase").value = "";
  part("size").textContent = sizeHint;
  alertIn("failure");
}

part("again").addEventListener("click", () => {
  for (const id of ["link", "receipt", "value"]) part(id).textContent = "";
  /** @type {HTMLAnchorElement} */ (part("receipt")).removeAttribute("href");
  say("");
  turnTo("ask", "done");
  (kind() === "share" ? secret : part("submit")).focus();
});

forgetOnLeave();
turnTo("ask", "done");
