// The list of endpoints and what can be done with each.
import { readStrings } from "../chat/dom.js";
import { timeElement } from "../chat/format.js";
import { api, clearFormErrors } from "../lib/api.js";
import { confirmDialog } from "../lib/dialog.js";
import { h, icon } from "../lib/dom.js";
import { formatNumber } from "../lib/i18n.js";
import { exactTime } from "../lib/time.js";
import { toast } from "../lib/toast.js";
import { submitWith } from "./form.js";
import { STATES, setUpLog } from "./log.js";

export function setUpWebhooks(root) {
  const t = readStrings("webhooks-strings");
  const path = `/api/agents/${root.dataset.agent}/webhooks`;
  const place = root.querySelector("[data-hooks]");
  const log = setUpLog(root, path, t, () => load());
  const results = new Map(); // what the last test of each endpoint brought

  async function load() {
    try {
      const { data } = await api.get(`${path}?limit=100`);
      if (data.length) place.replaceChildren(h("ul", { class: "list hooks__list" }, ...data.map(makeItem)));
      else place.replaceChildren(document.getElementById("hooks-empty").content.cloneNode(true));
      log.choose(data.find((hook) => hook.id === log.hookId) ?? null);
    } catch (error) {
      place.replaceChildren(h("div", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, error.message)));
    }
  }

  async function reload(hook, action) {
    await load();
    place.querySelector(`[data-hook="${hook.id}"] [data-does="${action}"]`)?.focus();
  }

  function makeItem(hook) {
    const button = (name, sign, run, extra = "") => {
      const element = h("button", { type: "button", class: `btn btn--sm ${extra}`.trim(), "data-does": name }, icon(sign), t(name));
      element.addEventListener("click", () => run(hook, element));
      return element;
    };
    const result = h("div", { class: "hooks__result", role: "status" });
    if (results.has(hook.id)) showResult(result, results.get(hook.id));
    return h("li", { "aria-current": hook.id === log.hookId ? "true" : null, "data-hook": hook.id },
      h("div", { class: "hooks__line" }, describeState(hook, t), h("code", { class: "hooks__url" }, hook.url)),
      h("div", { class: "hooks__line hooks__facts" }, ...hook.events.map((event) => h("span", { class: "badge" }, h("code", {}, event))), ...describeFacts(hook, t)),
      h("div", { class: "hooks__actions" },
        button("test", "send", (one, element) => test(one, element, result)),
        button("deliveries", "scroll-text", openLog), button("edit", "pencil", edit), button("rotate", "refresh-cw", rotate),
        button(hook.is_active ? "switchOff" : "switchOn", hook.is_active ? "pause" : "play", toggle),
        button("delete", "trash-2", remove, "btn--danger")),
      result);
  }

  function openLog(hook) {
    log.choose(hook);
    for (const item of place.querySelectorAll("[data-hook]")) {
      if (item.dataset.hook === hook.id) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    }
    log.focus();
  }

  async function test(hook, button, line) {
    line.className = "hooks__result";
    line.replaceChildren(h("span", { class: "spinner" }), t("testing"));
    await busy(button, async () => {
      results.set(hook.id, await api.post(`${path}/${hook.id}/test`));
      showResult(line, results.get(hook.id));
      if (log.hookId === hook.id) log.load();
      if (hook.resume_at || hook.failing_since) await reload(hook, "test"); // a success ends both
    }, () => line.replaceChildren());
  }

  function showResult(line, delivery) {
    const isOk = delivery.state === "delivered";
    const ms = formatNumber(delivery.latency_ms ?? 0);
    const status = delivery.response_status ? `${delivery.response_status} · ` : "";
    line.className = `hooks__result hooks__result--${isOk ? "ok" : "bad"}`;
    const more = h("button", { type: "button", class: "btn btn--ghost btn--sm" }, t("open"));
    more.addEventListener("click", () => log.openDelivery(delivery.id, path, delivery.hook));
    delivery.hook = line.closest("[data-hook]")?.dataset.hook ?? delivery.hook;
    line.replaceChildren(icon(isOk ? "circle-check" : "circle-alert"),
      h("span", {}, isOk ? t("testOk", { status: delivery.response_status, ms }) : `${status}${delivery.error_message}`), more);
  }

  function edit(hook = null) {
    const dialog = root.querySelector("#hook-dialog");
    const form = dialog.querySelector("form");
    form.reset();
    clearFormErrors(form);
    dialog.querySelector("[data-title]").textContent = t(hook ? "editTitle" : "addTitle");
    dialog.querySelector("[data-submit]").textContent = t(hook ? "save" : "add");
    form.elements.url.value = hook?.url ?? "";
    for (const box of form.querySelectorAll("[name=events]")) box.checked = hook ? hook.events.includes(box.value) : true;
    submitWith(dialog, async () => {
      const given = { url: form.elements.url.value.trim(), events: new FormData(form).getAll("events") };
      const answer = await (hook ? api.patch(`${path}/${hook.id}`, given) : api.post(path, given));
      dialog.close();
      if (hook) toast(t("saved"));
      else showSecret(answer.secret, t("created"));
      await load();
    });
  }

  function rotate(hook) {
    const dialog = root.querySelector("#hook-rotate");
    const form = dialog.querySelector("form");
    form.reset();
    submitWith(dialog, async () => {
      const hours = Number(form.elements.overlap_hours.value);
      const { secret } = await api.post(`${path}/${hook.id}/rotate-secret`, { overlap_hours: hours });
      dialog.close();
      showSecret(secret, t("rotated"));
      await load();
    });
  }

  async function toggle(hook, button) {
    await busy(button, async () => {
      await api.patch(`${path}/${hook.id}`, { is_active: !hook.is_active });
      await load();
    });
  }

  async function remove(hook) {
    if (!(await confirmDialog({ title: t("deleteTitle"), text: t("deleteText"), action: t("delete") }))) return;
    try {
      await api.delete(`${path}/${hook.id}`);
      toast(t("deleted"));
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
    await load();
  }

  const shown = root.querySelector("#hook-secret");
  function showSecret(secret, text) {
    shown.querySelector("[data-secret-text]").textContent = text;
    shown.querySelector("code").textContent = secret;
    shown.hidden = false;
    shown.querySelector(".copy").focus();
  }
  const forgetSecret = () => {
    shown.hidden = true;
    shown.querySelector("code").textContent = "";
  };
  shown.querySelector("[data-secret-done]").addEventListener("click", () => {
    forgetSecret();
    root.querySelector("[data-add-hook]").focus();
  });
  window.addEventListener("pagehide", forgetSecret);

  root.addEventListener("click", (event) => event.target.closest("[data-add-hook]") && edit());
  // The part may be hidden for long: nothing is loaded before it is looked at.
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) load();
  }).observe(root.querySelector(".section__head"));
}

