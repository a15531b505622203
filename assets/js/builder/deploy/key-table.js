// The table of the keys. In a narrow place each row becomes a card (deploy.css), with its columns' names inside.

import { iconButton } from "../../chat/dom.js";
import { timeElement } from "../../chat/format.js";
import { h, icon } from "../../lib/dom.js";

const SOON_MS = 7 * 86_400_000;
const camel = (name) => name[0].toUpperCase() + name.slice(1);

export function makeKeyTable(keys, actions, t) {
  const columns = ["keyName", "keyKind", "keyScopes", "keyOrigins", "keyLastUsed", "keyExpires"];
  const head = columns.map((name) => h("th", { scope: "col", role: "columnheader" }, t(name)));
  const last = h("th", { role: "columnheader" }, h("span", { class: "sr-only" }, t("keyActions")));
  const table = h(
    "table",
    { class: "table keys__table", role: "table", "aria-labelledby": "keys-title" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...head, last)),
    h("tbody", { role: "rowgroup" }, ...keys.map((key) => makeRow(key, actions, t))),
  );
  return h("div", { class: "table-wrap", tabindex: "0", role: "group", "aria-labelledby": "keys-title" }, table);
}

function makeRow(key, actions, t) {
  const cell = (name, ...children) =>
    h("td", { role: "cell", class: `keys__${name}`, "data-label": t(`key${camel(name)}`) }, ...children);
  return h(
    "tr",
    { role: "row" },
    cell("name", h("bdi", {}, key.name), h("code", {}, `${key.prefix}…`)),
    cell("kind", h("span", { class: key.kind === "widget" ? "badge badge--accent" : "badge" }, t(`kind${camel(key.kind)}`)), key.requires_identity ? h("span", { class: "badge" }, t("keyIdentity")) : null),
    cell("scopes", describeScopes(key, t)),
    cell("origins", ...describeOrigins(key.allowed_origins, t)),
    cell("lastUsed", key.last_used_at ? timeElement(key.last_used_at) : h("span", { class: "faint" }, t("keyNever"))),
    cell("expires", ...describeExpiry(key, t)),
    h("td", { role: "cell", class: "table__actions" }, ...makeMenu(key, actions, t)),
  );
}

function describeScopes({ kind, scopes }, t) {
  if (kind !== "secret") return t("scopesVisitors");
  return scopes.length ? scopes.map((scope) => t(`scope${camel(scope)}`)).join(", ") : t("scopesAll");
}

function describeOrigins(origins, t) {
  if (origins.length === 0) return [h("span", { class: "faint" }, t("originsAny"))];
  const first = h("span", { class: "keys__origin", title: origins[0] }, origins[0].replace(/^https:\/\//, ""));
  if (origins.length === 1) return [first];
  const more = h("span", { class: "badge", title: origins.slice(1).join("\n") }, `+${origins.length - 1}`);
  return [first, more];
}

function describeExpiry({ expires_at: at }, t) {
  if (!at) return [h("span", { class: "faint" }, t("keyNever"))];
  const isSoon = Date.parse(at) - Date.now() < SOON_MS;
  return [isSoon ? h("span", { class: "badge badge--warn" }, timeElement(at)) : timeElement(at)];
}

function makeMenu(key, actions, t) {
  const id = `key-menu-${key.id}`;
  const item = (name, sign, run, extra = "") =>
    h(
      "button",
      {
        type: "button",
        class: `menu__item ${extra}`.trim(),
        onclick: () => {
          document.getElementById(id).hidePopover();
          run(key);
        },
      },
      icon(sign),
      t(name),
    );
  const button = iconButton("ellipsis", t("keyMenu", { name: key.name }), null, "btn--sm");
  button.setAttribute("popovertarget", id);
  button.setAttribute("aria-haspopup", "true");
  button.setAttribute("aria-expanded", "false");
  const identity = key.kind === "widget" ? item("identityMake", "shield-check", actions.identity) : null;
  const menu = h(
    "div",
    { class: "menu", id },
    item("keyEdit", "pencil", actions.edit),
    item("keyRotate", "refresh-cw", actions.rotate),
    identity,
    h("div", { class: "menu__line" }),
    item("keyRevoke", "trash-2", actions.revoke, "menu__item--danger"),
  );
  menu.popover = "auto";
  return [button, menu];
}
