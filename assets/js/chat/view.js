// The chat's frame: the list of messages and where it is scrolled to, the welcome, suggestions, notices.

import { makeAvatar } from "./avatar.js";
import { h, icon, reducedMotion } from "./dom.js";

const NEAR_END_PX = 64;

export class ChatView {
  /** `chat` gives the parts (composer, history, t); `onSuggestion(question)` when a pill is chosen. */
  constructor(root, chat, onSuggestion) {
    const { t } = chat;
    Object.assign(this, { root, t, onSuggestion, atEnd: true });
    this.demo = this.#demoNotice(chat.options.modelsUrl);
    this.welcome = h("div", { class: "chat__welcome" });
    this.list = h("ol", { class: "chat__messages" });
    this.scroller = h(
      "div",
      { class: "chat__scroll", tabindex: "0", role: "region", "aria-label": t("messages") },
      this.welcome,
      this.list,
    );
    this.newest = h(
      "button",
      {
        type: "button",
        class: "chat__newest",
        "aria-label": t("newest"),
        title: t("newest"),
        hidden: true,
        onclick: () => this.scrollToNewest(true),
      },
      icon("arrow-down"),
    );
    this.pills = h("div", { class: "chat__pills", role: "group", "aria-label": t("suggestions") });
    this.status = h("p", { class: "sr-only", role: "status", "aria-live": "polite" });
    const foot = h("div", { class: "chat__foot" }, this.newest, this.pills, chat.composer.element);
    root.classList.add("chat");
    root.replaceChildren(this.demo, this.scroller, foot, this.status, chat.history.element);
    this.scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    new ResizeObserver(() => {
      chat.composer.grow();
      this.keepAtNewest();
    }).observe(this.scroller);
  }

  #demoNotice(modelsUrl) {
    const link = modelsUrl ? h("a", { href: modelsUrl }, this.t("connectModel")) : null;
    return h(
      "div",
      { class: "chat__demo", hidden: true },
      icon("info"),
      h("p", {}, this.t("demoModel"), " ", link ?? ""),
    );
  }

  showAgent(agent) {
    const name = h("p", { class: "chat__name" }, h("bdi", {}, agent.name));
    const text = h("p", { class: "chat__hello" }, agent.welcome_message || this.t("welcome"));
    this.welcome.replaceChildren(makeAvatar(agent, 56), name, text);
    const questions = agent.suggested_questions.filter((question) => question.trim());
    this.pills.replaceChildren(...questions.map((question) => this.#pill(question)));
    this.#showBeginning();
  }

  #pill(question) {
    return h(
      "button",
      { type: "button", class: "chip chat__pill", onclick: () => this.onSuggestion(question) },
      question,
    );
  }

  #showBeginning() {
    const isEmpty = this.list.childElementCount === 0;
    this.root.dataset.empty = String(isEmpty);
    this.pills.hidden = !isEmpty || this.pills.childElementCount === 0;
  }

  addMessage(element) {
    this.list.append(element);
    this.#showBeginning();
  }

  clear() {
    this.list.replaceChildren();
    this.atEnd = true;
    this.newest.hidden = true;
    this.#showBeginning();
  }

  setLoading(isLoading) {
    this.root.toggleAttribute("data-loading", isLoading);
    if (isLoading)
      this.list.replaceChildren(
        ...["short", "long", "short", "long"].map((size) =>
          h("li", { class: `skeleton chat__skeleton chat__skeleton--${size}` }),
        ),
      );
    this.#showBeginning();
  }

  setBusy(isBusy) {
    this.root.dataset.state = isBusy ? "streaming" : "idle";
    if (isBusy) this.announce(this.t("answering"));
    this.#showBeginning();
  }

  showFailure(text, onRetry) {
    const retry = h("button", { type: "button", class: "btn btn--sm", onclick: onRetry }, this.t("retry"));
    this.list.replaceChildren(
      h("li", { class: "msg__note", "data-kind": "error" }, icon("circle-alert"), h("span", {}, text), retry),
    );
    this.#showBeginning();
  }

  announce(text) {
    this.status.textContent = text;
  }

  scrollToNewest(smooth = false) {
    this.atEnd = true;
    this.newest.hidden = true;
    const behavior = smooth && !reducedMotion() ? "smooth" : "instant";
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior });
  }

  keepAtNewest() {
    if (this.list.childElementCount === 0) return; // the welcome is read from its top
    if (this.atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
    else this.newest.hidden = false;
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const distance = scrollHeight - scrollTop - clientHeight;
    const isUp = scrollTop < (this.lastTop ?? 0) - 1;
    this.lastTop = scrollTop;
    if (distance < NEAR_END_PX) this.atEnd = !isUp || distance < 2;
    else if (isUp) this.atEnd = false;
    this.newest.hidden = this.atEnd || distance < NEAR_END_PX;
  }
}