async function busy(button, work, undo = () => {}) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    undo();
    toast(error.message, { kind: "bad" });
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

function describeState(hook, t) {
  if (!hook.is_active) return h("span", { class: "badge badge--dot" }, t("off"));
  if (hook.resume_at) return h("span", { class: "badge badge--dot badge--warn" }, t("paused"));
  if (hook.failing_since) return h("span", { class: "badge badge--dot badge--bad" }, t("failing"));
  return h("span", { class: "badge badge--dot badge--ok" }, t("active"));
}

function describeFacts(hook, t) {
  const last = hook.last_delivery;
  const status = last?.response_status ? ` (${last.response_status})` : "";
  const facts = last
    ? [h("span", {}, `${t("last", { state: t(STATES[last.state].label) + status })} `, timeElement(last.created_at))]
    : [h("span", {}, t("never"))];
  if (hook.disabled_reason === "gone") facts.push(h("span", {}, t("offGone")));
  if (hook.disabled_reason === "failing") facts.push(h("span", {}, t("offFailing")));
  if (hook.is_active && hook.failing_since) facts.push(h("span", {}, t("failingSince", { time: exactTime(hook.failing_since) })));
  if (hook.is_active && hook.resume_at) facts.push(h("span", {}, t("pausedUntil", { time: exactTime(hook.resume_at) })));
  const until = hook.previous_secret_until;
  if (until && Date.parse(until) > Date.now()) facts.push(h("span", {}, t("overlap", { time: exactTime(until) })));
  return facts;
}
