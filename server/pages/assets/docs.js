// @ts-check
// The reference of the API. It shows, and sends nothing: what would be tried out here are secrets, keys and tokens, and a
// page that is full of other people's code is no place for those.

const place = document.getElementById("reference");
const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches); // it knows no media query
dark.addEventListener("change", dress);
dress();

const nothing = () => () => null;

/** What the viewer does without, and what it lacks. */
const changed = {
  authorizeBtn: nothing, // nothing is sent, so nobody authorizes
  AuthorizeBtnContainer: nothing,
  authorizeOperationBtn: nothing,
  ServersContainer: nothing, // nor does it matter to whom; this server is the first of the document
  /** A landmark, and the level of headings that it leaves out, for those who find their way by these. */
  InfoContainer: (/** @type {any} */ Info, /** @type {any} */ { React }) => (/** @type {any} */ props) =>
    React.createElement(
      "section",
      { "aria-label": "About the API" },
      React.createElement(Info, props),
      React.createElement("h2", { className: "unseen" }, "Operations"),
    ),
};

// Names that those need who do not see what stands around, and the keyboard's way to what scrolls.
const mend = () => {
  const every = (/** @type {string} */ selector) => /** @type {NodeListOf<HTMLElement>} */ (place?.querySelectorAll(selector) ?? []);
  for (const table of every("table[role=region]:not([aria-label])")) table.ariaLabel = table.id.replaceAll("_", " ");
  for (const select of every("select.examples-select-element:not([aria-label])")) select.ariaLabel = "Example";
  for (const example of every("pre:not([tabindex])")) example.tabIndex = 0;
};
if (place) new MutationObserver(mend).observe(place, { childList: true, subtree: true });

/** @type {any} */ (window).SwaggerUIBundle({
  domNode: place,
  url: place?.dataset.document,
  supportedSubmitMethods: [],
  syntaxHighlight: { activated: false }, // its colours are hard to read
  validatorUrl: null, // it would send the document's address to a third party
  defaultModelsExpandDepth: 0,
  plugins: [() => ({ wrapComponents: changed })],
});
