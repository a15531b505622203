// <dialog> without inline handlers: [data-open="#id"] opens, [data-close] closes, a click on the backdrop closes.
import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) {
    const dialog = document.querySelector(opener.dataset.open);
    if (dialog) openDialog(dialog);
    return;
  }
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog")?.close();
  else if (event.target instanceof HTMLDialogElement && isOutside(event)) event.target.close();
});

function isOutside(event) {
  if (!event.clientX && !event.clientY) return false; // Enter on a button inside
  const box = event.target.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

export function openDialog(dialog) {
  if (dialog.open) return;
  dialog.showModal();
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector("input, textarea, select"))?.focus();
}

/** Ask before what cannot be undone. With `typed`, its exact text must be typed. Resolves to true or false. */
export function confirmDialog({ title, text, action, typed = null }) {
  return new Promise((resolve) => {
    const submit = h("button", { class: "btn btn--danger btn--solid", type: "submit", disabled: typed !== null }, action);
    const input = typed && h("input", { class: "input", autocomplete: "off", "aria-label": t("type_to_confirm", { name: typed }) });
    input?.addEventListener("input", () => { submit.disabled = input.value.trim() !== typed; });
    const form = h("form", { method: "dialog" },
      h("div", { class: "dialog__head" }, h("h2", { class: "dialog__title", id: "confirm-title" }, title)),
      h("div", { class: "dialog__body stack" }, h("p", {}, text),
        typed && h("label", { class: "field" }, h("span", { class: "field__hint" }, t("type_to_confirm", { name: typed })), input)),
      h("div", { class: "dialog__foot" },
        h("button", { class: "btn", type: "button", "data-close": true }, t("cancel")), submit));
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "confirm-title" }, form);
    let confirmed = false;
    form.addEventListener("submit", () => { confirmed = true; });
    dialog.addEventListener("close", () => { dialog.remove(); resolve(confirmed); });
    document.body.append(dialog);
    openDialog(dialog);
  });
}

/** A side sheet with a title and content (a node). Returns the dialog; it leaves the page when closed. */
export function openSheet({ title, content, foot = null }) {
  const close = h("button", { class: "btn btn--ghost btn--icon", type: "button", "data-close": true, "aria-label": t("close") }, icon("x"));
  const sheet = h("dialog", { class: "sheet", "aria-label": title },
    h("div", { class: "sheet__head" }, h("h2", { class: "sheet__title" }, title), close),
    h("div", { class: "sheet__body", tabIndex: 0 }, content),
    foot && h("div", { class: "sheet__foot" }, foot));
  sheet.addEventListener("close", () => sheet.remove());
  document.body.append(sheet);
  sheet.showModal();
  return sheet;
}
