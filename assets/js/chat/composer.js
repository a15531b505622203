// Where the question is written: grows to eight lines, Enter sends, Shift-Enter breaks the line.

import { h, icon } from "./dom.js";

export class Composer {
  /** `actions`: {send(text), stop()}; `limit` in characters. */
  constructor(t, actions, limit = 100_000) {
    this.actions = actions;
    this.input = h("textarea", {
      class: "composer__input",
      rows: "1",
      "aria-label": t("message"),
      placeholder: t("placeholder"),
      maxlength: String(limit),
      enterkeyhint: "send",
      autocomplete: "off",
      oninput: () => this.#refresh(),
      onkeydown: (event) => this.#onKey(event),
    });
    this.send = h(
      "button",
      { type: "submit", class: "composer__send", "aria-label": t("send"), title: t("send") },
      icon("arrow-up"),
    );
    this.halt = h(
      "button",
      {
        type: "button",
        class: "composer__send composer__send--stop",
        "aria-label": t("stop"),
        title: t("stop"),
        hidden: true,
        onclick: () => actions.stop(),
      },
      icon("square"),
    );
    this.cancelEdit = h(
      "button",
      { type: "button", class: "btn btn--ghost btn--sm", onclick: () => this.edit(null) },
      t("cancelEdit"),
    );
    this.editBar = h(
      "div",
      { class: "composer__edit", hidden: true },
      icon("pencil"),
      h("span", {}, t("editing")),
      this.cancelEdit,
    );
    const field = h("div", { class: "composer__field" }, this.input, this.send, this.halt);
    this.element = h("form", { class: "composer", onsubmit: (event) => this.#onSubmit(event) }, this.editBar, field);
    this.#refresh();
  }

  get isEditing() {
    return !this.editBar.hidden;
  }

  /** Put an earlier question back to be changed; null leaves it alone. */
  edit(text, takesFocus = true) {
    if (text === null && this.input.value && this.isEditing) this.input.value = "";
    this.editBar.hidden = text === null;
    if (text !== null) this.input.value = text;
    this.#refresh();
    if (takesFocus) this.focus();
  }

  /** Nothing is written in it any more. */
  empty() {
    this.input.value = "";
    this.edit(null, false);
  }

  setBusy(busy) {
    const hadFocus = [this.send, this.halt].includes(document.activeElement);
    this.busy = busy;
    this.send.hidden = busy;
    this.halt.hidden = !busy;
    if (hadFocus) (busy ? this.halt : this.input).focus();
    this.#refresh();
  }

  setPlaceholder(text) {
    this.input.placeholder = text;
  }

  focus() {
    this.input.focus({ preventScroll: true });
    this.input.setSelectionRange(this.input.value.length, this.input.value.length);
  }

  #refresh() {
    this.send.disabled = !this.input.value.trim();
    this.grow();
  }

  /** Give the field the height of its text (the style sheet stops it at eight lines). */
  grow() {
    this.input.style.setProperty("--composer-height", "0");
    const height = this.input.scrollHeight;
    if (height > 0) this.input.style.setProperty("--composer-height", `${height}px`);
    else this.input.style.removeProperty("--composer-height"); // not on the page yet
  }

  #onKey(event) {
    if (event.key === "Escape" && this.isEditing) this.edit(null);
    // keyCode 229: an input method is still composing (Safari ends composition before this event)
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #onSubmit(event) {
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.input.value.trim();
    if (!text || this.busy) return;
    const wasEditing = this.isEditing;
    this.input.value = "";
    this.editBar.hidden = true;
    this.#refresh();
    this.actions.send(text, wasEditing);
  }
}
