// The publish wizard: three steps over one form, the preview beside it, the draft saved as one goes.
import { api, clearFormErrors, showFormErrors } from "../lib/api.js";
import { h, icon } from "../lib/dom.js";
import { formatNumber, t } from "../lib/i18n.js";
import { toast } from "../lib/toast.js";
import { Draft } from "../store/draft.js";
import { firstLetter, paintIcon } from "../store/icon.js";
import { formatAmount, readAmount } from "../store/price.js";

const page = readJson("wizard-page");
const form = document.getElementById("listing-form");
const get = (id) => document.getElementById(id);
const STEPS = ["info", "features", "visibility"];
const tags = readJson("wizard-tags");
let step = STEPS[0];

function readJson(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

const field = (name) => form.elements.namedItem(name).value;
const readFeatures = () => [...document.querySelectorAll("#feature-list input")].map((input) => input.value.trim());

/** The form as the API takes it. */
function readForm() {
  const kind = field("price.kind");
  const currency = field("price.currency");
  const amount = readAmount(field("price.amount"), currency.toUpperCase());
  return {
    name: field("name").trim(),
    tagline: field("tagline").trim(),
    description: field("description").trim(),
    category: field("category"),
    tags: [...tags],
    features: readFeatures().filter(Boolean),
    color: field("color"),
    color_2: field("color_2"),
    glyph: field("glyph"),
    remix_policy: field("remix_policy"),
    visibility: field("visibility"),
    visitors_paid_by: field("visitors_paid_by"),
    price: {
      kind,
      amount: kind === "free" ? 0 : amount || 0,
      currency,
      pack_messages: kind === "pack" ? Number(field("price.pack_messages")) || 0 : 0,
    },
  };
}

const STATES = { saving: ["saving", "loader-circle"], saved: ["saved", "check"], failed: ["not_saved", "circle-alert"], unsaved: ["unsaved", "pencil"] };
const draft = new Draft(page, readForm, (state, error) => {
  const [key, glyph] = STATES[state];
  get("save-state").replaceChildren(icon(glyph), h("span", {}, t(key)));
  if (state === "failed") showErrors(error);
  else if (state === "saved") clearFormErrors(form);
});

form.addEventListener("input", changed);
form.addEventListener("change", changed);
form.addEventListener("submit", (event) => event.preventDefault());

function changed() {
  showPreview();
  draft.touch();
}

// --- steps
for (const link of document.querySelectorAll("[data-step]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    leaveTo(link.dataset.step);
  });
}
get("next").addEventListener("click", () => leaveTo(STEPS[STEPS.indexOf(step) + 1]));
get("back").addEventListener("click", () => show(STEPS[STEPS.indexOf(step) - 1]));
get("save")?.addEventListener("click", () => save());
addEventListener("hashchange", () => STEPS.includes(location.hash.slice(1)) && show(location.hash.slice(1), false));

/** Go to a step once what is here is stored; a published listing is stored by "Save" alone. */
async function leaveTo(name) {
  const isForward = STEPS.indexOf(name) > STEPS.indexOf(step);
  if (isForward && !page.is_published) {
    get("next").setAttribute("aria-busy", "true");
    const isSaved = await save();
    get("next").removeAttribute("aria-busy");
    if (!isSaved) return;
  }
  show(name);
}

async function save() {
  const missing = ["name", "category"].filter((name) => !field(name).trim());
  if (missing.length && !page.listing_id) {
    show("info");
    form.elements.namedItem(missing[0]).reportValidity();
    return false;
  }
  try {
    await draft.save();
    return true;
  } catch {
    return false;
  }
}

function show(name, focus = true) {
  step = name;
  for (const each of STEPS) get(each).hidden = each !== name;
  for (const link of document.querySelectorAll("[data-step]")) {
    if (link.dataset.step === name) link.setAttribute("aria-current", "step");
    else link.removeAttribute("aria-current");
  }
  const at = STEPS.indexOf(name);
  get("back").hidden = at === 0;
  get("next").hidden = at === STEPS.length - 1;
  get("publish").hidden = at !== STEPS.length - 1;
  if (!focus) return;
  history.replaceState(history.state, "", `#${name}`);
  scrollTo({ top: 0 });
  get(`${name}-title`).focus({ preventScroll: true });
}

/** Beside the fields, and the step opened in which the first of them stands. */
function showErrors(error) {
  const params = error.errors?.length ? error.errors.map(({ param }) => param) : [error.param];
  const slot = params.map((param) => param && form.querySelector(`[data-error-for="${CSS.escape(param.replace(/\.\d+$/, ""))}"]`)).find(Boolean);
  const section = slot?.closest(".wizard__step");
  if (section && section.id !== step) show(section.id);
  for (const item of error.errors ?? []) item.param = item.param.replace(/\.\d+$/, "");
  showFormErrors(form, error);
  if (slot && !slot.textContent) slot.textContent = error.message;
}

// --- publish
get("publish").addEventListener("click", async ({ currentTarget: button }) => {
  button.setAttribute("aria-busy", "true");
  try {
    if (!(await save())) return;
    const changelog = get("changelog")?.value.trim() ?? "";
    await api.post(`/api/store/mine/${page.listing_id}/publish`, { changelog });
    showDone();
  } catch (error) {
    showErrors(error);
  } finally {
    button.removeAttribute("aria-busy");
  }
});

