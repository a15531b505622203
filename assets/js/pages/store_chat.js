// The store's chat: the one chat component over the whole window, behind a gate that says what it takes to go on.
import { paintPage } from "../../widget/page/colours.js";
import { readStrings } from "../chat/dom.js";
import { plural } from "../chat/format.js";
import { mountChat } from "../chat/index.js";
import { api } from "../lib/api.js";
import { keepToken, takeTokenFromAddress } from "../store/access.js";
import { ListingSession } from "../store/session.js";

const page = JSON.parse(document.getElementById("page").textContent);
const t = readStrings("chat-strings", "visitor-strings");
const get = (id) => document.getElementById(id);
const gate = get("gate");
const camel = (code) => code.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
// code → what gets one on
const STEPS = {
  sign_in_required: ["sign-in"],
  purchase_required: page.is_signed_in ? ["buy"] : ["sign-in"],
  access_token_required: ["token"],
  access_token_invalid: ["token"],
  allowance_used_up: page.is_signed_in ? [] : ["sign-in"],
  grant_used_up: page.is_paid ? ["buy"] : ["token"],
  grant_ended: page.is_private ? ["token"] : ["buy"],
};

takeTokenFromAddress(page.slug);
paintPage(page.agent.appearance);
let remaining = null;
const session = new ListingSession(page.slug, page.who, (opened) => showRemaining(opened.remaining));
const chat = mountChat(get("chat"), {
  agent: page.agent,
  session,
  isVisitor: true,
  onMessage: ({ role }) => role === "user" && remaining !== null && showRemaining(Math.max(0, remaining - 1)),
  onError: (error) => error.code in STEPS && close(error),
  store: {
    get: () => session.conversation,
    set: (id) => {
      session.conversation = id;
    },
  },
});

get("new").addEventListener("click", () => chat.startNew());
get("history").addEventListener("click", () => chat.showHistory());
get("gate-retry").addEventListener("click", () => enter());
get("gate-token").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(page.slug, event.target.elements.token.value.trim());
  enter();
});
get("gate-buy").addEventListener("click", async ({ currentTarget: button }) => {
  button.setAttribute("aria-busy", "true");
  try {
    const { url } = await api.post(`/api/store/listings/${page.slug}/checkout`);
    location.assign(url);
  } catch (error) {
    button.removeAttribute("aria-busy");
    get("gate-text").textContent = error.message;
  }
});
enter();

/** Open a session, and the gate with it; a question that the address brought is asked. */
async function enter() {
  try {
    await session.renew();
  } catch (error) {
    return close(error);
  }
  gate.hidden = true;
  for (const part of ["chat", "new", "history"]) get(part).inert = false;
  const question = new URLSearchParams(location.search).get("ask");
  history.replaceState(history.state, "", location.pathname);
  if (question) {
    chat.startNew();
    chat.ask(question.slice(0, 2000));
  }
  document.documentElement.dataset.ready = "";
}

function close(error) {
  const steps = STEPS[error.code];
  get("gate-title").textContent = t(steps ? camel(`title_${error.code}`) : "titleOther");
  get("gate-text").textContent = error.message;
  for (const step of ["sign-in", "buy", "token"]) get(`gate-${step}`).hidden = !steps?.includes(step);
  get("gate-retry").hidden = Boolean(steps);
  gate.hidden = false;
  for (const part of ["chat", "new", "history"]) get(part).inert = true;
  (steps?.includes("token") ? get("token") : get("gate-title")).focus();
  document.documentElement.dataset.ready = "";
}

function showRemaining(count) {
  remaining = count;
  const label = get("remaining");
  label.hidden = count === null;
  if (count !== null) label.textContent = plural(t, "left", count);
}
