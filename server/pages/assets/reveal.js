// @ts-check
import { keyOfPage, reveal } from "./api.js";
import { alertIn, explain, forgetOnLeave, input, onSubmit, part, say, turnTo } from "./page.js";

// Only the submit event reveals: nothing that loads, looks ahead or hovers does.
onSubmit("form", async () => {
  alertIn("failure");
  const outcome = await reveal(keyOfPage(), input("passphrase").value);
  if (!outcome.ok) {
    alertIn("failure", explain(outcome, refusals));
    input("passphrase").select(); // what is most likely to be mended
    return;
  }
  part("value").textContent = outcome.answer.value;
  input("passphrase").value = "";
  turnTo("opened", "sealed");
});

const refusals = {
  // One text for every reason: the API does not tell them apart, so that nobody learns which keys exist.
  gone:
    "There is nothing to reveal. Either the link was used already, has expired, was burned or never existed – or the passphrase is " +
    "missing or wrong. If there is one, check it and try again: a wrong one uses nothing up. Otherwise ask for a new link.",
  silent:
    "No answer came, and it is not known whether the server got the request. Try again when you are connected. If there is nothing " +
    "to reveal then, the answer was lost on its way, and the secret with it: ask for a new link.",
};

part("forget").addEventListener("click", () => {
  part("value").textContent = "";
  say("");
  turnTo("cleared", "opened");
});

forgetOnLeave();
turnTo("sealed");
