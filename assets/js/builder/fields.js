// Ties the form's controls to the agent: [data-config="temperature"] and [data-agent="name"]. Panels of other apps name
// their agent by data-agent, too: only controls count.

import { formatNumber } from "../lib/i18n.js";

export class Fields {
  constructor(root, store, autosave, t) {
    Object.assign(this, { root, autosave, t });
    const range = document.getElementById("temperature");
    const showRange = () =>
      (document.getElementById("temperature-value").textContent = formatNumber(range.value, {
        minimumFractionDigits: 1,
      }));
    range.addEventListener("input", showRange);
    range.addEventListener("refill", showRange);
    this.controls = [...document.querySelectorAll(":is(input, textarea, select):is([data-config], [data-agent])")];
    for (const control of this.controls) this.#listen(control);
    this.#takeEarly();
    store.subscribe((agent, isReplaced) => isReplaced && this.#fill(agent));
  }

  #listen(control) {
    control.addEventListener("input", () => this.#take(control));
    control.addEventListener("change", () => this.autosave.flush());
    control.addEventListener("blur", () => this.autosave.isDirty && this.autosave.flush());
  }

  /** What was typed before the scripts were there is an edit too (restoring old values is off: autocomplete="off"). */
  #takeEarly() {
    for (const control of this.controls) {
      if ("defaultValue" in control && control.type !== "checkbox" && control.value !== control.defaultValue) {
        this.#take(control);
      }
    }
  }

  #take(control) {
    const { config, agent } = control.dataset;
    if (agent === "name" && !control.value.trim()) return this.showError("name", this.t("nameRequired"));
    if (control.dataset.type === "number" && (control.value === "" || !control.checkValidity())) {
      return this.showError(config, control.validationMessage);
    }
    this.clearErrors([config ?? agent]);
    this.autosave.change(config ? "config" : "agent", { [config ?? agent]: readControl(control) });
  }

  #fill(agent) {
    for (const control of this.controls) {
      const value = control.dataset.config ? agent.config[control.dataset.config] : agent[control.dataset.agent];
      if (control.type === "checkbox") control.checked = value;
      else if (control.value !== String(value)) control.value = value;
      control.dispatchEvent(new CustomEvent("refill"));
    }
  }

  showError(name, message) {
    const slot = document.querySelector(`[data-error-for="${CSS.escape(name)}"]`);
    if (slot) slot.textContent = message;
    this.#control(name)?.setAttribute("aria-invalid", "true");
    return Boolean(slot);
  }

  clearErrors(names) {
    for (const name of names) {
      const slot = document.querySelector(`[data-error-for="${CSS.escape(name)}"]`);
      if (slot) slot.textContent = "";
      this.#control(name)?.removeAttribute("aria-invalid");
    }
  }

  #control(name) {
    return this.controls.find((control) => control.dataset.config === name || control.dataset.agent === name);
  }
}

function readControl(control) {
  if (control.type === "checkbox") return control.checked;
  if (control.dataset.type === "number") return Number(control.value);
  return control.dataset.agent === "name" ? control.value.trim() : control.value;
}
