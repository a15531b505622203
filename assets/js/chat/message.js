// One question and one answer on the page.

import { makeAvatar } from "./avatar.js";
import { copyButton, h, icon } from "./dom.js";
import { formatCost, formatSeconds, plural } from "./format.js";
import { citeButton } from "./markdown.js";
import { Prose } from "./prose.js";
import { translateReason } from "./reasons.js";

/** A question as it was written: plain text, never Markdown. */
export class Question {
  constructor(content, t, { onEdit }) {
    this.content = content;
    const copy = copyButton(() => content, t("copyMessage"), t("copied"));
    this.editButton = actionButton("pencil", t("edit"), () => onEdit(this));
    this.actions = h("div", { class: "msg__actions" }, copy, this.editButton);
    this.element = h("li", { class: "msg msg--user" }, h("div", { class: "msg__bubble" }, content), this.actions);
    this.setLast(false);
  }

  setLast(isLast) {
    this.editButton.hidden = !isLast;
  }
}

/** An answer: streams in, then shows sources, figures and what can be done with it. */
export class Answer {
  /** `actions`: {onCite(citation, all), onRate(answer, value), onRegenerate(answer), onRetry(answer), onPaint()} */
  constructor(agent, t, actions) {
    Object.assign(this, { t, actions, messageId: null, runId: null, feedback: 0, citations: [] });
    this.context = { t, citations: new Map(), onCite: (citation) => actions.onCite(citation, this.citations) };
    this.prose = h("div", { class: "prose" });
    this.writer = new Prose(this.prose, this.context, () => actions.onPaint());
    this.note = h("div", { class: "msg__note", hidden: true });
    this.sources = h("div", { class: "msg__sources", hidden: true });
    this.meta = h("p", { class: "msg__meta", hidden: true });
    this.bar = h("div", { class: "msg__actions", hidden: true });
    this.avatar = makeAvatar(agent, 26);
    const body = h(
      "div",
      { class: "msg__body" },
      this.prose,
      this.note,
      this.sources,
      h("div", { class: "msg__foot" }, this.bar, this.meta),
    );
    this.element = h("li", { class: "msg msg--assistant" }, this.avatar, body);
  }

  get text() {
    return this.writer.text;
  }

  start() {
    this.element.dataset.state = this.text ? "streaming" : "waiting";
    this.prose.setAttribute("aria-busy", "true");
  }

  append(text) {
    this.element.dataset.state = "streaming";
    this.writer.append(text);
  }

  set(text) {
    if (text) this.element.dataset.state = "streaming";
    this.writer.set(text);
  }

  setCitations(list) {
    this.citations = list ?? [];
    this.context.citations = new Map(this.citations.map((citation) => [citation.index, citation]));
  }

  /** The end: `status` complete, partial, cancelled or failed; `run` carries the figures and the error. */
  finish(status, { content = this.text, run = null, error = null } = {}) {
    this.element.dataset.state = status;
    this.prose.removeAttribute("aria-busy");
    this.writer.finish(content);
    this.#showSources();
    this.#showMeta(run);
    this.#showNote(status, error ?? run?.error);
    this.#showActions();
    this.actions.onPaint();
  }

  setReconnecting(isReconnecting) {
    this.note.hidden = !isReconnecting;
    if (isReconnecting) this.#note("info", this.t("reconnecting"));
  }

  setLast(isLast) {
    if (this.regenerate) this.regenerate.hidden = !isLast;
  }

