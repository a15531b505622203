// Code: the languages in tabs, streamed or in one piece, and the reference of this agent below.

import { h } from "../../lib/dom.js";
import { setUpTabs } from "../../lib/tabs.js";
import { fillCode } from "./secret.js";

const LANGUAGE = "gilo-snippet";
const MODE = "gilo-snippet-mode";

export function setUp({ store, t, secret }) {
  const modes = document.getElementById("snippet-mode");
  const list = document.getElementById("snippet-tabs");
  const setMode = (mode) => {
    for (const button of modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    for (const block of document.querySelectorAll("#snippets [data-block]")) {
      block.hidden = block.dataset.block !== "" && block.dataset.block !== mode;
    }
    localStorage.setItem(MODE, mode);
  };
  modes.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) setMode(button.dataset.mode);
  });
  const tabs = setUpTabs(list, {
    onShow(name, tab) {
      modes.toggleAttribute("data-idle", !("hasModes" in tab.dataset));
      for (const button of modes.children) button.disabled = !("hasModes" in tab.dataset);
      tab.scrollIntoView({ block: "nearest", inline: "nearest" });
      localStorage.setItem(LANGUAGE, name);
    },
  });
  setMode(localStorage.getItem(MODE) === "whole" ? "whole" : "stream");
  tabs.show(localStorage.getItem(LANGUAGE));
  let shownFor = "";
  const loadedFor = look(store.agent);
  return {
    async show() {
      if (secret.key?.kind === "widget") tabs.show("widget"); // there its key stands in the code
      if (shownFor === look(store.agent)) return;
      if (shownFor || loadedFor !== look(store.agent)) await refreshCode(secret.key);
      shownFor = look(store.agent);
      await showReference(t);
    },
  };
}

/** What the code and the reference depend on. */
const look = ({ version, live_version: live, slug }) => `${version} ${live} ${slug}`;

async function fetchPage(address) {
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(response.statusText);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** The agent has changed since the page was loaded: take the code as the server writes it now. */
async function refreshCode(key) {
  try {
    const page = await fetchPage(`${location.pathname}?tab=deploy`);
    for (const code of document.querySelectorAll("#snippets pre > code")) {
      const fresh = page.getElementById(code.id);
      if (fresh) code.replaceChildren(...fresh.childNodes);
    }
    fillCode(key);
  } catch {
    // the code that is shown still runs, with what the agent was asked before
  }
}

/** The reference is a page of its own; its article is shown here too. */
async function showReference(t) {
  const place = document.getElementById("reference");
  try {
    const page = await fetchPage(place.dataset.src);
    await Promise.all([...page.querySelectorAll('link[rel="stylesheet"]')].map(adoptStyle));
    const article = page.getElementById("agent-reference");
    for (const heading of article.querySelectorAll("h2, h3")) lower(heading);
    place.replaceChildren(...article.children);
  } catch {
    place.textContent = t("referenceFailed");
  }
}

/** What heads a page heads a part of a part here. */
function lower(heading) {
  const name = heading.localName === "h2" ? "h4" : "h5";
  heading.replaceWith(h(name, { id: heading.id || null, class: heading.className }, ...heading.childNodes));
}

/** A style sheet of the fetched page, unless this page has it. */
function adoptStyle(link) {
  const href = link.getAttribute("href");
  if (document.querySelector(`link[rel="stylesheet"][href="${href}"]`)) return null;
  const adopted = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  document.head.append(adopted);
  return new Promise((resolve) => (adopted.onload = adopted.onerror = resolve));
}
