// The agent's versions: who changed what when, the difference to the draft, restore.

import { timeElement } from "../chat/format.js";
import { api } from "../lib/api.js";
import { openSheet } from "../lib/dialog.js";
import { h, icon } from "../lib/dom.js";
import { toast } from "../lib/toast.js";
import { diffLines } from "./diff.js";

const FIELDS = [
  "model",
  "endpoint_id",
  "temperature",
  "max_tokens",
  "welcome_message",
  "suggested_questions",
  "knowledge_enabled",
  "language",
  "appearance",
  "openai_system_messages",
  "openai_temperature",
];

export class Versions {
  constructor(store, autosave, t) {
    Object.assign(this, { store, autosave, t, path: `/api/agents/${store.agent.id}/versions` });
    this.place = document.querySelector("[data-versions]");
  }

  /** Load the list; called whenever the tab is opened. */
  async show() {
    await this.autosave.flush();
    try {
      const page = await api.get(`${this.path}?limit=50`);
      this.#render(page.data, page.next);
    } catch (error) {
      const retry = h("button", { type: "button", class: "btn btn--sm", onclick: () => this.show() }, this.t("retry"));
      this.place.replaceChildren(
        h("div", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, error.message), retry),
      );
    }
  }

  #render(versions, next) {
    const list = h("ol", { class: "list versions__list" }, ...versions.map((version) => this.#row(version)));
    this.place.replaceChildren(list);
    if (next) this.place.append(this.#moreButton(list, next));
  }

  #moreButton(list, cursor) {
    const more = h("button", { type: "button", class: "btn btn--sm versions__more" }, this.t("more"));
    more.addEventListener("click", async () => {
      const page = await api.get(`${this.path}?limit=50&cursor=${encodeURIComponent(cursor)}`);
      list.append(...page.data.map((version) => this.#row(version)));
      more.replaceWith(page.next ? this.#moreButton(list, page.next) : "");
    });
    return more;
  }

  #row(version) {
    const { t } = this;
    const { version: draft, live_version: live } = this.store.agent;
    const isDraft = version.number === draft;
    const badges = [
      isDraft ? h("span", { class: "badge badge--accent" }, t("current")) : null,
      version.number === live ? h("span", { class: "badge badge--ok badge--dot" }, t("liveShort")) : null,
    ];
    const author = version.author ? h("bdi", {}, t("changedBy", { name: version.author })) : null;
    const facts = h("span", { class: "versions__facts" }, timeElement(version.created_at), author);
    const compare = h(
      "button",
      { type: "button", class: "btn btn--sm", onclick: () => this.#compare(version) },
      t("compare"),
    );
    const name = h(
      "span",
      { class: "versions__name" },
      h("b", { class: "num" }, t("version", { number: version.number })),
      ...badges,
    );
    return h("li", {}, h("div", { class: "versions__what" }, name, facts), isDraft ? null : compare);
  }

  #compare(version) {
    const { t } = this;
    const canEdit = this.store.agent.can_edit;
    const restore = canEdit
      ? h("button", { type: "button", class: "btn btn--primary" }, icon("rotate-ccw"), t("restore"))
      : null;
    const title = t("compareTitle", { number: version.number });
    const sheet = openSheet({ title, content: makeDiff(version.config, this.store.config, t), foot: restore });
    restore?.addEventListener("click", () => this.#restore(version, sheet, restore));
  }

  async #restore(version, sheet, button) {
    button.setAttribute("aria-busy", "true");
    try {
      await this.autosave.flush();
      this.store.replace(await api.post(`${this.path}/${version.number}/rollback`));
      sheet.close();
      toast(this.t("restored", { number: version.number }));
      await this.show();
    } catch (error) {
      button.removeAttribute("aria-busy");
      toast(error.message, { kind: "bad" });
    }
  }
}

/** What differs, from the version (removed) to the draft (added). */
function makeDiff(before, after, t) {
  const parts = [];
  if (before.instructions !== after.instructions) {
    const lines = diffLines(before.instructions, after.instructions).map(({ kind, text }) =>
      h("div", { class: `diff__line diff__line--${kind}` }, text || "\u00a0"),
    );
    parts.push(h("h3", {}, t("diffInstructions")), h("div", { class: "diff__text" }, ...lines));
  }
  const rows = FIELDS.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).map((name) => {
    const label = t(`diff${name.replace(/(^|_)(\w)/g, (whole, line, letter) => letter.toUpperCase())}`);
    return h(
      "div",
      { class: "diff__row" },
      h("b", {}, label),
      h("del", {}, describe(before[name], t)),
      h("ins", {}, describe(after[name], t)),
    );
  });
  if (parts.length + rows.length === 0) return h("p", { class: "muted" }, t("same"));
  return h("div", { class: "diff" }, ...parts, ...rows);
}

function describe(value, t) {
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (Array.isArray(value)) return value.join(" · ") || t("emptyValue");
  if (value && typeof value === "object") return [value.color, value.color_2, value.glyph].filter(Boolean).join(" · ");
  return String(value ?? "") || t("emptyValue");
}
