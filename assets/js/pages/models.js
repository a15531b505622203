// Settings → Models: connect, test, change and remove model endpoints without loading the page anew.
import { api, clearFormErrors, showFormErrors } from "../lib/api.js";
import { openDialog } from "../lib/dialog.js";
import { h, icon } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { toast, undoable } from "../lib/toast.js";

const PATH = "/api/model-endpoints";
const dialog = document.getElementById("endpoint-dialog");
const form = document.getElementById("endpoint-form");
const fields = form.elements;
const preset = document.getElementById("endpoint-preset");
const betterUrl = form.querySelector("[data-use-url]");
let endpoints = readJson("endpoints-data");
let edited = null; // the endpoint in the form, null for a new one

function readJson(id, root = document) {
  return JSON.parse(root.getElementById(id).textContent);
}

// --- the list -----------------------------------------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const row = button.closest("[data-endpoint]");
  const endpoint = row && endpoints.find((one) => one.id === row.dataset.endpoint);
  if ("add" in button.dataset) openForm(null, button.dataset);
  else if ("connectOllama" in button.dataset) connectOllama(button);
  else if ("test" in button.dataset) runTest(`${PATH}/${endpoint.id}/test`, {}, row, button);
  else if ("default" in button.dataset) change(endpoint, { is_default: true }, button);
  else if ("edit" in button.dataset) openForm(endpoint);
  else if ("delete" in button.dataset) remove(endpoint, row);
});

/** Fetch the page again and put its new list in place of the old one. */
async function refresh() {
  const answer = await fetch(location.pathname, { credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("models-page").replaceWith(page.getElementById("models-page"));
  endpoints = readJson("endpoints-data", page);
  document.getElementById("endpoints-data").textContent = page.getElementById("endpoints-data").textContent;
  document.getElementById("ollama-data").textContent = page.getElementById("ollama-data").textContent;
}

/** Disable the button and do it; failures become a toast. Returns whether it went well. */
async function busy(button, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
    return true;
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return false;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

async function change(endpoint, values, button) {
  const done = await busy(button, () => api.patch(`${PATH}/${endpoint.id}`, values).then(refresh));
  if (done) toast(t("default_changed", { name: endpoint.name }));
}

async function connectOllama(button) {
  const offer = readJson("ollama-data");
  const model = document.getElementById("ollama-model").value;
  const values = { name: offer.name, base_url: offer.base_url, default_model: model, is_default: true };
  if (await busy(button, () => api.post(PATH, values).then(refresh))) toast(t("connected", { name: offer.name }));
}

function remove(endpoint, row) {
  row.hidden = true;
  undoable(t("removed", { name: endpoint.name }), {
    run: async () => {
      try {
        await api.delete(`${PATH}/${endpoint.id}`, { keepalive: true });
        await refresh();
      } catch (error) {
        row.hidden = false;
        toast(error.message, { kind: "bad" });
      }
    },
    undo: () => { row.hidden = false; },
  });
}

// --- the test -----------------------------------------------------------------------------------------------------
async function runTest(path, values, root, button) {
  const list = root.querySelector("[data-steps]");
  list.hidden = false;
  list.replaceChildren(h("li", { class: "models__step" }, h("span", { class: "spinner" }), h("p", {}, t("testing"))));
  let result = null;
  await busy(button, async () => { result = await api.post(path, values); });
  if (result) list.replaceChildren(...result.steps.map(makeStep));
  else list.hidden = true;
  return result;
}

function makeStep(step) {
  const time = h("small", {}, t("milliseconds", { ms: formatNumber(step.ms) }));
  return h("li", { class: `models__step models__step--${step.ok ? "ok" : "bad"}` },
    icon(step.ok ? "circle-check" : "circle-alert"), h("p", {}, h("b", {}, t(`step_${step.name}`)), " ", step.message, " ", time));
}

// --- the form -----------------------------------------------------------------------------------------------------
function openForm(endpoint, values = {}) {
  edited = endpoint;
  form.reset();
  clearFormErrors(form);
  form.querySelector("[data-form-error]").hidden = true;
  form.querySelector("[data-steps]").hidden = true;
  betterUrl.hidden = true;
  form.querySelector("[data-title]").textContent = endpoint ? t("edit_title", { name: endpoint.name }) : t("add_title");
  form.querySelector("[data-preset-field]").hidden = Boolean(endpoint);
  fields.name.value = endpoint?.name ?? values.name ?? "";
  fields.base_url.value = endpoint?.base_url ?? values.baseUrl ?? "";
  fields.default_model.value = endpoint?.default_model ?? values.model ?? "";
  fields.input_price.value = endpoint?.input_price ?? "";
  fields.output_price.value = endpoint?.output_price ?? "";
  fields.is_default.checked = endpoint?.is_default ?? !endpoints.some((one) => one.is_default);
  preset.value = values.name ?? "";
  showKeyState(endpoint);
  proposeModels([]);
  openDialog(dialog);
  if (values.name) fields.api_key.focus();
}

function showKeyState(endpoint) {
  const hasKey = Boolean(endpoint?.has_key);
  form.querySelector("[data-remove-key]").hidden = !hasKey;
  form.querySelector("[data-key-hint]").textContent = hasKey ? t("key_kept") : t("key_hint");
  fields.api_key.placeholder = hasKey ? `••••••••${endpoint.key_hint}` : "";
}

function proposeModels(models) {
  document.getElementById("endpoint-models").replaceChildren(...models.map((name) => h("option", { value: name })));
}

preset.addEventListener("change", () => {
  const { baseUrl = "", model = "" } = preset.selectedOptions[0].dataset;
  fields.name.value = preset.value;
  fields.base_url.value = baseUrl;
  fields.default_model.value = model;
});

form.querySelector("[data-try]").addEventListener("click", async (event) => {
  clearFormErrors(form);
  const values = { base_url: fields.base_url.value.trim(), default_model: fields.default_model.value.trim() };
  if (fields.api_key.value) values.api_key = fields.api_key.value;
  const path = edited && !fields.remove_key.checked ? `${PATH}/${edited.id}/test` : `${PATH}/test`;
  betterUrl.hidden = true;
  const result = await runTest(path, values, form, event.currentTarget);
  if (!result) return;
  proposeModels(result.models);
  betterUrl.hidden = !result.base_url;
  betterUrl.dataset.url = result.base_url;
  betterUrl.textContent = t("use_url", { url: result.base_url });
});

betterUrl.addEventListener("click", () => {
  fields.base_url.value = betterUrl.dataset.url;
  betterUrl.hidden = true;
});

/** The price as it was entered, null for none: the server checks it. */
const readPrice = (input) => (input.value === "" ? null : input.value);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearFormErrors(form);
  const values = {
    name: fields.name.value, base_url: fields.base_url.value.trim(), default_model: fields.default_model.value,
    is_default: fields.is_default.checked, input_price: readPrice(fields.input_price), output_price: readPrice(fields.output_price),
  };
  if (fields.api_key.value || fields.remove_key.checked) values.api_key = fields.remove_key.checked ? "" : fields.api_key.value;
  event.submitter.disabled = true;
  try {
    await (edited ? api.patch(`${PATH}/${edited.id}`, values) : api.post(PATH, values));
    dialog.close();
    await refresh();
    toast(t(edited ? "saved" : "connected", { name: values.name }));
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    showFormErrors(form, error);
  } finally {
    event.submitter.disabled = false;
  }
});
