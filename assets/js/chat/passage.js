// A passage of a document as people read it: Markdown as harmless as a model's where its file is read as such, else plain.

import { renderBlock, splitBlocks } from "./markdown.js";

const IS_MARKDOWN = /\.(md|markdown|docx|html?)$/i; // the files that are read as Markdown; a table's rows or code are not

/** Put the text in the element's place for it; `t` speaks for tables and code. */
export function showPassage(element, filename, text, t) {
  const isMarkdown = IS_MARKDOWN.test(filename);
  element.classList.toggle("prose", isMarkdown);
  if (!isMarkdown) return element.replaceChildren(text);
  const tokens = splitBlocks(text).flatMap(findRows);
  element.replaceChildren(...tokens.map((token) => renderBlock(token, { t })));
  for (const head of element.querySelectorAll("thead")) if (!head.textContent.trim()) head.remove();
}

const countCells = (row) => row.trim().replace(/^\||\|$/g, "").split("|").length;

/** Rows whose table's head is in another passage, or that never had one, become a table without a head. */
function findRows(token) {
  const rows = token.raw.trim().split("\n");
  const cells = countCells(rows[0]);
  const isTable = token.type === "paragraph" && rows.length > 1 && cells > 1;
  if (!isTable || rows.some((row) => countCells(row) !== cells)) return [token];
  const line = (cell) => `|${cell.repeat(cells)}\n`;
  return splitBlocks(line(" |") + line(" --- |") + token.raw);
}
