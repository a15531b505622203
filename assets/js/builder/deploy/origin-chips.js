// Origins as chips: Enter, a comma, a space or leaving the field adds one; Backspace in the empty field takes the last.

import { h, icon } from "../../lib/dom.js";

export class OriginChips {
  constructor(root, t) {
    Object.assign(this, { root, t, values: [] });
    this.input = root.querySelector("input");
    this.list = root.querySelector("[data-chips]");
    this.error = root.closest(".field").querySelector("[data-error-for]");
    this.input.addEventListener("keydown", (event) => this.#onKey(event));
    this.input.addEventListener("blur", () => this.take());
    this.input.addEventListener("input", () => this.showError(""));
    this.input.addEventListener("paste", (event) => this.#onPaste(event));
    root.addEventListener("click", (event) => event.target === root && this.input.focus());
  }

  set(values) {
    this.values = [...values];
    this.input.value = "";
    this.showError("");
    this.#render();
  }

  /** Take what stands in the field; false when it is no origin. */
  take() {
    const text = this.input.value.trim().replace(/,$/, "");
    if (!text) return true;
    const origin = readOrigin(text);
    if (!origin) {
      this.showError(this.t("originWrong", { text }));
      return false;
    }
    this.input.value = "";
    this.showError("");
    if (!this.values.includes(origin)) this.values.push(origin);
    this.#render();
    return true;
  }

  showError(message) {
    this.error.textContent = message;
    if (message) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (["Enter", ",", " "].includes(event.key) && (event.key !== "Enter" || this.input.value.trim())) {
      event.preventDefault();
      this.take();
    } else if (event.key === "Backspace" && !this.input.value && this.values.length) {
      this.#remove(this.values.at(-1));
    }
  }

  #onPaste(event) {
    const parts = event.clipboardData.getData("text").split(/[\s,]+/).filter(Boolean);
    if (parts.length < 2) return;
    event.preventDefault();
    for (const part of parts) {
      this.input.value = part;
      if (!this.take()) return;
    }
  }

  #remove(origin) {
    this.values = this.values.filter((value) => value !== origin);
    this.#render();
    this.input.focus();
  }

  #render() {
    const chips = this.values.map((origin) => {
      const props = { type: "button", class: "chips-input__remove", onclick: () => this.#remove(origin) };
      const remove = h("button", { ...props, "aria-label": this.t("originRemove", { origin }) }, icon("x"));
      return h("li", { class: "chip chips-input__chip" }, h("span", {}, origin), remove);
    });
    this.list.replaceChildren(...chips);
  }
}

/** `https://example.com` for what people write: a host, an address with a path. "" when it is neither. */
function readOrigin(text) {
  const isLocal = /^(localhost|127\.0\.0\.1)(:|\/|$)/.test(text);
  const address = /^[a-z][a-z+.-]*:\/\//i.test(text) ? text : `${isLocal ? "http" : "https"}://${text}`;
  const match = /^(https?):\/\/((?:\*\.)?[^\s/?#@\\*]+)(?:[/?#]|$)/i.exec(address);
  if (!match || !URL.canParse(`${match[1]}://${match[2].replace(/^\*\./, "any.")}`)) return "";
  const { host, hostname } = new URL(`${match[1]}://${match[2].replace(/^\*\./, "any.")}`);
  if (!hostname.includes(".") && hostname !== "localhost" && !hostname.startsWith("[")) return "";
  return `${match[1].toLowerCase()}://${match[2].startsWith("*.") ? host.replace(/^any\./, "*.") : host}`;
}
