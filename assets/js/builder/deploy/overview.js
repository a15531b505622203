// Overview: whether the agent serves, its hosted page, its addresses, and how the last day went.

import { api, clearFormErrors, showFormErrors } from "../../lib/api.js";
import { toast } from "../../lib/toast.js";
import { showHealth } from "./health.js";

export function setUp({ store, t }) {
  const path = `/api/agents/${store.agent.id}/deployment`;
  const form = document.getElementById("slug-form");
  const serving = document.getElementById("is-serving");
  const hosted = document.getElementById("hosted-enabled");
  const indexed = document.getElementById("hosted-indexed");

  const render = (deployment) => {
    serving.checked = deployment.is_serving;
    hosted.checked = deployment.hosted.enabled;
    indexed.checked = deployment.hosted.indexed;
    hosted.disabled = indexed.disabled = !store.agent.can_edit;
    document.querySelector("[data-hosted-indexing]").hidden = !deployment.hosted.enabled;
    showAddresses(deployment);
    if (form) showSlug(form, deployment.slug);
    store.markDeployment(deployment);
  };
  const load = async () => {
    try {
      render(await api.get(path));
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  };
  const change = async (changes) => {
    try {
      render(await api.patch(path, changes));
      return true;
    } catch (error) {
      toast(error.message, { kind: "bad" });
      await load();
      return false;
    }
  };
  setUpSwitch(serving, (isOn) => change({ is_serving: isOn }), { on: t("servingOn"), off: t("servingOff") }, t);
  setUpSwitch(hosted, (isOn) => change({ hosted_enabled: isOn }), { on: t("hostedOn"), off: t("hostedOff") }, t);
  setUpSwitch(indexed, (isOn) => change({ hosted_indexed: isOn }), { on: t("indexedOn"), off: t("indexedOff") }, t);
  if (form) setUpSlug(form, path, render, t);
  return {
    show() {
      load();
      showHealth(store.agent.id, t);
    },
  };
}

/** The switch moves at once; the toast takes it back. */
function setUpSwitch(input, apply, words, t) {
  const set = async (isOn, isUndo = false) => {
    input.checked = isOn;
    if (!(await apply(isOn))) return;
    const undo = { label: t("undo"), run: () => set(!isOn, true) };
    toast(isOn ? words.on : words.off, { action: isUndo ? null : undo });
  };
  input.addEventListener("change", () => set(input.checked));
}

function showAddresses({ urls, hosted }) {
  for (const row of document.querySelectorAll("#addresses [data-address]")) {
    const url = urls[row.dataset.address];
    row.hidden = !url;
    if (url) row.querySelector("code").textContent = url;
  }
  const place = document.querySelector("[data-hosted-address]");
  place.hidden = !hosted.enabled;
  place.querySelector("code").textContent = hosted.url;
  place.querySelector("[data-hosted-open]").href = hosted.url;
}

function showSlug(form, slug) {
  const input = form.elements.slug;
  if (input.value === (form.dataset.saved ?? input.value)) input.value = slug;
  form.dataset.saved = slug;
  form.querySelector("[type=submit]").disabled = input.value.trim() === slug;
}

function setUpSlug(form, path, render, t) {
  const input = form.elements.slug;
  const submit = form.querySelector("[type=submit]");
  form.dataset.saved = input.value;
  input.addEventListener("input", () => {
    clearFormErrors(form);
    submit.disabled = input.value.trim() === form.dataset.saved;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    const before = form.dataset.saved;
    submit.setAttribute("aria-busy", "true");
    try {
      const deployment = await api.patch(path, { slug: input.value.trim() });
      form.dataset.saved = input.value = deployment.slug;
      render(deployment);
      toast(t("slugSaved", { before }));
    } catch (error) {
      showFormErrors(form, error.param || error.errors.length ? error : { errors: [{ param: "slug", message: error.message }] });
    } finally {
      submit.removeAttribute("aria-busy");
    }
  });
}
