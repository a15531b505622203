// A creator's words as Markdown, made as harmless as a model's: see chat/markdown.js.
import { readStrings } from "../chat/dom.js";
import { renderBlock, splitBlocks } from "../chat/markdown.js";

/** Put the Markdown in the place of the plain paragraphs that the server wrote. */
export function renderText(element, text) {
  const context = { t: readStrings("prose-strings"), citations: new Map(), onCite: () => {} };
  element.replaceChildren(...splitBlocks(text).map((block) => renderBlock(block, context)));
}
