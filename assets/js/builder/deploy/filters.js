// The filters of the calls, as chips; they stand in the address, so that a filtered list can be sent to a colleague.

import { h } from "../../lib/dom.js";

const FILTERS = {
  status: ["complete", "failed", "partial", "cancelled"],
  channel: ["api", "openai", "websocket", "mcp", "a2a", "widget", "hosted", "playground"],
};
const camel = (name) => name[0].toUpperCase() + name.slice(1);

/** The filters of the address, those that exist. */
export function readFilters() {
  const query = new URL(location.href).searchParams;
  const known = Object.entries(FILTERS).filter(([name, values]) => values.includes(query.get(name)));
  return Object.fromEntries(known.map(([name]) => [name, query.get(name)]));
}

export function setUpFilters(root, t, onChange) {
  const groups = Object.entries(FILTERS).map(([name, values]) => {
    const id = `calls-filter-${name}`;
    const chips = values.map((value) =>
      h("button", { type: "button", class: "chip", "data-filter": name, value }, t(`${name}${camel(value)}`)),
    );
    const label = h("span", { id }, t(`column${camel(name)}`));
    return h("div", { class: "calls__filter", role: "group", "aria-labelledby": id }, label, ...chips);
  });
  const refresh = () => {
    const chosen = readFilters();
    for (const chip of root.querySelectorAll(".chip")) {
      chip.setAttribute("aria-pressed", String(chosen[chip.dataset.filter] === chip.value));
    }
  };
  root.replaceChildren(...groups);
  root.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    if (!chip) return;
    write(chip.dataset.filter, chip.getAttribute("aria-pressed") === "true" ? null : chip.value);
    refresh();
    onChange();
  });
  refresh();
}

function write(name, value) {
  const url = new URL(location.href);
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
  history.replaceState(null, "", url);
}
