// The Deploy tab's part for limits: the plan's windows as they stand, and the agent's budgets.

import { readStrings } from "../chat/dom.js";
import { api, clearFormErrors, showFormErrors } from "../lib/api.js";
import { confirmDialog, openDialog } from "../lib/dialog.js";
import { h, icon } from "../lib/dom.js";
import { formatNumber } from "../lib/i18n.js";
import { exactTime, relativeTime } from "../lib/time.js";
import { toast } from "../lib/toast.js";

const REFRESH_MS = 5000;
const SCOPES = { agent: "scopeAgent", end_user: "scopeEndUser", conversation: "scopeConversation", api_key: "scopeApiKey" };
const PERIODS = { day: "amountDay", month: "amountMonth", total: "amountTotal" };

function money(value) {
  const digits = value !== 0 && Math.abs(value) < 0.1 ? 4 : 2;
  return formatNumber(value, { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", minimumFractionDigits: 2, maximumFractionDigits: digits });
}

const tone = (share) => (share >= 1 ? "bar--bad" : share >= 0.8 ? "bar--warn" : "");

class BudgetsPanel {
  constructor(root) {
    this.root = root;
    this.t = readStrings("budgets-strings");
    this.path = `/api/agents/${root.dataset.agent}`;
    this.list = root.querySelector("[data-budgets]");
    this.dialog = root.querySelector("#budget-dialog");
    this.keys = [];
    this.hasPrice = true;
    root.addEventListener("click", (event) => this.#click(event.target));
    if (this.dialog) this.#listenToForm();
    // Hidden parts ask for nothing; one that is looked at stays true.
    new IntersectionObserver((entries) => this.#show(entries.at(-1).isIntersecting)).observe(root);
  }

  #show(isSeen) {
    clearInterval(this.timer);
    if (!isSeen) return;
    this.#load();
    this.timer = setInterval(() => document.hidden || this.#load(), REFRESH_MS);
  }

  async #load() {
    try {
      const [limits, budgets] = await Promise.all([api.get("/api/workspace/limits"), api.get(`${this.path}/budgets?limit=100`)]);
      await this.#readKeys(budgets.data);
      this.#showLimits(limits);
      this.hasPrice = budgets.has_price;
      this.#warn(this.list.parentElement, budgets.data.some((budget) => budget.limit_usd !== null));
      this.#showBudgets(budgets.data);
    } catch (error) {
      if (this.isLoaded) return; // what is shown stays; the next round tries again
      this.list.replaceChildren(h("div", { class: "notice notice--bad", role: "alert" }, icon("circle-alert"), h("div", {}, error.message)));
      this.root.querySelector("[data-windows]").replaceChildren();
    }
  }

  /** The names of keys, when a budget speaks of one. */
  async #readKeys(budgets) {
    const isNeeded = budgets.some((budget) => budget.scope === "api_key") && this.keys.length === 0;
    if (isNeeded && this.dialog) this.keys = (await api.get(`${this.path}/api-keys?limit=100`)).data;
  }

  #showLimits({ plan, windows }) {
    const badge = this.root.querySelector("span[data-plan]");
    badge.textContent = this.t("plan", { name: plan.name });
    badge.hidden = false;
    const shown = windows.map((window) => {
      const label = this.t(window.name === "day" ? "windowDay" : "windowMinute");
      const numbers = this.t("of", { used: formatNumber(window.used), limit: formatNumber(window.limit) });
      return h("div", { class: "quota" }, h("span", {}, label), h("span", { class: "num" }, numbers),
        h("progress", { class: `bar ${tone(window.used / window.limit)}`, max: window.limit, value: Math.min(window.used, window.limit), "aria-label": label }),
        h("small", {}, this.t("resets", { when: relativeTime(window.resets_at) })));
    });
    this.root.querySelector("[data-windows]").replaceChildren(...(shown.length ? shown : [h("p", { class: "muted" }, this.t("noLimits"))]));
  }

  #showBudgets(budgets) {
    const text = JSON.stringify([budgets, this.keys]);
    if (text === this.shown) return; // whoever is at a control of the list keeps it
    this.shown = text;
    this.isLoaded = true;
    this.budgets = budgets;
    const focused = document.activeElement?.closest("[data-budget] [data-do]");
    const kept = focused && [focused.closest("[data-budget]").dataset.budget, focused.dataset.do];
    if (budgets.length) this.list.replaceChildren(h("ul", { class: "list budgets__list" }, ...budgets.map((budget) => this.#makeItem(budget))));
    else this.list.replaceChildren(document.getElementById("budgets-empty").content.cloneNode(true));
    if (kept) this.list.querySelector(`[data-budget="${kept[0]}"] [data-do="${kept[1]}"]`)?.focus();
  }

  /** Say that dollars do not hold the agent, where a budget counts them. */
  #warn(place, isInDollars) {
    place.querySelector("[data-no-price]").hidden = this.hasPrice || !isInDollars;
  }

  #makeItem(budget) {
    const { use } = budget;
    const name = this.#describeLimit(budget);
    const share = formatNumber(use.share, { style: "percent" });
    const state = !budget.is_active ? h("span", { class: "badge" }, this.t("off")) : use.share >= 1 ? h("span", { class: "badge badge--bad" }, this.t("usedUp")) : null;
    return h("li", { "data-budget": budget.id, "data-off": budget.is_active ? null : true },
      h("div", { class: "budgets__name" }, h("b", {}, name), h("span", {}, this.#describeScope(budget)), state),
      this.#makeActions(budget, name),
      h("progress", { class: `bar ${tone(use.share)}`, max: 1, value: use.share, "aria-label": this.t("share", { share }) }),
      h("div", { class: "budgets__facts" }, ...this.#describeUse(budget)));
  }

  #makeActions(budget, name) {
    if (!this.dialog) return null;
    const button = (action, sign) => h("button", { class: "btn btn--ghost btn--icon btn--sm", type: "button", "data-do": action, "aria-label": `${this.t(action)}: ${name}`, "data-tip": this.t(action) }, icon(sign));
    const holds = h("input", { type: "checkbox", role: "switch", checked: budget.is_active, "data-do": "toggle", "aria-label": `${this.t("hold")}: ${name}` });
    return h("div", { class: "budgets__actions" }, h("span", { class: "switch" }, holds), button("edit", "pencil"), button("delete", "trash-2"));
  }

  #describeLimit({ limit_usd: usd, limit_tokens: tokens, period }) {
    const words = { usd: usd !== null && money(usd), tokens: tokens !== null && this.#tokens(tokens) };
    const amount = words.usd && words.tokens ? this.t("both", words) : words.usd || words.tokens;
    return this.t(PERIODS[period], { amount });
  }

  #describeScope({ scope, api_key_id: id }) {
    const key = id && this.keys.find((one) => one.id === id);
    return key ? this.t("scopeOneKey", { name: key.name }) : this.t(SCOPES[scope]);
  }

  #describeUse({ scope, api_key_id: key, use, limit_usd: usd }) {
    const facts = [];
    const inMoney = usd !== null;
    const amount = inMoney ? money(use.spent_usd) : this.#tokens(use.spent_tokens);
    const reserved = inMoney ? use.reserved_usd : use.reserved_tokens;
    const isEach = scope !== "agent" && !key && use.subjects > 1;
    if (use.subjects === 0) facts.push(this.t("unused"));
    else facts.push(isEach ? this.t("fullest", { amount, count: formatNumber(use.subjects) }) : this.t("used", { amount }));
    if (reserved > 0) facts.push(this.t("reserved", { amount: inMoney ? money(reserved) : this.#tokens(reserved) }));
    const nodes = facts.map((fact) => h("span", {}, fact));
    if (use.resets_at) nodes.push(h("time", { dateTime: use.resets_at, title: exactTime(use.resets_at) }, this.t("resets", { when: relativeTime(use.resets_at) })));
    return nodes;
  }

  #tokens(count) {
    return this.t("tokens", { count: formatNumber(count) });
  }

  #click(target) {
    const suggestion = target.closest("[data-suggest]");
    if (suggestion) {
      const [scope, period, unit, amount] = suggestion.dataset.suggest.split(" ");
      this.#open(null, { scope, period, [`limit_${unit}`]: amount });
    } else if (target.closest("[data-add-budget]")) this.#open(null, { scope: "agent", period: "day" });
    const action = target.closest("[data-do]");
    if (!action) return;
    const budget = this.budgets.find((one) => one.id === action.closest("[data-budget]").dataset.budget);
    if (action.dataset.do === "toggle") this.#change(budget, { is_active: action.checked });
    else if (action.dataset.do === "edit") this.#open(budget, budget);
    else this.#delete(budget);
  }

  async #change(budget, changes) {
    try {
      await api.patch(`${this.path}/budgets/${budget.id}`, changes);
    } catch (error) {
      toast(error.message, { kind: "bad" });
      this.shown = ""; // the switch goes back to what holds
    }
    await this.#load();
  }

  async #delete(budget) {
    if (!(await confirmDialog({ title: this.t("deleteTitle"), text: this.t("deleteText"), action: this.t("delete") }))) return;
    try {
      await api.delete(`${this.path}/budgets/${budget.id}`);
      toast(this.t("deleted"));
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
    await this.#load();
    this.root.querySelector("[data-add-budget]").focus();
  }

  #listenToForm() {
    this.form = this.dialog.querySelector("form");
    this.form.elements.scope.addEventListener("change", () => this.#showKeyChoice());
    this.form.elements.limit_usd.addEventListener("input", ({ target }) => this.#warn(this.form, target.value !== ""));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
  }

  async #showKeyChoice() {
    const field = this.form.querySelector("[data-only-key]");
    field.hidden = this.form.elements.scope.value !== "api_key";
    if (field.hidden) return;
    try {
      this.keys = (await api.get(`${this.path}/api-keys?limit=100`)).data;
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
    const select = this.form.elements.api_key_id;
    select.replaceChildren(select.options[0], ...this.keys.map((key) => new Option(`${key.name} (${key.prefix}…)`, key.id)));
    select.value = this.editing?.api_key_id ?? "";
  }

  /** The dialog for a new budget, or for the limits of one: what is counted and when it starts anew stay as they are. */
  #open(budget, values) {
    this.editing = budget;
    clearFormErrors(this.form);
    this.form.reset();
    const { scope, limit_usd: usd, limit_tokens: tokens } = this.form.elements;
    scope.value = values.scope;
    for (const choice of this.form.querySelectorAll("[name=period]")) choice.checked = choice.value === values.period;
    usd.value = values.limit_usd ?? "";
    tokens.value = values.limit_tokens ?? "";
    this.#warn(this.form, usd.value !== "");
    for (const control of this.form.querySelectorAll("select, [name=period]")) control.disabled = budget !== null;
    this.#showKeyChoice();
    this.dialog.querySelector("#budget-dialog-title").textContent = this.t(budget ? "editTitle" : "addTitle");
    openDialog(this.dialog);
    if (budget || values.limit_usd || values.limit_tokens) (usd.value ? usd : tokens).focus();
  }

  async #save() {
    const { scope, api_key_id: key, limit_usd: usd, limit_tokens: tokens } = this.form.elements;
    const limits = { limit_usd: usd.value === "" ? null : usd.value, limit_tokens: tokens.value === "" ? null : tokens.value };
    const period = this.form.querySelector("[name=period]:checked").value;
    const json = { ...limits, scope: scope.value, period, api_key_id: scope.value === "api_key" && key.value ? key.value : null };
    const submit = this.form.querySelector("[type=submit]");
    submit.disabled = true;
    try {
      if (this.editing) await api.patch(`${this.path}/budgets/${this.editing.id}`, limits);
      else await api.post(`${this.path}/budgets`, json);
      this.dialog.close();
      toast(this.t("saved"));
      await this.#load();
    } catch (error) {
      showFormErrors(this.form, error);
    } finally {
      submit.disabled = false;
    }
  }
}

const root = document.getElementById("budgets-panel");
if (root) new BudgetsPanel(root);
