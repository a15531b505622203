// The playground beside the form: the chat on the draft, its width, hiding it, and the values of {{variables}}.

import { mountChat } from "../chat/index.js";
import { api } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { drawnLook } from "./appearance.js";
import { findVariables } from "./instructions.js";

const WIDTH = { least: 320, most: 720, usual: 420, step: 24 };

export function setUpPlayground(store, autosave, t) {
  const values = setUpVariables(store, t);
  const asChatAgent = (agent) => ({
    id: agent.id,
    ...drawnLook(agent),
    welcome_message: agent.config.welcome_message,
    suggested_questions: agent.config.suggested_questions,
  });
  const storage = `gilo-conversation-${store.agent.id}`;
  const isAddressed = takeConversation(storage);
  const chat = mountChat(document.getElementById("chat"), {
    agent: asChatAgent(store.agent),
    isDemo: false,
    modelsUrl: "/settings/models",
    storage,
    beforeSend: () => autosave.flush(),
    variables: values,
    canDelete: (conversation) => store.agent.can_edit || conversation.channel === "playground",
    loadPassage: (citation) => findPassage(store.agent.id, citation),
  });
  store.subscribe((agent) => {
    chat.update(asChatAgent(agent));
    document.getElementById("draft-badge").textContent = t("draftVersion", { number: agent.version });
  });
  document.getElementById("new-conversation").addEventListener("click", () => chat.startNew());
  document.getElementById("show-history").addEventListener("click", () => chat.showHistory());
  setUpWidth();
  setUpHiding();
  if (isAddressed) reveal();
  return chat;
}

/** Whether the address names the conversation to open; it is kept as if it had been open in this tab. */
function takeConversation(storage) {
  const address = new URL(location.href);
  const id = address.searchParams.get("conversation");
  if (!id) return false;
  sessionStorage.setItem(storage, id);
  address.searchParams.delete("conversation");
  history.replaceState(history.state, "", address);
  return true;
}

/** Show the playground where it was hidden, and on a phone, where it is the other screen. */
function reveal() {
  const show = document.getElementById("show-playground");
  if (!show.hidden) show.click();
  showScreen(document.getElementById("builder"), "try");
}

/** The whole text of the chunk that a citation shows the beginning of; null when the document has changed since. */
async function findPassage(agentId, { document_id: documentId, chunk_id: chunkId, snippet }) {
  let cursor = "";
  do {
    const page = await api.get(
      `/api/agents/${agentId}/knowledge/${documentId}/chunks?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    const chunk = page.data.find((item) => (chunkId ? item.id === chunkId : item.content.startsWith(snippet)));
    if (chunk) return chunk.content;
    cursor = page.next;
  } while (cursor);
  return null;
}

function setUpVariables(store, t) {
  const box = document.getElementById("variables");
  const place = box.querySelector("[data-values]");
  const inputs = new Map();
  let shown = "";
  store.subscribe((agent) => {
    const names = findVariables(agent.config.instructions);
    if (names.join() === shown) return;
    shown = names.join();
    for (const name of names) if (!inputs.has(name)) inputs.set(name, makeInput(name, t));
    place.replaceChildren(
      ...names.map((name) => h("label", { class: "playground__value" }, h("code", {}, name), inputs.get(name))),
    );
    box.querySelector("[data-count]").textContent = String(names.length);
    box.hidden = names.length === 0;
  });
  return () =>
    Object.fromEntries(
      findVariables(store.config.instructions)
        .map((name) => [name, inputs.get(name).value])
        .filter(([, value]) => value),
    );
}

const makeInput = (name, t) =>
  h("input", { class: "input", maxlength: "1000", autocomplete: "off", "aria-label": t("variable", { name }) });

function setUpWidth() {
  const builder = document.getElementById("builder");
  const handle = document.getElementById("playground-handle");
  const set = (width) => {
    const value = Math.round(Math.min(WIDTH.most, Math.max(WIDTH.least, width)));
    builder.style.setProperty("--playground-width", `${value}px`);
    handle.setAttribute("aria-valuenow", String(value));
    localStorage.setItem("gilo-playground-width", String(value));
  };
  const current = () => Number(handle.getAttribute("aria-valuenow"));
  const fromPointer = (event) => set(builder.getBoundingClientRect().right - event.clientX);
  set(Number(localStorage.getItem("gilo-playground-width")) || WIDTH.usual);
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    builder.dataset.resizing = "";
    handle.addEventListener("pointermove", fromPointer);
  });
  handle.addEventListener("lostpointercapture", () => {
    delete builder.dataset.resizing;
    handle.removeEventListener("pointermove", fromPointer);
  });
  handle.addEventListener("dblclick", () => set(WIDTH.usual));
  handle.addEventListener("keydown", (event) => {
    const steps = {
      ArrowLeft: WIDTH.step,
      ArrowRight: -WIDTH.step,
      Home: WIDTH.least - current(),
      End: WIDTH.most - current(),
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    set(current() + steps[event.key]);
  });
}

function setUpHiding() {
  const builder = document.getElementById("builder");
  const tabs = document.getElementById("builder-tabs");
  const show = document.getElementById("show-playground");
  const hide = document.getElementById("hide-playground");
  // The tables of the Deploy tab want the width: there the playground shows only when it is asked for.
  const isWide = () => tabs.querySelector('[aria-selected="true"]').dataset.tab === "deploy";
  const name = () => (isWide() ? "gilo-playground-hidden-deploy" : "gilo-playground-hidden");
  const apply = () => {
    const isHidden = (localStorage.getItem(name()) ?? (isWide() ? "1" : "")) === "1";
    builder.toggleAttribute("data-playground-hidden", isHidden);
    show.hidden = !isHidden;
  };
  const set = (isHidden) => {
    localStorage.setItem(name(), isHidden ? "1" : "");
    apply();
  };
  hide.addEventListener("click", () => {
    set(true);
    show.focus();
  });
  show.addEventListener("click", () => {
    set(false);
    hide.focus();
  });
  tabs.addEventListener("tab:show", apply);
  apply();
  for (const button of document.querySelectorAll(".builder__screens button")) {
    button.addEventListener("click", () => showScreen(builder, button.dataset.screen));
  }
}

function showScreen(builder, screen) {
  builder.dataset.screen = screen;
  for (const button of document.querySelectorAll(".builder__screens button")) {
    button.setAttribute("aria-pressed", String(button.dataset.screen === screen));
  }
}
