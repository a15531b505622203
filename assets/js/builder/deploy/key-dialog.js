// The dialog in which a key is made or changed.

import { clearFormErrors, showFormErrors } from "../../lib/api.js";
import { openDialog } from "../../lib/dialog.js";
import { OriginChips } from "./origin-chips.js";

const DAY_MS = 86_400_000;

export class KeyDialog {
  constructor(dialog, t) {
    Object.assign(this, { dialog, t, form: dialog.querySelector("form"), save: null });
    this.origins = new OriginChips(dialog.querySelector("[data-origins]"), t);
    this.form.addEventListener("change", () => this.#adapt());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Open it for this key, or for a new one; `save(given, close)` sends it and closes; it may throw ApiError. */
  open(key, save) {
    Object.assign(this, { key, save });
    this.form.reset();
    clearFormErrors(this.form);
    this.dialog.querySelector(".dialog__title").textContent = this.t(key ? "keyEditTitle" : "keyNewTitle");
    this.form.querySelector("[data-submit]").textContent = this.t(key ? "keySave" : "keyNewAction");
    this.origins.set(key?.allowed_origins ?? []);
    if (key) this.#fill(key);
    for (const field of this.form.querySelectorAll("[data-only-new]")) field.hidden = Boolean(key);
    this.#adapt();
    openDialog(this.dialog);
  }

  #fill(key) {
    const { name, kind, scopes, requires_identity: identity, expiry, expires_at: date } = this.form.elements;
    name.value = key.name;
    kind.value = key.kind;
    for (const box of scopes) box.checked = key.scopes.length === 0 || key.scopes.includes(box.value);
    identity.checked = key.requires_identity;
    expiry.value = key.expires_at ? "date" : "";
    date.value = key.expires_at ? localDate(new Date(key.expires_at)) : "";
  }

  /** Show what belongs to the chosen kind and expiry. */
  #adapt() {
    const { kind, expiry, expires_at: date } = this.form.elements;
    for (const part of this.form.querySelectorAll("[data-for-kind]")) part.hidden = part.dataset.forKind !== kind.value;
    this.form.querySelector("[data-expiry-date]").hidden = expiry.value !== "date";
    date.required = expiry.value === "date";
    date.min = localDate(new Date(Date.now() + DAY_MS));
  }

  #read() {
    const { name, kind, scopes, requires_identity: identity } = this.form.elements;
    const chosen = [...scopes].filter((box) => box.checked).map((box) => box.value);
    const isWidget = kind.value === "widget";
    return {
      name: name.value.trim(),
      ...(this.key ? {} : { kind: kind.value }),
      scopes: isWidget ? [] : chosen,
      allowed_origins: this.origins.values,
      expires_at: this.#readExpiry(),
      requires_identity: isWidget && identity.checked,
    };
  }

  /** The end of the chosen day, or so many days from now, as the server reads it; null for never. */
  #readExpiry() {
    const { expiry, expires_at: date } = this.form.elements;
    if (!expiry.value) return null;
    if (expiry.value !== "date") return new Date(Date.now() + Number(expiry.value) * DAY_MS).toISOString();
    const unchanged = this.key?.expires_at && localDate(new Date(this.key.expires_at)) === date.value;
    return unchanged ? this.key.expires_at : new Date(`${date.value}T23:59:59`).toISOString();
  }

  #problems() {
    const { name, kind, scopes, expiry, expires_at: date } = this.form.elements;
    const isBare = kind.value === "secret" && ![...scopes].some((box) => box.checked);
    const wrong = {
      name: name.value.trim() ? "" : this.t("keyNameMissing"),
      scopes: isBare ? this.t("keyScopeMissing") : "",
      allowed_origins: kind.value === "widget" && this.origins.values.length === 0 ? this.t("keyOriginMissing") : "",
      expires_at: expiry.value === "date" && !date.value ? this.t("keyDateMissing") : "",
    };
    return Object.entries(wrong).flatMap(([param, message]) => (message ? [{ param, message }] : []));
  }

  async #submit() {
    const submit = this.form.querySelector("[data-submit]");
    if (!this.origins.take()) return;
    const errors = this.#problems();
    if (errors.length) return this.#show({ errors });
    submit.setAttribute("aria-busy", "true");
    try {
      await this.save(this.#read(), () => this.dialog.close());
    } catch (error) {
      this.#show(error);
    } finally {
      submit.removeAttribute("aria-busy");
    }
  }

  #show(error) {
    const fields = (error.errors ?? []).map(({ param, message }) => ({ param: param.split(".")[0], message }));
    showFormErrors(this.form, { ...error, message: error.message, param: error.param, errors: fields });
    const origin = fields.find(({ param }) => param === "allowed_origins");
    if (origin) this.origins.showError(origin.message);
    const scope = fields.find(({ param }) => param === "scopes");
    if (scope) this.form.querySelector('[data-error-for="scopes"]').textContent = scope.message;
  }
}

/** YYYY-MM-DD in the reader's own time zone. */
function localDate(moment) {
  const two = (number) => String(number).padStart(2, "0");
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}
