// The deliveries of one endpoint, read again while one looks; a side sheet with request, answer and attempts.
import { timeElement } from "../chat/format.js";
import { api } from "../lib/api.js";
import { openSheet } from "../lib/dialog.js";
import { h, icon } from "../lib/dom.js";
import { formatNumber } from "../lib/i18n.js";
import { exactTime, relativeTime } from "../lib/time.js";
import { toast } from "../lib/toast.js";
import { submitWith } from "./form.js";

const EVERY_MS = 4000;
const PAGE = 20;
export const STATES = {
  pending: { label: "statePending", badge: "badge--accent" },
  delivered: { label: "stateDelivered", badge: "badge--ok" },
  failed: { label: "stateFailed", badge: "badge--bad" },
  abandoned: { label: "stateAbandoned", badge: "badge--warn" },
};

/** `onReplay` runs when something was sent again: this ends a pause. */
export function setUpLog(root, path, t, onReplay) {
  const section = root.querySelector("#hook-log");
  const place = section.querySelector("[data-deliveries]");
  const more = section.querySelector("[data-more]");
  let hook = null;
  let state = "";
  let cursor = null;
  let isPaged = false; // older ones are shown: the list is left alone
  let look = "";

  const isWatching = () => hook && !document.hidden && section.checkVisibility() && !document.querySelector("dialog[open]");
  setInterval(() => isWatching() && !isPaged && load(), EVERY_MS);

  async function read(from = null) {
    const query = new URLSearchParams({ limit: PAGE, ...(state && { state }), ...(from && { cursor: from }) });
    return api.get(`${path}/${hook.id}/deliveries?${query}`);
  }

  async function load() {
    const asked = `${hook?.id} ${state}`;
    try {
      const page = await read();
      if (asked !== `${hook?.id} ${state}`) return;
      isPaged = false;
      cursor = page.next;
      more.hidden = !cursor;
      const fresh = JSON.stringify([asked, page.data]);
      if (fresh !== look) render(page.data);
      look = fresh;
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  function render(deliveries) {
    const focused = place.contains(document.activeElement) ? document.activeElement.dataset.delivery : null;
    if (deliveries.length) place.replaceChildren(h("ul", { class: "list hooks__deliveries" }, ...deliveries.map(makeRow)));
    else place.replaceChildren(h("div", { class: "empty empty--framed" }, h("p", { class: "empty__text" }, t("noDeliveries"))));
    if (focused) place.querySelector(`[data-delivery="${focused}"]`)?.focus();
  }

  function makeRow(delivery) {
    const button = h("button", { type: "button", class: "hooks__delivery", "data-delivery": delivery.id },
      h("span", {}, badge(delivery.state, t)),
      h("span", { class: "hooks__what" }, h("code", {}, delivery.event_type), h("small", {}, describe(delivery, t))),
      timeElement(delivery.created_at));
    button.addEventListener("click", () => openDelivery(delivery.id));
    return h("li", {}, button);
  }

  async function openDelivery(id, base = path, hookId = hook?.id) {
    try {
      const delivery = await api.get(`${base}/${hookId}/deliveries/${id}`);
      const replay = h("button", { type: "button", class: "btn btn--primary" }, icon("rotate-ccw"), t("replay"));
      const sheet = openSheet({ title: t("sheet"), content: makeSheet(delivery, t), foot: replay });
      replay.addEventListener("click", async () => {
        replay.disabled = true;
        try {
          await api.post(`${base}/${hookId}/deliveries/${id}/replay`);
          sheet.close();
          toast(t("replayed"));
          onReplay();
        } catch (error) {
          toast(error.message, { kind: "bad" });
          replay.disabled = false;
        }
      });
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  more.addEventListener("click", async () => {
    const page = await read(cursor);
    isPaged = true;
    cursor = page.next;
    more.hidden = !cursor;
    place.querySelector("ul").append(...page.data.map(makeRow));
  });
  section.querySelector("[data-states]").addEventListener("click", (event) => {
    const chip = event.target.closest("[data-state]");
    if (!chip) return;
    for (const one of section.querySelectorAll("[data-state]")) one.setAttribute("aria-pressed", String(one === chip));
    state = chip.dataset.state;
    load();
  });
  section.querySelector("[data-replay-all]").addEventListener("click", () => {
    const dialog = root.querySelector("#hook-replay");
    const { elements } = dialog.querySelector("form");
    elements.since.value = localTime(Date.now() - 86_400_000);
    submitWith(dialog, async () => {
      const since = new Date(elements.since.value).toISOString();
      const given = { since, include_delivered: elements.include_delivered.checked };
      const { count } = await api.post(`${path}/${hook.id}/replay`, given);
      dialog.close();
      toast(t(count === 1 ? "replayedOne" : "replayedOther", { count: formatNumber(count) }));
      await onReplay();
    });
  });

  return {
    get hookId() { return hook?.id; },
    load,
    openDelivery,
    focus() {
      section.scrollIntoView({ block: "nearest" });
      section.focus({ preventScroll: true });
    },
    /** Show this endpoint's log; null puts it away. */
    choose(chosen) {
      const isOther = chosen?.id !== hook?.id;
      hook = chosen;
      section.hidden = !hook;
      if (!hook) return;
      section.querySelector("[data-log-url]").textContent = hook.url;
      if (isOther) place.replaceChildren(h("div", { class: "skeleton hooks__skeleton" }));
      load();
    },
  };
}

const badge = (state, t) => h("span", { class: `badge ${STATES[state].badge}` }, t(STATES[state].label));

function describe(delivery, t) {
  const facts = [];
  if (delivery.response_status) facts.push(String(delivery.response_status));
  else if (delivery.error) facts.push(delivery.error_message);
  const count = formatNumber(delivery.attempts);
  if (delivery.attempts) facts.push(t(delivery.attempts === 1 ? "attemptsOne" : "attemptsOther", { count }));
  if (delivery.latency_ms !== null) facts.push(t("milliseconds", { ms: formatNumber(delivery.latency_ms) }));
  if (delivery.state === "pending" && Date.parse(delivery.next_attempt_at) > Date.now()) facts.push(t("next", { time: relativeTime(delivery.next_attempt_at) }));
  return facts.join(" · ");
}

function makeSheet(delivery, t) {
  const block = (title, text) => text && h("div", {}, h("h3", {}, title), h("div", { class: "code" }, h("pre", { tabIndex: 0, "aria-label": title }, h("code", {}, text))));
  const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");
  const tries = delivery.attempt_log.toReversed().map((one) =>
    h("li", {}, h("time", {}, exactTime(one.at)), h("span", {}, one.status ? String(one.status) : t("noAnswer")), h("span", {}, t("milliseconds", { ms: formatNumber(one.ms) })), one.error && h("code", {}, one.error)));
  return h("div", { class: "hooks__sheet" },
    h("div", { class: "hooks__line" }, badge(delivery.state, t), h("code", {}, delivery.event_type), h("span", { class: "muted" }, describe(delivery, t))),
    delivery.error_message && h("div", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, delivery.error_message)),
    block(t("request"), `POST ${delivery.url}\n${lines(delivery.request_headers)}`),
    block(t("body"), pretty(delivery.request_body)),
    delivery.response_status && block(t("answer"), `${delivery.response_status}\n${lines(delivery.response_headers)}\n\n${delivery.response_body}`),
    tries.length > 0 && h("div", {}, h("h3", {}, t("attemptLog")), h("ul", { class: "hooks__tries" }, ...tries)));
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

/** For <input type="datetime-local">: this moment in the reader's own time zone. */
function localTime(moment) {
  return new Date(moment - new Date(moment).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
