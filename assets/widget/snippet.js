// The code that puts a widget on a site: the script element, with the attributes that differ from the defaults.

const DEFAULTS = { mode: "bubble", position: "bottom-right", offset: "20", theme: "auto" };
const NAMES = ["mode", "target", "position", "offset", "color", "theme", "title", "welcome", "suggestions", "language", "openAfter"];

/** HTML to paste; `options` as the widget's own, texts as they are written. */
export function writeSnippet(site, options, openText) {
  const attributes = [`data-agent-id="${options.agentId}"`, `data-key="${options.key || "YOUR_WIDGET_KEY"}"`];
  for (const name of NAMES) {
    const value = readValue(name, options);
    if (value && value !== DEFAULTS[name]) attributes.push(`data-${toKebab(name)}="${escape(value)}"`);
  }
  const script = `<script src="${site}/widget.js"\n  ${attributes.join("\n  ")} async></script>`;
  return before(options, openText) + script;
}

function readValue(name, options) {
  const { mode, suggestions } = options;
  if (name === "target" && mode !== "inline") return "";
  if (["position", "offset"].includes(name) && mode !== "bubble") return "";
  if (name === "openAfter" && mode === "inline") return "";
  if (name === "suggestions") return writeList(suggestions);
  return options[name] ?? "";
}

const writeList = (texts) => (texts.some((text) => text.includes("|")) ? JSON.stringify(texts) : texts.join("|"));

/** What the page itself needs: a place for the inline chat, a button for the dialog. */
function before({ mode, target }, openText) {
  if (mode === "inline" && /^#[\w-]+$/.test(target)) return `<div id="${target.slice(1)}"></div>\n`;
  if (mode === "popup") return `<button type="button" data-gilo-open>${escape(openText)}</button>\n`;
  return "";
}

const toKebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const escape = (text) =>
  text.replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
