// The instructions' editor: grows with its text, marks {{variables}}, estimates tokens.

import { plural } from "../chat/format.js";
import { h } from "../lib/dom.js";

const VARIABLE = /\{\{\s*([\p{L}_][\p{L}\p{N}_]{0,49})\s*\}\}/gu;
const BYTES_PER_TOKEN = 4; // as the server estimates

/** The names in a text's {{variables}}, each once, in order. */
export const findVariables = (text) => [...new Set([...text.matchAll(VARIABLE)].map((match) => match[1]))];

export function setUpInstructions(t) {
  const editor = document.getElementById("instructions-editor");
  const mirror = editor.querySelector(".editor__mirror");
  const input = editor.querySelector("textarea");
  const count = document.getElementById("token-count");
  const refresh = () => {
    mirror.replaceChildren(...markVariables(input.value), "\n");
    const tokens = Math.ceil(new TextEncoder().encode(input.value).length / BYTES_PER_TOKEN);
    count.textContent = plural(t, "tokens", tokens);
  };
  input.addEventListener("input", refresh);
  input.addEventListener("refill", refresh);
  input.addEventListener("scroll", () => (mirror.scrollTop = input.scrollTop), { passive: true });
  editor.dataset.ready = "";
  refresh();
}

function markVariables(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(VARIABLE)) {
    parts.push(text.slice(from, match.index), h("mark", {}, match[0]));
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}
