// The page in the widget's frame: the visitor's chat, and what the host page says and hears.

import { Host } from "../../widget/page/host.js";
import { mountVisitorChat, readPage } from "../../widget/page/visitor_chat.js";

const FOCUSABLE = "a[href], button:not([disabled]), textarea, input, select, [tabindex='0']";
const page = readPage();
const element = document.getElementById("chat");
const isSmall = matchMedia("(max-width: 340px)");
let variables = {};
let mounted = null;
let speaker = ""; // whose conversation the chat shows: the session's `who`
let identities = 0; // how often the page has said who the visitor is, or that nobody is

const host = new Host(page.origins, {
  init: (data) => start(data),
  shown: ({ isFull }) => setFull(isFull),
  hidden: () => document.activeElement?.blur(),
  focus: ({ edge }) => focusEdge(edge),
  send: ({ text }) => mounted?.chat.ask(String(text)),
  user: ({ token }) => mounted && identify(token),
  variables: (data) => setVariables(data.variables),
  reset: ({ mark }) => mounted && reset(mark),
});

function start(given) {
  if (mounted) return;
  const agent = { ...page.agent, ...looksOf(given) };
  showTitle(agent, given);
  setVariables(given.variables);
  mounted = mountVisitorChat(element, { ...page, agent }, {
    colours: coloursOf(given),
    forgets: isText(given.forget),
    kept: given.kept,
    keep: (all) => host.tell("keep", { all }),
    variables: () => variables,
    onMessage: (message) => host.tell("message", message),
    onError: ({ code, message }) => host.tell("error", { code, message }),
  });
  document.documentElement.dataset.ready = "";
  setFull(given.isFull === true);
  identify(given.user);
  host.tell("ready", { name: agent.name });
  if (isText(given.forget)) host.tell("reset", { mark: given.forget });
}

/** The texts that the host page may change. */
function looksOf({ title, welcome, suggestions }) {
  const looks = {};
  if (isText(title)) looks.name = title;
  if (isText(welcome)) looks.welcome_message = welcome;
  if (Array.isArray(suggestions)) looks.suggested_questions = suggestions.filter(isText);
  return looks;
}

/** The page's colours: the agent's two, or the one that the host page chose instead. */
function coloursOf({ color }) {
  const { appearance } = page.agent;
  const isOther = /^#[0-9a-f]{6}$/.test(color ?? "") && color !== appearance.color;
  return isOther ? { color, color_2: color } : appearance;
}

function showTitle(agent, { mode }) {
  document.getElementById("title").textContent = agent.name;
  document.title = agent.name;
  document.getElementById("close").hidden = !host.isFramed || mode === "inline";
}

/** As texts, which is what the server takes; what is nothing stays out. */
function setVariables(given) {
  const entries = Object.entries(given && typeof given === "object" ? given : {});
  const known = entries.filter(([, value]) => value !== null && value !== undefined);
  variables = Object.fromEntries(known.map(([name, value]) => [name, String(value)]));
}

function setFull(isFull) {
  document.documentElement.dataset.full = String(isFull || isSmall.matches);
}

/** Speak for this user from here on, once the server believes the token; else for nobody. Questions wait for that. */
function identify(given) {
  const token = readToken(given);
  mounted.session.identify(token);
  mounted.chat.hold(settle(token));
}

async function settle(token) {
  const { chat, session } = mounted;
  const mine = ++identities;
  if (token) await session.token().catch(() => {}); // who listens hears of it as `error`
  if (mine !== identities) return; // somebody else was named meanwhile
  const isOther = session.who !== speaker;
  speaker = session.who;
  if (isOther) chat.restart();
  if (token || isOther) host.tell("identified", { isKnown: session.who !== "" && session.isProven });
}

/** Forget the visitor; `mark` tells the page which of its calls this was. */
function reset(mark) {
  mounted.session.forget();
  leave();
  host.tell("reset", { mark });
}

/** Show nothing of the visitor any more. */
function leave() {
  identities += 1; // one that the server looks at now is forgotten, too
  speaker = "";
  variables = {};
  mounted.session.identify("");
  mounted.chat.forget();
}

/** Another tab, or another widget, forgot the visitor. What is kept by now is the next one's: it stays, and is shown. */
function onKeptElsewhere({ key, newValue }) {
  const shown = mounted?.chat.conversationId;
  const isForgotten = newValue === null && (key === null || key === mounted?.session.slot);
  if (shown && isForgotten && shown !== mounted.session.conversation) leave();
}

/** Where the focus goes when the host page hands it over: the composer, or the frame's first or last control. */
function focusEdge(edge) {
  if (edge === "composer") return mounted?.chat.composer.focus();
  const controls = [...document.querySelectorAll(FOCUSABLE)].filter((control) => control.checkVisibility());
  (edge === "last" ? controls.at(-1) : controls[0])?.focus();
}

const isText = (given) => typeof given === "string" && given !== "";
const readToken = (given) => (typeof given === "string" ? given : "");

addEventListener("storage", onKeptElsewhere);
document.getElementById("close").addEventListener("click", () => host.tell("close"));
document.getElementById("new").addEventListener("click", () => mounted?.chat.startNew());
document.getElementById("history").addEventListener("click", () => mounted?.chat.showHistory());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (mounted?.chat.composer.isEditing || mounted?.chat.history.isOpen) return;
  host.tell("close");
});

if (!host.isFramed) start({}); // the last: it needs all that stands above
