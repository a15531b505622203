// One widget on the page: a launcher, a panel, the frame in it, and what may be asked of them.

import { Bridge } from "./bridge.js";
import { cross, h, speech } from "./dom.js";
import { makeElement } from "./element.js";
import { clearMark, keep, markForgotten, nameOf, readKept, readMark, rememberClosed, wasClosed } from "./kept.js";
import { readLanguage } from "./options.js";
import { sayUnread, stringsOf } from "./strings.js";
import { dress, FULL_SCREEN, readableOn } from "./styles.js";

const REBUILDS = 5; // a page that takes the widget out more often than this, each time at once, means it
const AT_ONCE_MS = 1000;
const FORGET_MS = 10_000; // as long a frame may take to forget, when the widget is to go

export class Widget {
  /** `page`: {widgets(), onEnd(widget)}. */
  constructor(options, page) {
    Object.assign(this, { options, page, isOpen: false, unread: 0, rebuilds: 0, rebuiltAt: 0, user: options.user });
    this.keptName = nameOf(options);
    this.variables = { ...options.variables };
    this.strings = stringsOf(options.language);
    this.small = matchMedia(FULL_SCREEN);
    this.onResize = () => this.#fitScreen();
    this.small.addEventListener("change", this.onResize);
    this.#build();
    this.#place();
    this.#openByItself();
  }

  get id() {
    return this.options.id;
  }

  get isInline() {
    return this.options.mode === "inline";
  }

  open({ focus = true } = {}) {
    if (this.isDestroyed) return;
    this.#load();
    if (!this.isOpen) {
      this.isOpen = true;
      this.opener = document.activeElement;
      this.#show();
      this.#setUnread(0);
      this.#tell("open");
    }
    const takesFocus = focus || this.isModal;
    if (takesFocus) this.#focusFrame("composer");
    this.bridge.post("shown", { isFull: this.small.matches });
  }

  close() {
    if (!this.isOpen || this.isInline) return;
    const hadFocus = this.shadow.activeElement !== null;
    this.isOpen = false;
    this.#hide();
    this.bridge.post("hidden");
    if (hadFocus) this.#returnFocus();
    rememberClosed(this.id);
    this.#tell("close");
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  /** Ask this in the visitor's name; the chat opens. */
  send(text) {
    if (typeof text !== "string" || !text.trim()) return;
    this.open();
    this.bridge.post("send", { text });
  }

  /** Say who the visitor is: a JWT signed with the key's identity secret, or null for nobody. */
  setUser(token) {
    this.user = typeof token === "string" ? token : "";
    this.bridge.update("user", { token: this.user });
  }

  setVariables(values) {
    this.variables = { ...this.variables, ...values };
    this.bridge.update("variables", { variables: this.variables });
  }

  setLocale(language) {
    this.options.language = readLanguage(language);
    this.strings = stringsOf(this.options.language);
    this.#label();
    if (this.bridge.address) this.bridge.load(this.#address());
  }

  /** Forget the visitor's sessions and conversation in this browser: here and in the widgets that share them. */
  reset() {
    const mark = markForgotten(this.keptName);
    if (!this.isDestroyed) this.#load();
    for (const widget of this.page.widgets()) if (widget.keptName === this.keptName) widget.#forget(mark);
  }

  destroy() {
    if (this.isDestroyed) return;
    if (this.isOpen) this.#hide();
    Object.assign(this, { isDestroyed: true, isOpen: false });
    this.small.removeEventListener("change", this.onResize);
    clearTimeout(this.timer);
    if (this.forgetting && this.host.isConnected) this.#linger();
    else this.#end();
    this.page.onEnd(this);
    this.#tell("destroy");
  }

  #forget(mark) {
    Object.assign(this, { user: "", variables: {}, forgetting: this.bridge.address ? mark : "" });
    this.#setUnread(0);
    this.bridge.drop(); // what waits was said for who has gone
    this.bridge.update("reset", { mark });
  }

  #onForgotten({ mark }) {
    clearMark(this.keptName, mark);
    if (this.forgetting === mark) this.forgetting = "";
    this.#tell("reset");
    if (this.isDestroyed && !this.forgetting) this.#end();
  }

  /** Out of sight, until the frame has forgotten what it was told to. */
  #linger() {
    this.host.hidden = true;
    const end = () => this.#end();
    const messages = { reset: (data) => this.#onForgotten(data) };
    Object.assign(this.bridge.handlers, { ready() {}, failed: end, refused: end, messages });
    this.timer = setTimeout(end, FORGET_MS);
  }

