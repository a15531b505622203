// Calls: the last ones, read again every three seconds while one looks. Rows are changed in place, so nothing jumps.

import { formatCost, formatSeconds, timeElement } from "../../chat/format.js";
import { api } from "../../lib/api.js";
import { h, icon } from "../../lib/dom.js";
import { formatNumber } from "../../lib/i18n.js";
import { updateTimes } from "../../lib/time.js";
import { fillCode } from "./secret.js";
import { readFilters, setUpFilters } from "./filters.js";

const EVERY_MS = 3000;
const MOST = 50;
const BADGES = { complete: "badge--ok", streaming: "badge--accent badge--live", partial: "badge--warn", failed: "badge--bad" };

export function setUp({ store, t, secret }) {
  const place = document.querySelector("[data-calls]");
  const state = document.querySelector("[data-calls-state]");
  const path = `/api/agents/${store.agent.id}/runs`;
  const rows = new Map();
  let isShown = false;
  let timer = null;
  let asking = null;

  const load = async () => {
    clearTimeout(timer);
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const query = new URLSearchParams({ limit: MOST, ...readFilters() });
      const page = await api.get(`${path}?${query}`, { signal });
      render(page.data);
      setState("live");
    } catch (error) {
      if (error.name === "AbortError") return;
      setState("lost", error.message);
    }
    if (!signal.aborted && isWatching()) timer = setTimeout(load, EVERY_MS);
  };
  const isWatching = () => isShown && !document.hidden;
  const setState = (name, title = "") => {
    state.textContent = t(`calls${name[0].toUpperCase()}${name.slice(1)}`);
    state.title = title;
    state.className = `badge badge--dot ${{ live: "badge--ok badge--live", lost: "badge--bad" }[name] ?? ""}`;
  };
  const pause = () => {
    clearTimeout(timer);
    asking?.abort();
    setState("paused");
  };
  const render = (runs) => {
    if (runs.length === 0) return renderNone();
    const body = place.querySelector("tbody") ?? makeTable(place, t);
    const seen = new Set(runs.map((run) => run.id));
    for (const [id, row] of rows) if (!seen.has(id) || !row.isConnected) rows.delete(id) && row.remove();
    runs.forEach((run, index) => {
      const row = rows.get(run.id) ?? h("tr", { role: "row" });
      if (row.dataset.look !== look(run)) fillRow(row, run, t);
      if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
      rows.set(run.id, row);
    });
    updateTimes(body);
  };
  const renderNone = () => {
    rows.clear();
    const isFiltered = Object.keys(readFilters()).length > 0;
    if (place.dataset.none === String(isFiltered) && place.querySelector(".empty")) return;
    place.dataset.none = String(isFiltered);
    const none = isFiltered ? makeNoMatch(t) : document.getElementById("calls-empty").content.cloneNode(true);
    place.replaceChildren(none);
    fillCode(secret.key, place);
  };
  setUpFilters(document.querySelector("[data-filters]"), t, load);
  document.addEventListener("visibilitychange", () => isShown && (document.hidden ? pause() : load()));
  return {
    show() {
      isShown = true;
      load();
    },
    hide() {
      isShown = false;
      pause();
    },
  };
}

const look = (run) => [run.status, run.ttft_ms, run.latency_ms, run.output_tokens, run.cost_usd].join();
const makeNoMatch = (t) => h("div", { class: "empty empty--framed" }, h("p", { class: "empty__text" }, t("callsNoMatch")));
const NUMBERS = ["latency", "first", "tokens", "cost"];

function makeTable(place, t) {
  const columns = ["time", "channel", "key", "status", ...NUMBERS];
  const cells = columns.map((name) =>
    h("th", { scope: "col", role: "columnheader", class: NUMBERS.includes(name) ? "num" : "" }, t(`column${name[0].toUpperCase()}${name.slice(1)}`)),
  );
  const body = h("tbody", { role: "rowgroup" });
  const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...cells));
  const table = h("table", { class: "table calls__table", role: "table", "aria-labelledby": "calls-title" }, head, body);
  place.replaceChildren(h("div", { class: "table-wrap", tabindex: "0", role: "group", "aria-labelledby": "calls-title" }, table));
  return body;
}

function fillRow(row, run, t) {
  row.dataset.look = look(run);
  const cell = (name, label, ...children) =>
    h("td", { role: "cell", class: `calls__${name} ${NUMBERS.includes(name) ? "num" : ""}`.trim(), "data-label": label }, ...children);
  const seconds = (value) => (value === null || value === undefined ? "–" : formatSeconds(value));
  const tokens = run.input_tokens + run.output_tokens;
  row.replaceChildren(
    cell("time", t("columnTime"), timeElement(run.started_at)),
    cell("channel", t("columnChannel"), t(`channel${camel(run.channel)}`)),
    cell("key", t("columnKey"), ...describeCaller(run)),
    cell("status", t("columnStatus"), ...describeStatus(run, t)),
    cell("latency", t("columnLatency"), seconds(run.latency_ms)),
    cell("first", t("columnFirst"), seconds(run.ttft_ms)),
    cell("tokens", t("columnTokens"), tokens ? h("span", { title: t("tokenDetail", { input: formatNumber(run.input_tokens), output: formatNumber(run.output_tokens) }) }, formatNumber(tokens)) : "–"),
    cell("cost", t("columnCost"), run.status === "streaming" ? "–" : formatCost(run.cost_usd)),
  );
}

/** The key, and whom the program or the page asked for. */
function describeCaller({ api_key: key, end_user: endUser }) {
  if (!key && !endUser) return [h("span", { class: "faint" }, "–")];
  return [
    key ? h("bdi", { title: key.name }, key.name) : null,
    endUser ? h("bdi", { class: "calls__user", title: endUser }, endUser) : null,
  ];
}

/** The status as a badge, and for what failed the reason in words with its code. */
function describeStatus(run, t) {
  const badge = h("span", { class: `badge badge--dot ${BADGES[run.status] ?? ""}` }, t(`status${camel(run.status)}`));
  const code = run.error?.code;
  if (!code) return [badge];
  const known = t(`error${camel(code)}`);
  const words = known === `error${camel(code)}` ? run.error.message : known;
  return [badge, h("span", { class: "calls__error", title: run.error.message }, icon("circle-alert"), `${words} `, h("code", {}, code))];
}

const camel = (name) => name.replace(/(^|[_-])(\w)/g, (whole, line, letter) => letter.toUpperCase());
