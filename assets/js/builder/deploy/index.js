// The Deploy tab: its parts in tabs of their own, each loaded when it is opened first and named by the address's #hash.

import { readStrings } from "../../chat/dom.js";
import { setUpTabs } from "../../lib/tabs.js";
import { toast } from "../../lib/toast.js";
import { Secret } from "./secret.js";

const MODULES = {
  overview: () => import("./overview.js"),
  "api-keys": () => import("./keys.js"),
  code: () => import("./code.js"),
  calls: () => import("./calls.js"),
};

/** Set the tab up and show it; returns `show`, to be called whenever it is opened again. */
export function setUpDeployTab(store) {
  const list = document.getElementById("deploy-tabs");
  const names = [...list.querySelectorAll("[data-tab]")].map((tab) => tab.dataset.tab);
  const shared = { store, t: readStrings("deploy-strings"), secret: new Secret() };
  const parts = new Map();
  let shown = null;

  const onShow = (name) => {
    if (name !== shown) parts.get(shown)?.then((part) => part?.hide?.());
    shown = name;
    remember(name, names[0]);
    reveal(list.querySelector(`[data-tab="${name}"]`), list);
    if (!parts.has(name)) parts.set(name, load(name, shared));
    parts.get(name).then((part) => {
      list.dataset.ready = name; // its controls answer from now on
      if (shown === name) part?.show?.();
    });
  };
  const tabs = setUpTabs(list, { onShow });
  const showPart = (name) => tabs.show(names.includes(name) ? name : names[0]);
  const isOpen = () => !document.getElementById("panel-deploy").hidden;

  window.addEventListener("hashchange", () => isOpen() && showPart(location.hash.slice(1)));
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-show-part]");
    if (!opener) return;
    showPart(opener.dataset.showPart);
    list.querySelector('[aria-selected="true"]').focus();
  });
  document.getElementById("builder-tabs").addEventListener("tab:show", ({ detail }) => {
    if (detail.name === "deploy") return;
    parts.get(shown)?.then((part) => part?.hide?.());
    history.replaceState(null, "", location.pathname + location.search);
  });
  showPart(location.hash.slice(1));
  return () => showPart(location.hash.slice(1) || shown);
}

async function load(name, shared) {
  try {
    const module = await MODULES[name]?.();
    return module?.setUp(shared);
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return null;
  }
}

/** The first part needs no hash: the plain address of the tab opens it. */
function remember(name, first) {
  const hash = name === first && !location.hash ? "" : `#${name}`;
  if (location.hash === hash) return;
  const address = location.pathname + location.search + hash;
  if (location.hash) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

function reveal(tab, list) {
  const { left, right } = tab.getBoundingClientRect();
  const frame = list.getBoundingClientRect();
  if (left < frame.left || right > frame.right) list.scrollBy({ left: left - frame.left - 24 });
}
