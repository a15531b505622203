// The command palette (Ctrl/Cmd-K): pages and actions from the frame's JSON; agents, and one's own latest conversations
// with them, from the API.
import { api } from "./api.js";
import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

const dialog = document.getElementById("palette");
const input = dialog.querySelector("input");
const list = dialog.querySelector("[role=listbox]");
const commands = JSON.parse(document.getElementById("palette-commands").textContent);
let agents = null;
let conversations = null;
let shown = [];
let active = 0;

/** Fill the dialog, which main.js has opened, with what fits the words that are in it by now. */
export async function fillPalette() {
  render();
  [agents, conversations] = await Promise.all([
    agents ?? load("/api/agents?limit=100", describeAgent),
    conversations ?? load("/api/conversations?limit=100", describeConversation),
  ]);
  render();
}

async function load(address, describe) {
  try {
    return (await api.get(address)).data.map(describe);
  } catch {
    return null; // the pages stay reachable; the next opening tries again
  }
}

const describeAgent = ({ id, name, description }) => ({
  label: name, hint: description, href: `/agents/${id}`, icon: "bot", group: t("agents"),
});

const describeConversation = ({ id, title, agent }) => ({
  label: title, hint: agent.name, href: `/agents/${agent.id}?conversation=${id}`, icon: "message-square", group: t("conversations"),
});

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function render() {
  const words = fold(input.value).split(/\s+/).filter(Boolean);
  const matches = (item) => words.every((word) => fold(`${item.label} ${item.keywords ?? ""} ${item.hint ?? ""}`).includes(word));
  shown = [...(agents ?? []), ...commands, ...(conversations ?? [])].filter(matches).slice(0, 40);
  if (!words.length) shown = [...commands, ...(agents ?? []).slice(0, 6)];
  active = 0;
  let group = null;
  const rows = shown.flatMap((item, index) => {
    const heading = item.group === group ? [] : [h("div", { class: "palette__group", role: "presentation" }, item.group)];
    group = item.group;
    return [...heading, row(item, index)];
  });
  list.replaceChildren(...(rows.length ? rows : [h("div", { class: "palette__none", role: "presentation" }, t("palette_none"))]));
  mark();
}

function row(item, index) {
  const hint = item.hint && h("span", { class: "faint truncate" }, item.hint);
  return h("div", { class: "palette__item", role: "option", id: `palette-${index}`, "aria-selected": "false",
    on: { click: () => run(item), pointermove: () => { if (active !== index) { active = index; mark(); } } } },
    icon(item.icon), h("span", { class: "truncate" }, item.label), hint);
}

function mark() {
  for (const element of list.querySelectorAll("[role=option]")) {
    const selected = element.id === `palette-${active}`;
    element.setAttribute("aria-selected", String(selected));
    if (selected) element.scrollIntoView({ block: "nearest" });
  }
  if (shown.length) input.setAttribute("aria-activedescendant", `palette-${active}`);
  else input.removeAttribute("aria-activedescendant");
}

function run(item) {
  dialog.close();
  if (item.click) document.querySelector(item.click)?.click();
  else if (item.href) location.assign(item.href);
}

input.addEventListener("input", render);
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && shown.length) {
    event.preventDefault();
    active = (active + step + shown.length) % shown.length;
    mark();
  }
  if (event.key === "Enter" && !event.isComposing && shown[active]) {
    event.preventDefault();
    run(shown[active]);
  }
});
