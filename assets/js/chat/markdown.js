// Markdown of a model, which nobody vouches for, as DOM that can do nothing: no HTML of its own, no image, no frame, no
// form, no style. Links say where they lead. Citation marks like [1] and [1, 2] become buttons.

import DOMPurify from "dompurify";
import { Marked } from "marked";

import { copyButton, h } from "./dom.js";

const SAFE_LINK = /^(https?:|mailto:)/i;
const POLICY = {
  ALLOWED_TAGS: [
    "p",
    "br",
    "hr",
    "strong",
    "em",
    "del",
    "code",
    "pre",
    "blockquote",
    "ul",
    "ol",
    "li",
    "a",
    "input",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
  ],
  ALLOWED_ATTR: ["href", "class", "align", "start", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: SAFE_LINK,
  ADD_URI_SAFE_ATTR: ["type", "align", "start"], // no addresses: without this the rule for links would take them away
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
const CITATION = /\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g; // as chat/runtime/outcome.py reads them

const escapeHtml = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text, block }) => (block ? `<p>${escapeHtml(text)}</p>` : escapeHtml(text)), // shown, never obeyed
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`,
  },
});

/** The top-level blocks of a text, each with its source in `raw`. */
export function splitBlocks(text) {
  try {
    return marked.lexer(text);
  } catch {
    return [plainBlock(text)]; // thousands of quotes in one another: deeper than the stack
  }
}

const plainBlock = (text) => ({ type: "paragraph", raw: text, text, tokens: [{ type: "text", raw: text, text }] });

/** One block as a fragment. `context`: {citations: Map(index → citation), onCite, t}. */
export function renderBlock(token, context) {
  const fragment = DOMPurify.sanitize(marked.parser([token]), POLICY);
  for (const input of fragment.querySelectorAll("input")) mendCheckbox(input);
  for (const link of fragment.querySelectorAll("a")) mendLink(link);
  for (const table of fragment.querySelectorAll("table")) wrapTable(table, context);
  for (const code of fragment.querySelectorAll("pre > code")) wrapCode(code, context);
  for (const heading of fragment.querySelectorAll("h1,h2,h3,h4,h5,h6")) mendHeading(heading);
  markCitations(fragment, context);
  return fragment;
}

function mendCheckbox(input) {
  if (input.type !== "checkbox") return input.remove();
  input.disabled = true;
  input.setAttribute("aria-hidden", "true");
}

function mendHeading(heading) {
  const level = Math.min(6, Number(heading.tagName[1]) + 2); // the page's own headings stay above an answer's
  heading.replaceWith(h(`h${level}`, { class: "prose__heading" }, ...heading.childNodes));
}

function mendLink(link) {
  const url = parseUrl(link.getAttribute("href"));
  if (!url) return link.replaceWith(...link.childNodes);
  link.href = url.href;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow ugc";
  const place = url.protocol === "mailto:" ? url.pathname : url.host;
  if (!showsPlace(link.textContent, place)) link.after(h("span", { class: "prose__host" }, ` (${place})`));
}

function parseUrl(text) {
  if (!text || !SAFE_LINK.test(text)) return null;
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function showsPlace(text, place) {
  const shown = text
    .trim()
    .replace(/^(https?:\/\/|mailto:)/i, "")
    .toLowerCase();
  return shown === place || shown.startsWith(`${place}/`);
}

function wrapTable(table, { t }) {
  const box = h("div", { class: "prose__table", tabindex: "0", role: "region", "aria-label": t("table") });
  table.replaceWith(box);
  box.append(table);
}

function wrapCode(code, { t }) {
  const language = /language-([\w+#.-]{1,30})/.exec(code.className)?.[1] ?? "";
  code.removeAttribute("class");
  const pre = code.parentElement;
  pre.tabIndex = 0;
  const copy = copyButton(() => code.textContent, t("copyCode"), t("copied"));
  const head = h("figcaption", { class: "code__head" }, h("span", { class: "spacer" }, language || t("code")), copy);
  const figure = h("figure", { class: "code" }, head);
  pre.replaceWith(figure);
  figure.append(pre);
}

// A mark stays on the line of the word that it proves, and the full stop with both.
const WORD_BEFORE = /(?:(?<!\S)\S{1,24})?\u00a0?$/;
const STOP_AFTER = /^[.,;:!?…)»”]{0,3}/;

function markCitations(fragment, context) {
  if (!context.citations?.size) return;
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (CITATION.test(node.data) && !node.parentElement?.closest("code, pre, a")) nodes.push(node);
    CITATION.lastIndex = 0;
  }
  for (const node of nodes) node.replaceWith(...splitCitations(node.data, context));
}

function splitCitations(text, { citations, onCite, t }) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(CITATION)) {
    const numbers = match[1].split(",").map(Number);
    if (!numbers.some((number) => citations.has(number))) continue;
    const before = text.slice(from, match.index).replace(/ $/, "\u00a0");
    const word = WORD_BEFORE.exec(before)[0];
    const stop = STOP_AFTER.exec(text.slice(match.index + match[0].length))[0];
    const chips = numbers.map((number) => {
      const citation = citations.get(number);
      return citation ? citeButton(citation, onCite, t) : `[${number}]`;
    });
    parts.push(before.slice(0, before.length - word.length), h("span", { class: "cites" }, word, ...chips, stop));
    from = match.index + match[0].length + stop.length;
  }
  parts.push(text.slice(from));
  return parts;
}

/** The chip of one citation. */
export function citeButton(citation, onCite, t) {
  const label = t("openSource", { index: citation.index, name: citation.filename });
  const props = {
    type: "button",
    class: "cite",
    title: citation.filename,
    "aria-label": label,
    onclick: () => onCite(citation),
  };
  return h("button", props, String(citation.index));
}
