// The side sheet with the passage that a citation points to.

import { h, icon, iconButton } from "./dom.js";
import { formatNumber } from "./format.js";
import { showPassage } from "./passage.js";

export class SourceSheet {
  /** `loadPassage(citation)` resolves to the whole text where the citation holds only its beginning. */
  constructor(t, loadPassage = null) {
    Object.assign(this, { t, loadPassage, texts: new Map() });
    this.title = h("h2", { class: "sheet__title", id: `source-${Math.random().toString(36).slice(2)}` });
    this.facts = h("p", { class: "source__facts" });
    this.text = h("blockquote", { class: "source__text", tabindex: "0", dir: "auto" });
    this.previous = iconButton("chevron-left", t("previousSource"), () => this.#step(-1));
    this.next = iconButton("chevron-right", t("nextSource"), () => this.#step(1));
    this.position = h("span", { class: "source__position" });
    const close = iconButton("x", t("close"), () => this.element.close());
    this.element = h(
      "dialog",
      { class: "sheet source", "aria-labelledby": this.title.id, onclick: (event) => this.#closeOutside(event) },
      h("div", { class: "sheet__head" }, this.title, close),
      h("div", { class: "sheet__body" }, this.facts, this.text),
      h("div", { class: "sheet__foot source__foot" }, this.previous, this.position, this.next),
    );
  }

  show(citation, all) {
    this.all = all;
    this.index = all.indexOf(citation);
    this.#paint();
    if (!this.element.isConnected) document.body.append(this.element);
    if (!this.element.open) this.element.showModal();
  }

  #paint() {
    const { t } = this;
    const citation = this.all[this.index];
    this.title.replaceChildren(
      h("span", { class: "cite cite--static" }, String(citation.index)),
      h("bdi", {}, citation.filename),
    );
    const page = citation.page ? h("span", {}, icon("file-text"), t("page", { page: citation.page })) : null;
    const score = typeof citation.score === "number" ? this.#score(citation.score) : null;
    this.facts.replaceChildren(...[page, score].filter(Boolean));
    showPassage(this.text, citation.filename, this.texts.get(citation) ?? citation.content ?? citation.snippet ?? "", t);
    this.#loadWhole(citation);
    this.previous.disabled = this.index === 0;
    this.next.disabled = this.index === this.all.length - 1;
    this.position.textContent = t("sourcePosition", { index: this.index + 1, count: this.all.length });
  }

  #score(score) {
    const best = Math.max(...this.all.map((citation) => citation.score ?? 0)) || 1;
    const label = this.t("score", { score: formatNumber(score, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) });
    const bar = h("meter", { class: "score-bar source__bar", min: 0, max: best, value: score, "aria-label": label });
    return h("span", {}, icon("gauge"), label, bar);
  }

  async #loadWhole(citation) {
    if (!this.loadPassage || this.texts.has(citation) || citation.content) return;
    const text = await this.loadPassage(citation).catch(() => null); // the beginning stays when the rest cannot be had
    if (!text) return;
    this.texts.set(citation, text);
    if (this.all[this.index] === citation) showPassage(this.text, citation.filename, text, this.t);
  }

  #step(by) {
    this.index = Math.max(0, Math.min(this.all.length - 1, this.index + by));
    this.#paint();
  }

  #closeOutside(event) {
    if (event.target === this.element) this.element.close();
  }
}
