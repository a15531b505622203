// The search test: which passages a question finds, and how well.

import { formatNumber, plural } from "../chat/format.js";
import { showPassage } from "../chat/passage.js";
import { api } from "../lib/api.js";
import { h, icon } from "../lib/dom.js";

const BEGINNING = 300; // characters

export function setUpSearch(root, path, t) {
  const form = root.querySelector("[data-search]");
  const results = root.querySelector("[data-results]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const query = form.elements.query.value.trim();
    if (!query) return;
    const button = form.querySelector("[type=submit]");
    button.setAttribute("aria-busy", "true");
    try {
      const { data } = await api.post(`${path}/search`, { query, limit: 5 });
      results.replaceChildren(...makeResults(data, t));
    } catch (error) {
      results.replaceChildren(
        h("div", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, error.message)),
      );
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

function makeResults(passages, t) {
  if (passages.length === 0) return [h("p", { class: "knowledge__none", role: "status" }, t("noResults"))];
  const best = Math.max(...passages.map((passage) => passage.score));
  const found = h("p", { class: "sr-only", role: "status" }, plural(t, "results", passages.length));
  return [found, h("ol", { class: "results" }, ...passages.map((passage) => makeResult(passage, best, t)))];
}

function makeResult(passage, best, t) {
  const place = h(
    "span",
    { class: "result__place" },
    h("bdi", {}, passage.filename),
    passage.page ? h("span", {}, t("page", { page: passage.page })) : null,
  );
  const score = h("meter", {
    class: "score-bar",
    min: 0,
    max: best || 1,
    value: passage.score,
    "aria-label": t("score"),
  });
  const number = h(
    "span",
    { class: "result__score num" },
    formatNumber(passage.score, { minimumFractionDigits: 2, maximumFractionDigits: 2 }),
  );
  const text = h("div", { class: "result__text", dir: "auto" });
  showPassage(text, passage.filename, passage.content, t);
  const beginning = h("span", { class: "result__beginning", dir: "auto" }, firstWords(text));
  const more = h("details", { class: "result" }, h("summary", {}, place, score, number, beginning), text);
  return h("li", {}, more);
}

/** As much of the text as two lines hold, without the marks that have set it. */
function firstWords(text) {
  const blocks = text.children.length > 0 ? [...text.children] : [text];
  return blocks.map(textOf).join(" · ").slice(0, BEGINNING);
}

function textOf(block) {
  const cells = [...block.querySelectorAll("th, td")].map((cell) => cell.textContent.trim());
  return cells.join(" ") || (block.querySelector("pre") ?? block).textContent.trim();
}
