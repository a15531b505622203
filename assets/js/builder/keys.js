// API keys of the agent: create (shown once), list, revoke.

import { timeElement } from "../chat/format.js";
import { api, clearFormErrors, showFormErrors } from "../lib/api.js";
import { confirmDialog, openDialog } from "../lib/dialog.js";
import { h, icon } from "../lib/dom.js";
import { toast } from "../lib/toast.js";

export function setUpKeys(agentId, t) {
  const root = document.getElementById("keys");
  if (!root) return;
  const path = `/api/agents/${agentId}/api-keys`;
  const place = root.querySelector("[data-keys]");
  const dialog = document.getElementById("new-key");
  const form = dialog.querySelector("form");

  const load = async () => {
    try {
      const { data } = await api.get(`${path}?limit=100`);
      place.replaceChildren(data.length ? makeTable(data, revoke, t) : makeEmpty(t));
    } catch (error) {
      const retry = h("button", { type: "button", class: "btn btn--sm", onclick: load }, t("retry"));
      place.replaceChildren(
        h("div", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, error.message), retry),
      );
    }
  };
  const revoke = async (key) => {
    const question = {
      title: t("confirmRevokeTitle", { name: key.name }),
      text: t("confirmRevokeText"),
      action: t("confirmRevoke"),
    };
    if (!(await confirmDialog(question))) return;
    try {
      await api.delete(`${path}/${key.id}`);
      toast(t("keyRevoked"));
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
    await load();
    root.querySelector("[data-new-key]").focus();
  };
  const create = async (event) => {
    event.preventDefault();
    const submit = form.querySelector("[type=submit]");
    submit.setAttribute("aria-busy", "true");
    try {
      const key = await api.post(path, { name: form.elements.name.value.trim() });
      dialog.close();
      showOnce(key);
      load();
    } catch (error) {
      showFormErrors(form, error);
    } finally {
      submit.removeAttribute("aria-busy");
    }
  };
  root.querySelector("[data-new-key]").addEventListener("click", () => {
    form.reset();
    clearFormErrors(form);
    openDialog(dialog);
  });
  form.addEventListener("submit", create);
  load();
}

function showOnce(key) {
  const dialog = document.getElementById("shown-key");
  const value = document.getElementById("key-value");
  value.textContent = key.key;
  dialog.addEventListener("close", () => (value.textContent = ""), { once: true });
  dialog.showModal();
  dialog.querySelector(".copy").focus();
}

function makeTable(keys, revoke, t) {
  const head = [t("keyName"), t("keyPrefix"), t("created"), t("keyLastUsed")].map((text) =>
    h("th", { scope: "col" }, text),
  );
  const rows = keys.map((key) =>
    h(
      "tr",
      {},
      h("td", {}, h("bdi", {}, key.name)),
      h("td", {}, h("code", {}, `${key.prefix}…`)),
      h("td", {}, timeElement(key.created_at)),
      h("td", {}, key.last_used_at ? timeElement(key.last_used_at) : h("span", { class: "faint" }, t("keyNever"))),
      h(
        "td",
        { class: "table__actions" },
        h("button", { type: "button", class: "btn btn--sm btn--danger", onclick: () => revoke(key) }, t("revoke")),
      ),
    ),
  );
  const action = h("th", {}, h("span", { class: "sr-only" }, t("revoke")));
  const table = h("table", { class: "table" }, h("thead", {}, h("tr", {}, ...head, action)), h("tbody", {}, ...rows));
  return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-labelledby": "keys-title" }, table);
}

const makeEmpty = (t) => h("div", { class: "keys__empty" }, icon("key-round"), h("p", {}, t("keysEmpty")));
