// Code: the languages in tabs, streamed or in one piece, and the reference of this agent below.

import { h } from "../../lib/dom.js";
import { setUpTabs } from "../../lib/tabs.js";

const LANGUAGE = "gilo-snippet";
const MODE = "gilo-snippet-mode";

export function setUp({ store, t }) {
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
  let shownFor = null;
  return {
    async show() {
      const { version, live_version: live } = store.agent;
      if (shownFor === `${version} ${live}`) return;
      shownFor = `${version} ${live}`;
      await showReference(t);
    },
  };
}

/** The reference is a page of its own; its article is shown here too. */
async function showReference(t) {
  const place = document.getElementById("reference");
  try {
    const response = await fetch(place.dataset.src, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
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
