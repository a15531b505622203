// What the chat's parts share beyond the pages' own helpers.

import { copyText } from "../lib/copy.js";
import { h, icon } from "../lib/dom.js";

export { h, icon };

/** A button that shows only an icon. */
export function iconButton(name, label, onclick, extra = "") {
  const props = {
    type: "button",
    class: `btn btn--ghost btn--icon ${extra}`.trim(),
    "aria-label": label,
    "data-tip": label,
    onclick,
  };
  return h("button", props, icon(name));
}

/** The strings of `<template id=...  data-some-key="Text with {name}">` as `t('someKey', {name})`; the last id wins. */
export function readStrings(...ids) {
  const data = Object.assign({}, ...ids.map((id) => ({ ...document.getElementById(id)?.dataset })));
  return (key, values = {}) => (data[key] ?? key).replace(/\{(\w+)\}/g, (mark, name) => values[name] ?? mark);
}

/** A button that copies what `read()` gives and says so for a moment. */
export function copyButton(read, label, doneLabel) {
  const props = { type: "button", class: "copy", "aria-label": label, "data-tip": label };
  const button = h("button", props, icon("copy", "copy__todo"), icon("check", "copy__done"));
  button.addEventListener("click", async () => {
    if (!(await copyText(read()))) return;
    button.dataset.copied = "";
    button.setAttribute("aria-label", doneLabel);
    setTimeout(() => {
      delete button.dataset.copied;
      button.setAttribute("aria-label", label);
    }, 1600);
  });
  return button;
}

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
