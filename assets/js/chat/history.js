// Past conversations of this agent: reopen one, delete one (with time to take it back), begin a new one.

import { h, icon, iconButton } from "./dom.js";
import { timeElement } from "./format.js";

const UNDO_MS = 6000;

export class History {
  /** `actions`: {open(id), startNew(), onClose(), onDelete(id)}; `canDelete(item)` says which may be deleted. */
  constructor(client, t, actions, canDelete) {
    Object.assign(this, { client, t, actions, canDelete, pending: new Map(), currentId: null });
    this.list = h("ul", { class: "history__list" });
    this.more = h(
      "button",
      { type: "button", class: "btn btn--sm", hidden: true, onclick: () => this.#load(this.cursor) },
      t("more"),
    );
    this.undoBar = h("div", { class: "history__undo", role: "status", hidden: true });
    const start = h(
      "button",
      { type: "button", class: "btn btn--sm", onclick: () => this.#startNew() },
      icon("plus"),
      t("newConversation"),
    );
    const close = iconButton("x", t("closeHistory"), () => this.#dismiss());
    this.element = h(
      "section",
      { class: "history", "aria-label": t("history"), hidden: true, onkeydown: (event) => this.#onKey(event) },
      h("header", { class: "history__head" }, h("h2", {}, t("history")), start, close),
      h("div", { class: "history__scroll" }, this.list, this.more),
      this.undoBar,
    );
    addEventListener("pagehide", () => this.#flush());
  }

  get isOpen() {
    return !this.element.hidden;
  }

  async show(currentId) {
    this.currentId = currentId;
    this.opener = document.activeElement;
    this.element.hidden = false;
    this.list.replaceChildren(...[1, 2, 3].map(() => h("li", { class: "skeleton history__skeleton" })));
    this.element.querySelector("button").focus();
    await this.#load(null);
  }

  close() {
    if (!this.isOpen) return;
    this.element.hidden = true;
    this.actions.onClose();
  }

  async #load(cursor) {
    try {
      const page = await this.client.listConversations(cursor);
      this.cursor = page.next;
      this.more.hidden = !page.next;
      const rows = page.data.filter((item) => !this.pending.has(item.id)).map((item) => this.#row(item));
      if (cursor) this.list.append(...rows);
      else this.list.replaceChildren(...(rows.length ? rows : [this.#empty()]));
    } catch (error) {
      const retry = h(
        "button",
        { type: "button", class: "btn btn--sm", onclick: () => this.#load(cursor) },
        this.t("retry"),
      );
      this.list.replaceChildren(h("li", { class: "history__empty" }, error.message || this.t("offline"), retry));
    }
  }

  #empty() {
    return h("li", { class: "history__empty" }, icon("history"), h("span", {}, this.t("historyEmpty")));
  }

  #row(item) {
    const title = item.title || this.t("untitled");
    const open = h(
      "button",
      {
        type: "button",
        class: "history__open",
        "aria-current": item.id === this.currentId ? "true" : null,
        onclick: () => this.#open(item.id),
      },
      h("bdi", { class: "history__title" }, title),
      timeElement(item.last_message_at ?? item.created_at),
    );
    const row = h("li", { class: "history__row" }, open);
    if (this.canDelete(item))
      row.append(iconButton("trash-2", this.t("deleteNamed", { title }), () => this.#remove(item.id, row), "btn--sm"));
    return row;
  }

  #open(id) {
    this.close();
    this.actions.open(id);
  }

  #startNew() {
    this.close();
    this.actions.startNew();
  }

  #remove(id, row) {
    const place = row.nextSibling;
    row.remove();
    const timer = setTimeout(() => this.#commit(id), UNDO_MS);
    this.pending.set(id, timer);
    const undo = h(
      "button",
      { type: "button", class: "btn btn--sm", onclick: () => this.#restore(id, row, place) },
      this.t("undo"),
    );
    this.undoBar.replaceChildren(h("span", {}, this.t("deleted")), undo);
    this.undoBar.hidden = false;
    undo.focus();
  }

  #restore(id, row, place) {
    clearTimeout(this.pending.get(id));
    this.pending.delete(id);
    this.undoBar.hidden = true;
    this.list.insertBefore(row, place?.isConnected ? place : null);
    row.querySelector("button").focus();
  }

  async #commit(id) {
    this.pending.delete(id);
    if (this.pending.size === 0) this.undoBar.hidden = true;
    if (!this.list.querySelector(".history__row")) this.list.replaceChildren(this.#empty());
    this.actions.onDelete(id);
    await this.client.deleteConversation(id).catch(() => {}); // still listed when it failed: nothing is lost
  }

  #flush() {
    for (const [id, timer] of this.pending) {
      clearTimeout(timer);
      this.#commit(id);
    }
  }

  #onKey(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.#dismiss();
  }

  /** Closed without a choice: the focus goes back to where it came from. */
  #dismiss() {
    this.close();
    this.opener?.focus();
  }
}