  #end() {
    clearTimeout(this.timer);
    this.bridge.destroy();
    this.host.onRemoved = null;
    this.host.remove();
  }

  // --- The elements -------------------------------------------------------------------------------------------------

  #build() {
    const { mode, position, theme, launcher } = this.options;
    this.host = makeElement();
    Object.assign(this.host.dataset, { mode, position, theme, launcher: launcher ? "own" : "none" });
    this.host.style.setProperty("--gilo-height", this.options.height, "important");
    this.shadow = this.host.attachShadow({ mode: "open" });
    dress(this.shadow);
    this.root = h("div", { class: "root" }, this.#buildPanel());
    if (mode === "bubble" && launcher) this.root.prepend(this.#buildLauncher());
    this.#paint();
    this.#label();
    this.shadow.append(this.root);
    this.shadow.addEventListener("keydown", (event) => this.#onKey(event));
    this.host.onPlaced = () => this.#onPlaced();
    this.host.onRemoved = () => this.#onRemoved();
  }

  #buildLauncher() {
    this.badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
    this.button = h(
      "button",
      { type: "button", class: "launcher", part: "launcher", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-controls": "panel", click: () => this.toggle() },
      speech(),
      cross("x"),
      this.badge,
    );
    this.live = h("span", { class: "sr", role: "status", "aria-live": "polite" });
    const launcher = document.createDocumentFragment();
    launcher.append(this.button, this.live);
    return launcher;
  }

  #buildPanel() {
    const { mode } = this.options;
    this.frame = h("iframe", { allow: "clipboard-write", referrerpolicy: "origin" });
    this.wait = h("div", { class: "wait" });
    const edges = this.isInline ? [] : ["last", "first"].map((edge) => h("div", { class: "edge", tabindex: "0", focus: () => this.#focusFrame(edge) }));
    const name = this.isInline ? "section" : "dialog";
    const [before, after] = edges;
    const parts = [before, this.frame, this.wait, after].filter(Boolean);
    this.panel = h(name, { id: "panel", class: `panel ${mode}-panel`, part: "panel" }, ...parts);
    if (!this.isInline) this.panel.addEventListener("cancel", (event) => this.#onCancel(event));
    this.panel.addEventListener("click", (event) => event.target === this.panel && mode === "popup" && this.close());
    this.bridge = new Bridge(this.frame, this.options.origin, this.#handlers());
    return this.panel;
  }

  #paint() {
    const { x, y, color } = this.options;
    const { style } = this.root;
    style.setProperty("--gilo-x", `${x}px`);
    style.setProperty("--gilo-y", `${y}px`);
    if (!color) return;
    style.setProperty("--gilo-fill", color);
    style.setProperty("--gilo-on", readableOn(color));
  }

  #label() {
    const title = this.options.title || this.agentName || this.strings.chat;
    this.host.lang = this.options.language;
    for (const element of [this.button, this.panel]) element?.setAttribute("aria-label", title);
    this.frame.title = title;
  }

  /** Into the page: the bubble and the popup at its end, the inline one into its target. */
  #place() {
    const { target } = this.options;
    const place = this.isInline ? (typeof target === "string" ? document.querySelector(target) : target) : document.body;
    if (!(place instanceof Element)) {
      console.warn(`[gilo] nothing on this page matches the widget's target ${target}`);
      return this.destroy();
    }
    place.append(this.host);
    if (this.isInline) this.#startInline();
  }

  #startInline() {
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      this.open({ focus: false });
    });
    watch.observe(this.host);
  }

  /** The page took the widget out: a router that changes its content gets it back, who does it again and again not. */
  #onRemoved() {
    if (this.isDestroyed) return this.#end();
    this.bridge.rest(); // an element that moves loads its frame anew
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.host.isConnected || this.isDestroyed) return;
      if (this.isInline || !this.#mayRebuild()) return this.destroy();
      document.body.append(this.host);
    });
  }

  #mayRebuild() {
    const now = performance.now();
    this.rebuilds = now - this.rebuiltAt < AT_ONCE_MS ? this.rebuilds + 1 : 1;
    this.rebuiltAt = now;
    return this.rebuilds <= REBUILDS;
  }

  #onPlaced() {
    clearTimeout(this.timer);
    if (this.isOpen) this.#show();
  }

  // --- Open and closed ----------------------------------------------------------------------------------------------

  get isModal() {
    return !this.isInline && (this.options.mode === "popup" || this.small.matches);
  }

  #show() {
    if (this.isInline || !this.host.isConnected) return;
    this.panel.close();
    if (this.isModal) this.panel.showModal();
    else this.panel.setAttribute("open", "");
    this.button?.setAttribute("aria-expanded", "true");
    this.#lockPage(this.isModal);
  }

  #hide() {
    if (this.isInline) return;
    this.panel.close();
    this.panel.removeAttribute("open");
    this.button?.setAttribute("aria-expanded", "false");
    this.#lockPage(false);
  }

  #fitScreen() {
    if (!this.isOpen || this.isInline) return;
    this.#show();
    this.bridge.post("shown", { isFull: this.small.matches });
  }

  /** A page under a modal chat does not scroll. */
  #lockPage(isLocked) {
    const { style } = document.documentElement;
    if (isLocked === (this.overflow !== undefined)) return;
    if (isLocked) {
      this.overflow = style.overflow;
      style.overflow = "hidden";
    } else {
      style.overflow = this.overflow;
      this.overflow = undefined;
    }
  }

  #focusFrame(edge) {
    if (!this.bridge.isReady) return this.wait.querySelector("button")?.focus();
    this.frame.focus();
    this.bridge.post("focus", { edge });
  }

  #returnFocus() {
    const back = this.button ?? (this.opener?.isConnected ? this.opener : null);
    back?.focus({ preventScroll: true });
  }

  #onKey(event) {
    if (event.key !== "Escape" || !this.isOpen) return;
    event.stopPropagation();
    this.close();
  }

  #onCancel(event) {
    event.preventDefault();
    this.close();
  }

  #openByItself() {
    const { openAfter } = this.options;
    if (openAfter === null || this.isInline || wasClosed(this.id)) return;
    setTimeout(() => !this.isOpen && !wasClosed(this.id) && this.open({ focus: false }), openAfter * 1000);
  }

  // --- The frame ----------------------------------------------------------------------------------------------------

  #load() {
    if (this.bridge.address) return;
    this.#showWait(h("div", { class: "dots", role: "img", "aria-label": this.strings.loading }));
    this.bridge.load(this.#address());
  }

  #address() {
    const { origin, agent, key, language, theme, mode } = this.options;
    const query = new URLSearchParams({ key, lang: language, theme, mode });
    return `${origin}/widget/${encodeURIComponent(agent)}?${query}`;
  }

  #handlers() {
    return {
      hello: () => this.#introduce(),
      ready: (data) => this.#onReady(data),
      failed: () => this.#onFailed(),
      refused: (data) => this.#onRefused(data),
      messages: {
        close: () => this.close(),
        message: (data) => this.#onMessage(data),
        reset: (data) => this.#onForgotten(data),
        keep: (data) => keep(this.keptName, data.all),
        identified: (data) => this.#tell("identify", { isKnown: data.isKnown === true }),
        error: (data) => this.#tell("error", { code: String(data.code), message: String(data.message) }),
      },
    };
  }

  #introduce() {
    const { title, welcome, suggestions, color, mode } = this.options;
    const looks = { title, welcome, suggestions, color, mode, isFull: this.small.matches };
    const { user, variables, keptName } = this;
    return { ...looks, user, variables, kept: readKept(keptName), forget: readMark(keptName) };
  }

  #onReady({ name }) {
    const hadFocus = this.wait.contains(this.shadow.activeElement) || this.shadow.activeElement === this.panel;
    this.wait.remove();
    if (typeof name === "string") this.agentName = name;
    this.#label();
    if (hadFocus) this.#focusFrame("composer");
    this.#tell("ready");
  }

  #onFailed() {
    const retry = h("button", { type: "button", click: () => this.bridge.reload() }, this.strings.retry);
    this.#showWait(h("p", { role: "alert" }, this.strings.failed), retry);
    this.#tell("error", { code: "not_loaded", message: this.strings.failed });
  }

  #onRefused({ message }) {
    this.wait.remove(); // the frame itself says why
    console.warn(`[gilo] ${message}`);
    this.#tell("error", { code: "refused", message: String(message) });
  }

  #onMessage({ role, text, conversationId, messageId }) {
    if (!this.isOpen && role === "assistant") this.#setUnread(this.unread + 1);
    this.#tell("message", { role, text, conversationId, messageId });
  }

  #showWait(...parts) {
    const close = h("button", { type: "button", class: "close", "aria-label": this.strings.close, click: () => this.close() }, cross(""));
    this.wait.replaceChildren(...parts, ...(this.isInline ? [] : [close]));
    if (!this.wait.isConnected) this.frame.after(this.wait);
  }

  #setUnread(count) {
    if (count === this.unread) return;
    this.unread = count;
    if (this.badge) {
      this.badge.hidden = count === 0;
      this.badge.textContent = count > 9 ? "9+" : String(count);
      this.live.textContent = count ? sayUnread(count, this.strings) : "";
    }
    this.#tell("unread", { count });
  }

  #tell(name, detail = {}) {
    const { id, agent } = this.options;
    const event = new CustomEvent(`gilo:${name}`, { bubbles: true, composed: true, detail: { id, agent, ...detail } });
    (this.host.isConnected ? this.host : document).dispatchEvent(event);
  }
}
