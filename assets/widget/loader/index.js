// widget.js: puts chats on any page. The page's calls before it has loaded wait in `window.gilo`, an array; afterwards
// `window.gilo` is the object below, and its `push` does at once what it is given.

import { readOptions } from "./options.js";
import { Widget } from "./widget.js";

const CALLS = ["open", "close", "toggle", "send", "setUser", "setVariables", "setLocale", "reset", "destroy"];

class Gilo {
  constructor(origin) {
    this.origin = origin;
    this.widgets = new Map();
    this.pending = []; // calls made while there is no widget to take them
    this.listeners = new Map();
    this.scripts = new WeakSet();
    for (const name of CALLS) this[name] = (...values) => this.#call("", name, values);
  }

  /** Make a widget. The same one asked for again (a router that runs its scripts anew) is the one that is there. */
  init(given = {}) {
    const options = readOptions(given, this.origin);
    if (!options.agent || !options.key) {
      console.warn("[gilo] the widget needs data-agent-id and data-key");
      return null;
    }
    const present = this.widgets.get(options.id);
    if (present) return present;
    const page = { widgets: () => [...this.widgets.values()], onEnd: (ended) => this.widgets.delete(ended.id) };
    const widget = new Widget(options, page);
    if (widget.isDestroyed) return null;
    this.widgets.set(widget.id, widget);
    for (const call of this.pending.splice(0)) this.push(call);
    return widget;
  }

  /** The widget with this id, or the first one. */
  get(id = "") {
    return (id ? this.widgets.get(id) : this.widgets.values().next().value) ?? null;
  }

  /** Call the listener at each event of this name; adding it twice is adding it once. */
  on(name, listener) {
    const heard = this.#heardOf(name);
    if (heard.has(listener)) return;
    heard.set(listener, (event) => listener(event.detail, event));
    document.addEventListener(`gilo:${name}`, heard.get(listener));
  }

  off(name, listener) {
    const heard = this.#heardOf(name);
    document.removeEventListener(`gilo:${name}`, heard.get(listener));
    heard.delete(listener);
  }

  /** For an event's name: listener → what hears the DOM event for it. */
  #heardOf(name) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Map());
    return this.listeners.get(name);
  }

  /** One call: `["open"]`, `["send", "Hello"]`, `["on", "message", listener]`, `["sales.open"]` for the widget "sales". */
  push(...calls) {
    for (const call of calls) {
      if (typeof call === "function") call(this);
      else if (Array.isArray(call)) this.#dispatch(call);
    }
  }

  #dispatch([path, ...values]) {
    const dot = String(path).lastIndexOf(".");
    const [id, name] = dot < 0 ? ["", String(path)] : [path.slice(0, dot), path.slice(dot + 1)];
    if (["init", "on", "off"].includes(name)) this[name](...values);
    else if (CALLS.includes(name)) this.#call(id, name, values);
    else console.warn(`[gilo] there is no call named ${name}`);
  }

  #call(id, name, values) {
    const widget = this.get(id);
    if (widget) widget[name](...values);
    else if (name !== "destroy") this.pending.push([id ? `${id}.${name}` : name, ...values]);
  }

  /** The widget that a script element asks for with its attributes. */
  boot(script) {
    if (this.scripts.has(script)) return;
    this.scripts.add(script);
    if (script.dataset.agentId) this.init({ ...script.dataset });
  }
}

function findScripts() {
  const current = document.currentScript;
  return current ? [current] : [...document.querySelectorAll("script[data-agent-id][src*='/widget.js']")];
}

function start() {
  const scripts = findScripts();
  const waiting = Array.isArray(window.gilo) ? window.gilo : [];
  if (!window.gilo?.init) {
    window.gilo = new Gilo(originOf(scripts[0]));
    watchOpeners();
  }
  const begin = () => {
    for (const script of scripts) window.gilo.boot(script);
    window.gilo.push(...waiting);
  };
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin, { once: true });
}

/** Any element of the page with `data-gilo-open` opens the widget that it names, or the first one. */
function watchOpeners() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-gilo-open]");
    if (opener) window.gilo.push([opener.dataset.giloOpen ? `${opener.dataset.giloOpen}.open` : "open"]);
  });
}

const originOf = (script) => (script?.src ? new URL(script.src).origin : location.origin);

start();