function showDone() {
  form.hidden = true;
  get("done").hidden = false;
  const link = `${location.origin}/store/${page.slug}`;
  get("done-link").textContent = link;
  get("done-view").href = link;
  get("done-manage").href = `/store/mine/${page.listing_id}`;
  get("done-title").focus();
}

// --- tags and features
function showTags() {
  get("tags").replaceChildren(
    ...tags.map((tag, index) => {
      const remove = () => {
        tags.splice(index, 1);
        showTags();
        changed();
        get("tag-input").focus();
      };
      const label = t("tag_remove", { tag });
      return h("li", { class: "chip" }, h("bdi", {}, tag), h("button", { type: "button", "aria-label": label, on: { click: remove } }, icon("x")));
    }),
  );
}

get("tag-input").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== ",") return;
  event.preventDefault();
  addTag();
});
get("tag-input").addEventListener("blur", addTag);

function addTag() {
  const input = get("tag-input");
  const tag = input.value.trim().replace(/,$/, "");
  if (!tag || tags.length >= page.most_tags) return;
  if (!tags.includes(tag)) tags.push(tag);
  input.value = "";
  showTags();
  changed();
}

function addFeature(text = "") {
  const list = get("feature-list");
  const label = t("feature", { number: list.children.length + 1 });
  const input = h("input", { class: "input", maxLength: 120, value: text, "aria-label": label });
  const remove = h("button", { class: "btn btn--ghost btn--icon", type: "button", "aria-label": t("remove"), "data-tip": t("remove") }, icon("x"));
  const row = h("li", {}, input, remove);
  remove.addEventListener("click", () => {
    row.remove();
    get("feature-add").disabled = false;
    get("feature-add").focus();
    changed();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (list.children.length < page.most_features) addFeature().focus();
  });
  list.append(row);
  get("feature-add").disabled = list.children.length >= page.most_features;
  return input;
}
get("feature-add").addEventListener("click", () => addFeature().focus());

// --- icon
for (const preset of document.querySelectorAll("#presets button")) {
  preset.addEventListener("click", () => {
    form.elements.namedItem("color").value = preset.dataset.color;
    form.elements.namedItem("color_2").value = preset.dataset.second;
    changed();
  });
}
get("icon-file").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file || !(await save())) return;
  const body = new FormData();
  body.append("file", file);
  await changeIcon(() => api.upload(`/api/store/mine/${page.listing_id}/icon`, body));
  target.value = "";
});
get("icon-remove").addEventListener("click", () => changeIcon(() => api.delete(`/api/store/mine/${page.listing_id}/icon`)));

async function changeIcon(send) {
  const slot = form.querySelector('[data-error-for="file"]');
  slot.textContent = "";
  try {
    await send();
    const { icon_url: address } = await api.get(`/api/store/mine/${page.listing_id}`);
    showPicture(address);
    toast(t("icon_saved"));
  } catch (error) {
    slot.textContent = error.message;
  }
}

const drawn = new Map([...document.querySelectorAll("#preview-icon, #preview-small")].map((slot) => [slot, slot.firstElementChild]));
function showPicture(address) {
  get("icon-remove").hidden = !address;
  if (!address) return location.reload(); // the drawn icon comes from the server
  for (const [slot, { width }] of drawn) {
    const size = width.baseVal?.value ?? width;
    slot.replaceChildren(h("img", { class: "app-icon", src: address, width: size, height: size, alt: "" }));
  }
}

// --- preview
function showPreview() {
  const shown = readForm();
  const { kind, amount, currency, pack_messages: count } = shown.price;
  const isPaid = kind !== "free";
  get("price-fields").hidden = !isPaid;
  get("pack-field").hidden = kind !== "pack";
  get("payers").hidden = isPaid || shown.visibility === "private";
  if (get("payouts-note")) get("payouts-note").hidden = !isPaid;
  const price = isPaid ? formatAmount(amount, currency.toUpperCase()) : t("free");
  const label = isPaid ? t(kind === "month" ? "price_month" : "price_pack", { price, count: formatNumber(count) }) : price;
  get("preview-name").textContent = shown.name;
  get("preview-tagline").textContent = shown.tagline;
  get("preview-price").textContent = label;
  const badge = get("preview-visibility");
  badge.textContent = badge.dataset[shown.visibility];
  for (const slot of document.querySelectorAll("[data-preview-name]")) slot.textContent = shown.name;
  for (const slot of document.querySelectorAll("[data-preview-price]")) slot.textContent = price;
  get("preview-features").replaceChildren(...shown.features.map((text) => h("li", {}, icon("check"), h("span", {}, text))));
  for (const letter of document.querySelectorAll("[data-initial]")) letter.textContent = firstLetter(shown.name);
  for (const svg of document.querySelectorAll("#preview-icon > svg, #preview-small > svg")) paintIcon(svg, shown);
  for (const preset of document.querySelectorAll("#presets button")) {
    const isChosen = preset.dataset.color === shown.color && preset.dataset.second === shown.color_2;
    preset.setAttribute("aria-pressed", String(isChosen));
  }
}

readJson("wizard-features").forEach((text) => addFeature(text));
if (!get("feature-list").children.length) addFeature();
showTags();
draft.saved = page.listing_id ? JSON.stringify(readForm()) : "";
showPreview();
if (STEPS.includes(location.hash.slice(1))) show(location.hash.slice(1), false);
addEventListener("beforeunload", (event) => {
  if (page.is_published && draft.hasChanges && !form.hidden) event.preventDefault();
});
document.documentElement.dataset.ready = "";