  #showSources() {
    const used = new Set([...this.prose.querySelectorAll(".cite")].map((chip) => Number(chip.textContent)));
    const shown = this.citations.filter((citation) => used.has(citation.index));
    this.sources.hidden = shown.length === 0;
    const files = shown.map((citation) => {
      const chip = citeButton(citation, this.context.onCite, this.t);
      chip.classList.add("cite--named");
      chip.removeAttribute("aria-label"); // number and name are there to be read
      const page = citation.page
        ? h("span", { class: "cite__page" }, this.t("pageShort", { page: citation.page }))
        : null;
      chip.replaceChildren(
        h("b", {}, String(citation.index)),
        h("span", { class: "cite__name" }, citation.filename),
        page ?? "",
      );
      return chip;
    });
    this.sources.replaceChildren(...files);
  }

  #showMeta(run) {
    const parts = run && !this.actions.isVisitor ? describeRun(run, this.t) : []; // what it cost is its owner's business
    this.meta.hidden = parts.length === 0;
    this.meta.replaceChildren(...parts.map((part) => h("span", { title: part.title }, part.text)));
  }

  #showNote(status, error) {
    const texts = { partial: this.t("partial"), cancelled: this.t("cancelled"), failed: this.t("failed") };
    const text = status === "complete" ? "" : explainError(error, this.t) || texts[status] || "";
    this.note.hidden = !text;
    if (!text) return;
    const isStopped = status === "cancelled";
    this.#note(isStopped ? "info" : "error", text, !isStopped);
  }

  #note(kind, text, canRetry = false) {
    this.note.dataset.kind = kind;
    const retry = h(
      "button",
      { type: "button", class: "btn btn--sm", onclick: () => this.actions.onRetry(this) },
      this.t("retry"),
    );
    this.note.replaceChildren(
      icon(kind === "error" ? "circle-alert" : "info"),
      h("span", {}, text),
      ...(canRetry ? [retry] : []),
    );
  }

  #showActions() {
    const { t } = this;
    const copy = copyButton(() => this.text, t("copyAnswer"), t("copied"));
    this.up = actionButton("thumbs-up", t("good"), () => this.#rate(1));
    this.down = actionButton("thumbs-down", t("bad"), () => this.#rate(-1));
    this.regenerate = actionButton("refresh-cw", t("regenerate"), () => this.actions.onRegenerate(this));
    const rating = this.messageId ? [this.up, this.down] : [];
    this.bar.replaceChildren(...(this.text ? [copy, ...rating] : []), this.regenerate);
    this.bar.hidden = !this.text && !this.note.hidden; // the note offers to try again
    this.showFeedback(this.feedback);
  }

  showFeedback(value) {
    this.feedback = value ?? 0;
    this.up?.setAttribute("aria-pressed", String(this.feedback === 1));
    this.down?.setAttribute("aria-pressed", String(this.feedback === -1));
  }

  #rate(value) {
    this.actions.onRate(this, this.feedback === value ? 0 : value);
  }
}

// What a visitor can do something about. All else is for the agent's owner, and has a sentence of its own.
const VISITORS_CODES = new Set([undefined, "offline", "conversation_busy", "rate_limited", "interrupted", "identity_required"]);

/** The error in the reader's language where we know it, with what the model's provider said of its own. */
export function explainError(error, t) {
  const forVisitors = t("visitorFailed");
  if (forVisitors !== "visitorFailed" && error && !VISITORS_CODES.has(error.code)) return forVisitors;
  if (!error?.code || document.documentElement.lang === "en") return error?.message ?? "";
  const key = `error${error.code.replace(/(^|_)(\w)/g, (_whole, _line, letter) => letter.toUpperCase())}`;
  return translateReason(error.message) ?? (t(key) === key ? error.message : t(key));
}

function actionButton(name, label, onclick) {
  return h("button", { type: "button", class: "copy", "aria-label": label, "data-tip": label, onclick }, icon(name));
}

function describeRun(run, t) {
  const parts = [];
  const tokens = (run.input_tokens ?? 0) + (run.output_tokens ?? 0);
  if (tokens) {
    const title = t("tokenDetail", { input: run.input_tokens, output: run.output_tokens });
    parts.push({ text: plural(t, "tokens", tokens), title });
  }
  if (run.cost_usd !== null && run.cost_usd !== undefined && tokens)
    parts.push({ text: formatCost(run.cost_usd), title: t("cost") });
  if (run.ttft_ms)
    parts.push({ text: t("firstToken", { time: formatSeconds(run.ttft_ms) }), title: t("firstTokenTitle") });
  if (run.latency_ms) parts.push({ text: formatSeconds(run.latency_ms), title: t("totalTitle") });
  return parts;
}
