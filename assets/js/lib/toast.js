// Short messages at the page's corner. An undo gives people the way back instead of asking "are you sure?".
import { t } from "./i18n.js";
import { icon } from "./dom.js";

const ICONS = { ok: "circle-check", bad: "circle-alert", info: "info" };

function region() {
  let found = document.querySelector(".toasts");
  if (!found) {
    found = Object.assign(document.createElement("div"), { className: "toasts" });
    found.setAttribute("role", "status");
    found.setAttribute("aria-live", "polite");
    found.popover = "manual"; // the top layer
  }
  // A modal dialog makes everything outside it inert: while one is open, its toasts live inside.
  const host = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  if (found.parentElement !== host) host.append(found);
  else found.hidePopover(); // shown again it comes out on top
  found.showPopover();
  return found;
}

document.addEventListener("close", (event) => {
  const inside = event.target.querySelector?.(".toasts");
  if (!inside) return;
  document.body.append(inside);
  inside.showPopover();
}, true);

/** Show `text`; `kind` ok, bad or info; `action` {label, run} adds a button. Returns a function that takes it away. */
export function toast(text, { kind = "ok", action = null, timeout = action ? 8000 : 5000 } = {}) {
  const element = Object.assign(document.createElement("div"), { className: `toast toast--${kind}` });
  const words = Object.assign(document.createElement("span"), { className: "toast__text", textContent: text });
  element.append(icon(ICONS[kind] ?? "info"), words);
  let timer;
  const close = () => {
    clearTimeout(timer);
    element.dataset.leaving = "";
    setTimeout(() => element.remove(), 200);
  };
  if (action) element.append(button("toast__action", action.label, () => { close(); action.run(); }));
  const closing = button("toast__close", "", close);
  closing.setAttribute("aria-label", t("close"));
  closing.append(icon("x"));
  element.append(closing);
  region().append(element);
  const start = () => { timer = timeout && setTimeout(close, timeout); };
  element.addEventListener("pointerenter", () => clearTimeout(timer));
  element.addEventListener("pointerleave", start);
  start();
  return close;
}

function button(className, text, run) {
  const element = Object.assign(document.createElement("button"), { className, type: "button", textContent: text });
  element.addEventListener("click", run);
  return element;
}

/** Do it now, let people take it back: `run` is called when the toast goes without a click on Undo, else `undo`. */
export function undoable(text, { run, undo, delay = 6000 }) {
  let undone = false;
  toast(text, { action: { label: t("undo"), run: () => { undone = true; undo(); } }, timeout: delay });
  const finish = () => {
    window.removeEventListener("pagehide", finish);
    clearTimeout(timer);
    if (!undone) { undone = true; run(); }
  };
  const timer = setTimeout(finish, delay);
  window.addEventListener("pagehide", finish);
}
