// API keys of the agent: create (shown once), list, change, rotate, revoke.

import { api, clearFormErrors, showFormErrors } from "../../lib/api.js";
import { confirmDialog, openDialog } from "../../lib/dialog.js";
import { h, icon } from "../../lib/dom.js";
import { toast } from "../../lib/toast.js";
import { KeyDialog } from "./key-dialog.js";
import { makeKeyTable } from "./key-table.js";

export function setUp({ store, t, secret }) {
  const root = document.getElementById("keys");
  if (!root) return null;
  const path = `/api/agents/${store.agent.id}/api-keys`;
  const place = root.querySelector("[data-keys]");
  const opener = root.querySelector("[data-new-key]");
  const dialog = new KeyDialog(document.getElementById("key-dialog"), t);

  const load = async () => {
    try {
      const { data } = await api.get(`${path}?limit=100`);
      place.replaceChildren(data.length ? makeKeyTable(data, actions, t) : makeEmpty(t, create));
    } catch (error) {
      const retry = h("button", { type: "button", class: "btn btn--sm", onclick: load }, t("retry"));
      const notice = h("div", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, error.message), retry);
      place.replaceChildren(notice);
    }
  };
  const create = () =>
    dialog.open(null, async (given, close) => {
      const key = await api.post(path, given);
      close();
      showKey(key, t("keyCreated", { name: key.name }));
      await load();
    });
  const showKey = (key, title) => {
    const text = key.kind === "widget" ? t("keyForPages") : t("keyForServers");
    secret.show({ title, value: key.key, text, kind: key.kind, back: opener });
  };
  const actions = {
    edit: (key) =>
      dialog.open(key, async (given, close) => {
        await api.patch(`${path}/${key.id}`, given);
        close();
        toast(t("keySaved", { name: given.name }));
        await load();
      }),
    async rotate(key) {
      const fresh = await askOverlap(key, (hours) => api.post(`${path}/${key.id}/rotate`, { overlap_hours: hours }), t);
      if (!fresh) return;
      showKey(fresh, t("keyRotated", { name: fresh.name }));
      await load();
    },
    async identity(key) {
      const question = { title: t("identityTitle", { name: key.name }), text: t("identityText"), action: t("identityMake") };
      if (key.has_identity_secret && !(await confirmDialog(question))) return;
      try {
        const answer = await api.post(`${path}/${key.id}/identity-secret`);
        const title = t("identityCreated", { name: key.name });
        secret.show({ title, value: answer.identity_secret, text: t("identityHow"), back: opener });
        await load();
      } catch (error) {
        toast(error.message, { kind: "bad" });
      }
    },
    async revoke(key) {
      const words = { title: t("confirmRevokeTitle", { name: key.name }), text: t("confirmRevokeText") };
      if (!(await confirmDialog({ ...words, action: t("revoke"), typed: key.name.trim() }))) return;
      try {
        await api.delete(`${path}/${key.id}`);
        toast(t("keyRevoked", { name: key.name }));
      } catch (error) {
        toast(error.message, { kind: "bad" });
      }
      await load();
      opener.focus();
    },
  };
  opener.disabled = false;
  opener.addEventListener("click", create);
  return { show: load };
}

/** How long the old key goes on; resolves to the new key, or null when people think better of it. */
function askOverlap(key, rotate, t) {
  const dialog = document.getElementById("rotate-dialog");
  const form = dialog.querySelector("form");
  const submit = form.querySelector("[type=submit]");
  form.reset();
  clearFormErrors(form);
  dialog.querySelector("[data-rotate-text]").textContent = t("rotateText", { name: key.name });
  openDialog(dialog);
  return new Promise((resolve) => {
    let fresh = null;
    form.onsubmit = async (event) => {
      event.preventDefault();
      submit.setAttribute("aria-busy", "true");
      try {
        fresh = await rotate(Number(new FormData(form).get("overlap_hours")));
        dialog.close();
      } catch (error) {
        showFormErrors(form, error);
      } finally {
        submit.removeAttribute("aria-busy");
      }
    };
    dialog.addEventListener("close", () => resolve(fresh), { once: true });
  });
}

function makeEmpty(t, create) {
  const button = h("button", { type: "button", class: "btn", onclick: create }, icon("plus"), t("keysFirst"));
  return h(
    "div",
    { class: "empty empty--framed" },
    h("span", { class: "empty__icon" }, icon("key-round")),
    h("p", { class: "empty__title" }, t("keysNone")),
    h("p", { class: "empty__text" }, t("keysEmpty")),
    h("div", { class: "empty__actions" }, button),
  );
}
