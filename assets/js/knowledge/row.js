// One document in the list: what it is, how far it is, what failed and what to do.

import { formatBytes, plural, timeElement } from "../chat/format.js";
import { h, icon } from "../lib/dom.js";

const ICONS = {
  pdf: "file-text",
  md: "scroll-text",
  txt: "scroll-text",
  docx: "file-type",
  csv: "file-spreadsheet",
  json: "file-json",
  html: "file-code",
  htm: "file-code",
};
const BADGES = {
  ready: "badge--ok",
  failed: "badge--bad",
  queued: "",
  parsing: "badge--accent badge--live",
  embedding: "badge--accent badge--live",
};

// trying these again would fail again: the file has to change
const FINAL = new Set(["file_encrypted", "no_text", "too_many_pages", "csv_limit", "type_mismatch", "too_large"]);

export class DocumentRow {
  /** `actions`: {open(row), retry(row), remove(row), canEdit} */
  constructor(t, actions) {
    Object.assign(this, { t, actions, document: null, time: Date.now() });
    this.kind = h("span", { class: "document__kind" });
    this.name = h("span", { class: "document__name" });
    this.facts = h("span", { class: "document__facts" });
    this.badge = h("span", { class: "badge badge--dot" });
    this.bar = h("progress", { class: "progress document__bar", max: 1 });
    this.problem = h("p", { class: "document__problem", hidden: true });
    this.retry = h(
      "button",
      { type: "button", class: "btn btn--sm document__retry", onclick: () => actions.retry(this) },
      icon("refresh-cw"),
      t("retry"),
    );
    this.remove = h(
      "button",
      { type: "button", class: "btn btn--ghost btn--icon btn--sm", onclick: () => actions.remove(this) },
      icon("trash-2"),
    );
    const what = h("div", { class: "document__what" }, this.name, this.facts, this.problem, this.retry);
    const state = h("div", { class: "document__state" }, this.badge);
    this.element = h(
      "li",
      { class: "document" },
      this.kind,
      what,
      state,
      actions.canEdit ? this.remove : null,
      this.bar,
    );
  }

  /** A document as the server has it. */
  show(document) {
    this.document = document;
    this.time = new Date(document.created_at).getTime();
    this.#paintName(document.name, document.status === "ready");
    const pages = document.pages ? h("span", {}, plural(this.t, "pages", document.pages)) : null;
    const chunks = document.chunks ? h("span", {}, plural(this.t, "chunks", document.chunks)) : null;
    this.#paintFacts(h("span", {}, formatBytes(document.size)), pages, chunks, timeElement(document.created_at));
    this.#paintState(document.status, this.t(document.status), document.error);
    this.#paintBar(["parsing", "embedding", "queued"].includes(document.status), document.progress || undefined);
  }

  showUpload(file) {
    this.file = file;
    this.#paintName(file.name, false);
    this.#paintFacts(h("span", {}, formatBytes(file.size)));
    this.#paintState("parsing", this.t("uploading"), null);
    this.#paintBar(true, 0);
  }

  showUploadProgress(part) {
    this.#paintBar(true, part);
  }

  showUploadFailed(file, problem) {
    this.file = file;
    this.#paintState("failed", this.t("failed"), problem);
    this.#paintBar(false);
  }

  #paintName(name, canOpen) {
    this.kind.replaceChildren(icon(ICONS[name.split(".").pop().toLowerCase()] ?? "file"));
    const label = this.t("open", { name });
    const shown = h("bdi", {}, name);
    const open =
      canOpen &&
      h(
        "button",
        { type: "button", class: "document__open", "aria-label": label, onclick: () => this.actions.open(this) },
        shown,
      );
    if (this.name.textContent !== name || Boolean(open) !== Boolean(this.name.querySelector("button")))
      this.name.replaceChildren(open || shown);
    this.remove.setAttribute("aria-label", this.t("delete", { name }));
    this.remove.dataset.tip = this.t("remove");
  }

  #paintFacts(...facts) {
    this.facts.replaceChildren(...facts.filter(Boolean));
  }

  #paintState(status, text, problem) {
    this.element.dataset.status = status;
    this.badge.className = `badge badge--dot ${BADGES[status] ?? ""}`;
    this.badge.textContent = text;
    this.problem.hidden = !problem;
    this.problem.textContent = problem ? this.#explain(problem, status) : "";
    this.retry.hidden = status !== "failed" || !this.actions.canEdit || FINAL.has(problem?.code);
  }

  /** What happened in words; without the status "failed" another attempt follows by itself. */
  #explain({ code = "", message }, status) {
    const key = `reason${code.replace(/(^|_)(\w)/g, (_whole, _line, letter) => letter.toUpperCase())}`;
    const [first, second] = message.match(/\d+/g) ?? []; // the numbers of the server's own words
    const reason = this.t(key) === key ? message : this.t(key, { first, second });
    return status === "failed" ? reason : `${reason} ${this.t("retrying")}`;
  }

  #paintBar(isShown, value) {
    this.bar.hidden = !isShown;
    if (value === undefined) this.bar.removeAttribute("value");
    else this.bar.value = value;
    this.bar.setAttribute("aria-label", this.badge.textContent);
  }
}
