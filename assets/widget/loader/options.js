// What an embedding page may choose, from data attributes or from gilo.init({...}). Anything malformed takes its default.

const MODES = ["bubble", "popup", "inline"];
const POSITIONS = ["bottom-right", "bottom-left", "top-right", "top-left"];
const THEMES = ["auto", "light", "dark"];
const DEFAULT_OFFSET_PX = 20;
const MOST_SUGGESTIONS = 6;
const MOST_TEXT = 500; // characters of a title, a welcome or a question

/** The options in their one form. `given`: the names below as text, or as what they stand for. */
export function readOptions(given, origin) {
  const [x = DEFAULT_OFFSET_PX, y = x] = readNumbers(given.offset);
  const agent = String(given.agentId ?? given.agent ?? "");
  const key = String(given.key ?? "");
  const mode = oneOf(MODES, given.mode);
  const target = given.target ?? null;
  return {
    origin: readOrigin(given.host) ?? origin,
    agent,
    key,
    mode,
    target,
    id: String(given.id || [agent, key, mode, typeof target === "string" ? target : ""].join("|")),
    position: oneOf(POSITIONS, given.position),
    x,
    y,
    color: readColor(given.color),
    theme: oneOf(THEMES, given.theme),
    title: readText(given.title),
    welcome: readText(given.welcome),
    suggestions: readList(given.suggestions),
    language: readLanguage(given.language ?? given.lang),
    launcher: String(given.launcher) !== "none",
    height: /^\d+(px|%|vh|dvh|rem)?$/.test(given.height ?? "") ? String(given.height).replace(/^\d+$/, "$&px") : "600px",
    openAfter: readDelay(given),
    user: readText(given.user, 8192),
    variables: typeof given.variables === "object" ? given.variables : {},
  };
}

export function readLanguage(given) {
  const wanted = given || navigator.language || "en";
  return /^fr\b/i.test(String(wanted)) ? "fr" : "en";
}

/** Seconds until the widget opens by itself, or null: never. */
function readDelay(given) {
  if (given.openAfter !== undefined && given.openAfter !== "") return readNumbers(given.openAfter)[0] ?? null;
  const wish = given.open;
  return wish === true || wish === "" || wish === "load" || wish === "true" ? 0 : null;
}

function readOrigin(address) {
  try {
    const { protocol, origin } = new URL(address);
    return /^https?:$/.test(protocol) ? origin : null;
  } catch {
    return null;
  }
}

function readList(given) {
  let list = given;
  if (typeof given === "string") {
    try {
      list = JSON.parse(given);
    } catch {
      list = given.split("|");
    }
  }
  if (!Array.isArray(list)) return null;
  return list.map((item) => readText(item)).filter(Boolean).slice(0, MOST_SUGGESTIONS);
}

const oneOf = (allowed, given) => (allowed.includes(given) ? given : allowed[0]);
const readText = (given, most = MOST_TEXT) => (typeof given === "string" ? given.trim().slice(0, most) : "");
const readColor = (given) => (/^#[0-9a-f]{6}$/i.test(given ?? "") ? given.toLowerCase() : "");
const readNumbers = (given) => String(given ?? "").split(/[\s,]+/).filter((part) => /^\d+(\.\d+)?(px|s)?$/.test(part)).map(parseFloat);
