// A growing answer on the page: at most one update a frame, and only the blocks that changed are made again.

import { renderBlock, splitBlocks } from "./markdown.js";

const OPEN_BLOCKS = 2; // the last blocks may still change meaning as text comes (a setext heading, a table's head)

export class Prose {
  /** `context` is markdown.renderBlock's; `onPaint` runs after each update. */
  constructor(element, context, onPaint = () => {}) {
    Object.assign(this, { element, context, onPaint });
    this.text = "";
    this.#reset();
  }

  #reset() {
    this.settled = 0; // characters in blocks that are final
    this.blocks = []; // {raw, nodes} of the blocks that are still open
    this.element.replaceChildren();
  }

  append(text) {
    this.text += text;
    this.#schedule();
  }

  /** Replace the text; from here on it grows again. */
  set(text) {
    if (text === this.text) return;
    if (!text.startsWith(this.text)) this.#reset();
    this.text = text;
    this.#schedule();
  }

  /** The answer is complete: make all of it once more, now that link definitions and citations are known. */
  finish(text = this.text) {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.text = text;
    this.#reset();
    this.#paint(0);
  }

  #schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#paint(OPEN_BLOCKS);
    });
  }

  #paint(open) {
    const tokens = splitBlocks(this.text.slice(this.settled));
    tokens.forEach((token, index) => this.#put(index, token));
    for (const gone of this.blocks.splice(tokens.length)) for (const node of gone.nodes) node.remove();
    this.#settle(open);
    this.onPaint();
  }

  #put(index, token) {
    const present = this.blocks[index];
    if (present?.raw === token.raw) return;
    const fragment = renderBlock(token, this.context);
    const nodes = [...fragment.childNodes];
    for (const node of present?.nodes ?? []) node.remove();
    this.element.insertBefore(fragment, this.#firstNodeAfter(index));
    this.blocks[index] = { raw: token.raw, nodes };
  }

  #firstNodeAfter(index) {
    return this.blocks.slice(index + 1).find((block) => block.nodes.length > 0)?.nodes[0] ?? null;
  }

  #settle(open) {
    while (this.blocks.length > open && open > 0) {
      this.settled += this.blocks.shift().raw.length;
    }
  }
}
