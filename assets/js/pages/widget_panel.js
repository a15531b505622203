// The Deploy tab's part for the widget: what is chosen in the form shows in the preview and in the code.

import { readStrings } from "../chat/dom.js";
import { api } from "../lib/api.js";
import { toast } from "../lib/toast.js";
import { writeSnippet } from "../../widget/snippet.js";

const WAIT_MS = 250;

class WidgetPanel {
  constructor(root) {
    this.root = root;
    this.t = readStrings("widget-panel-strings");
    this.form = root.querySelector("#widget-form");
    this.frame = root.querySelector("[data-frame]");
    this.stage = root.querySelector("[data-stage]");
    this.path = `/api/agents/${root.dataset.agent}/api-keys`;
    this.width = 960;
    this.#listen();
  }

  #find(selector) {
    return this.root.querySelector(selector);
  }

  #listen() {
    this.form.addEventListener("input", () => this.#refreshSoon());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.#find("[data-make-key]").addEventListener("click", () => this.#makeKey());
    this.#find("[data-another-key]").addEventListener("click", () => this.#showNewKey(true));
    this.#find("[data-cancel-key]").addEventListener("click", () => this.#showNewKey(false));
    for (const button of this.root.querySelectorAll("[data-width]"))
      button.addEventListener("click", () => this.#setWidth(button));
    addEventListener("message", (event) => this.#hear(event));
    if (matchMedia("(max-width: 640px)").matches) this.#setWidth(this.#find('[data-width="375"]'));
    new ResizeObserver(() => this.#scale()).observe(this.stage);
    // The part may be hidden for long: nothing is loaded before it is looked at.
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#load()).observe(this.root);
  }

  /** Read the keys; each time the part is shown, for keys are made and revoked beside it. */
  async #load() {
    try {
      const { data } = await api.get(`${this.path}?limit=100`);
      this.keys = data.filter((key) => key.kind === "widget");
    } catch (error) {
      toast(error.message, { kind: "bad" });
      return;
    }
    this.#showKeys(this.form.elements.key.value);
    if (!this.frame.src) this.frame.src = this.root.dataset.preview;
    this.#refresh();
  }

  #showKeys(chosen) {
    const options = this.keys.map((key) => new Option(`${key.name} (${key.prefix}…)`, key.id));
    this.form.elements.key.replaceChildren(...options);
    if (this.keys.some((key) => key.id === chosen)) this.form.elements.key.value = chosen;
    this.#showNewKey(this.keys.length === 0);
  }

  #showNewKey(isShown) {
    const hasKeys = this.keys.length > 0;
    this.#find("[data-wait]").hidden = true;
    this.#find("[data-key-form]").hidden = !isShown;
    this.#find("[data-cancel-key]").hidden = !hasKeys;
    this.#find("[data-another-key]").hidden = isShown || !hasKeys;
    this.#find("[data-has-keys]").hidden = !hasKeys;
    this.#find("[data-no-key]").hidden = hasKeys;
    this.frame.hidden = !hasKeys;
    if (isShown && hasKeys) this.#find("#widget-origins").focus();
  }

  async #makeKey() {
    const input = this.#find("#widget-origins");
    const error = this.#find("#widget-origins-error");
    const origins = input.value.split(/[\s,]+/).filter(Boolean).map((text) => (text.includes("://") ? text : `https://${text}`));
    error.textContent = origins.length ? "" : this.t("originMissing");
    if (!origins.length) return input.focus();
    try {
      const name = origins[0].replace(/^https?:\/\//, "") || this.t("keyName");
      const key = await api.post(this.path, { name: name.slice(0, 80), kind: "widget", allowed_origins: origins });
      input.value = "";
      this.keys.unshift(key);
      this.#showKeys(key.id);
      this.#refresh();
      toast(this.t("made"), { kind: "ok" });
    } catch (problem) {
      error.textContent = problem.errors?.[0]?.message ?? problem.message;
      input.focus();
    }
  }

  #refreshSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), WAIT_MS);
  }

  #refresh() {
    const options = this.#readOptions();
    for (const part of this.root.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.includes(options.mode);
    const key = this.keys.find((one) => one.id === options.key);
    const origins = key?.allowed_origins ?? [];
    this.#find("[data-key-origins]").textContent = origins.length ? this.t("origins", { origins: origins.join(", ") }) : this.t("noOrigins");
    this.#find("#widget-snippet").textContent = writeSnippet(this.root.dataset.site, options, this.t("openButton"));
    this.options = options;
    this.#tellPreview();
  }

  #readOptions() {
    const given = Object.fromEntries(new FormData(this.form));
    const suggestions = given.suggestions.split("\n").map((line) => line.trim()).filter(Boolean);
    const { open, ...rest } = given;
    return { ...rest, agentId: this.root.dataset.agent, suggestions, openAfter: open };
  }

  #tellPreview() {
    if (!this.isPreviewReady || !this.options?.key) return;
    const { suggestions, ...rest } = this.options;
    const options = { ...rest, ...(suggestions.length ? { suggestions } : {}) };
    this.frame.contentWindow.postMessage({ options }, location.origin);
  }

  #hear({ source, origin, data }) {
    if (source !== this.frame.contentWindow || origin !== location.origin || !data?.preview?.isReady) return;
    this.isPreviewReady = true;
    this.#tellPreview();
  }

  #setWidth(button) {
    for (const one of this.root.querySelectorAll("[data-width]")) one.setAttribute("aria-pressed", String(one === button));
    this.width = Number(button.dataset.width);
    this.#scale();
  }

  #scale() {
    const scale = Math.min(1, this.stage.clientWidth / this.width);
    this.stage.style.setProperty("--stage-width", `${this.width}px`);
    this.stage.style.setProperty("--stage-scale", String(scale));
  }
}

const root = document.getElementById("widget-panel");
if (root?.querySelector("#widget-form")) new WidgetPanel(root);
