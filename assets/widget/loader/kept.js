// What the page keeps for its frames, under one name for all widgets of an agent and key: the visitor's sessions, where
// the browser lets a frame keep nothing itself, and the mark that they are to be forgotten, until a frame has done it.
// And, for this tab, that the visitor has closed a chat.

const memory = new Map(); // where the page has no storage: until it is left

export const nameOf = ({ agent, key }) => `gilo:${agent}:${key}`;

export function readKept(name) {
  try {
    return JSON.parse(read(name)) ?? {};
  } catch {
    return {}; // not ours, or damaged
  }
}

/** What a frame still hands over of sessions that are to be forgotten is not kept. */
export function keep(name, all) {
  if (!readMark(name)) write(name, JSON.stringify(all));
}

/** Forget the sessions, and remember to tell the frame, on this page or the next. Returns the mark. */
export function markForgotten(name) {
  const mark = Array.from(crypto.getRandomValues(new Uint32Array(2))).join("-");
  remove(name);
  write(markName(name), mark);
  return mark;
}

/** The mark that stands, or "". */
export const readMark = (name) => read(markName(name)) ?? "";

/** A frame has forgotten what this mark asked for; a later one stands. */
export function clearMark(name, mark) {
  if (readMark(name) === mark) remove(markName(name));
}

/** Who has closed the chat in this tab is not interrupted again. */
export function wasClosed(id) {
  try {
    return sessionStorage.getItem(`gilo-closed:${id}`) !== null;
  } catch {
    return false; // a page without storage
  }
}

export function rememberClosed(id) {
  try {
    sessionStorage.setItem(`gilo-closed:${id}`, "1");
  } catch {
    // a page without storage
  }
}

const markName = (name) => `${name}:forget`;

function read(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name, text) {
  try {
    localStorage.setItem(name, text);
    memory.delete(name);
  } catch {
    memory.set(name, text); // no storage, or a full one
  }
}

function remove(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(name);
  } catch {
    // there is none
  }
}
