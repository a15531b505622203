// The choice of a model, with its price: from GET /api/models.

import { formatNumber, formatPrice } from "../chat/format.js";
import { api } from "../lib/api.js";
import { h, icon } from "../lib/dom.js";

const SEARCH_FROM = 8;
const DEMO = "offline";

export function setUpModels(store, autosave, t, onModels) {
  const root = document.getElementById("models");
  const list = root.querySelector("[data-models]");
  const search = root.querySelector("[data-search]");
  let models = [];

  const choose = (model) => {
    autosave.change("config", { endpoint_id: model.endpoint_id, model: model.model });
    autosave.flush();
  };
  const render = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = models.filter((model) =>
      words.every((word) => `${model.label} ${model.place}`.toLowerCase().includes(word)),
    );
    const rows = shown.map((model) => makeRow(model, store.config, choose, t));
    list.replaceChildren(...(rows.length ? rows : [h("p", { class: "field__hint models__none" }, t("modelsEmpty"))]));
  };
  const load = async () => {
    list.setAttribute("aria-busy", "true");
    try {
      const answer = await api.get("/api/models");
      models = listChoices(answer, store.config, t);
      search.parentElement.hidden = models.length < SEARCH_FROM;
      render();
      onModels(answer);
    } catch (error) {
      const retry = h("button", { type: "button", class: "btn btn--sm", onclick: load }, t("retry"));
      list.replaceChildren(
        h("div", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, error.message), retry),
      );
    } finally {
      list.removeAttribute("aria-busy");
    }
  };
  search.addEventListener("input", render);
  list.replaceChildren(...[1, 2].map(() => h("div", { class: "skeleton models__skeleton" })));
  store.subscribe((_agent, isReplaced) => isReplaced && models.length > 0 && render());
  load();
}

/** The choices: the default, what the server offers, and the present choice when it is offered no more. */
function listChoices(answer, config, t) {
  const offered = answer.data.map((item) => readModel(item, t));
  const now = offered.find((model) => model.isDefault);
  const standard = {
    endpoint_id: null,
    model: "",
    label: t("defaultModel"),
    place: "",
    text: now ? t("defaultModelText", { model: now.label }) : t("defaultModelNone"),
  };
  const choices = [standard, ...offered];
  if (!choices.some((model) => isChosen(model, config))) {
    choices.push({
      endpoint_id: config.endpoint_id,
      model: config.model,
      label: config.model,
      place: "",
      text: t("modelMissing"),
      isMissing: true,
    });
  }
  return choices;
}

function readModel(item, t) {
  const isDemo = item.model === DEMO;
  const facts = [];
  if (item.context) facts.push(t("context", { count: formatNumber(item.context, { notation: "compact" }) }));
  return {
    endpoint_id: item.endpoint_id ?? null,
    model: item.model,
    label: isDemo ? t("modelDemo") : item.model,
    place: isDemo ? "" : (item.endpoint_name ?? ""),
    text: isDemo ? t("modelDemoText") : facts.join(" · "),
    price: priceOf(item, t),
    isDefault: Boolean(item.is_default),
  };
}

function priceOf(item, t) {
  if (item.model === DEMO) return t("modelFree");
  const input = item.input_price;
  const output = item.output_price;
  if (input === null || input === undefined) return t("modelUnknownPrice");
  if (Number(input) === 0 && Number(output) === 0) return t("modelFree");
  return `${formatPrice(input)} / ${formatPrice(output)}`;
}

const isChosen = (model, config) =>
  model.model === config.model && (model.endpoint_id ?? null) === (config.endpoint_id ?? null);

function makeRow(model, config, choose, t) {
  const input = h("input", {
    type: "radio",
    name: "model",
    checked: isChosen(model, config),
    onchange: () => choose(model),
  });
  input.disabled = document.getElementById("temperature").disabled;
  const place = model.place ? h("span", { class: "badge" }, model.place) : null;
  const name = h("span", { class: "models__name" }, h("b", {}, model.label), place);
  const text = model.text ? h("span", { class: "models__text" }, model.text) : null;
  const price = model.price ? h("span", { class: "models__price num" }, model.price) : null;
  const state = model.isMissing ? " models__one--missing" : "";
  return h("label", { class: `models__one${state}` }, input, h("span", { class: "models__body" }, name, text), price);
}
