// The side sheet with a document's passages, as the search sees them.

import { plural } from "../chat/format.js";
import { showPassage } from "../chat/passage.js";
import { api } from "../lib/api.js";
import { openSheet } from "../lib/dialog.js";
import { h, icon } from "../lib/dom.js";

export function openPassages(path, document, t) {
  const list = h("ol", { class: "passages" });
  const facts = [document.pages && plural(t, "pages", document.pages), plural(t, "chunks", document.chunks)].filter(
    Boolean,
  );
  const content = h("div", {}, h("p", { class: "muted passages__facts" }, facts.join(" · ")), list);
  openSheet({ title: document.name, content });
  list.replaceChildren(...[1, 2, 3].map(() => h("li", { class: "skeleton passages__skeleton" })));
  load(`${path}/${document.id}/chunks?limit=50`, list, document.name, t, true);
}

async function load(address, list, name, t, isFirst) {
  try {
    const page = await api.get(address);
    const rows = page.data.map((chunk) => makePassage(chunk, name, t));
    if (isFirst) list.replaceChildren(...rows);
    else list.append(...rows);
    if (page.next) list.append(makeMore(address, page.next, list, name, t));
  } catch (error) {
    const retry = h(
      "button",
      { type: "button", class: "btn btn--sm", onclick: () => load(address, list, name, t, isFirst) },
      t("retry"),
    );
    list.replaceChildren(
      h("li", { class: "notice notice--bad" }, icon("circle-alert"), h("div", {}, error.message), retry),
    );
  }
}

function makeMore(address, cursor, list, name, t) {
  const next = new URL(address, location.href);
  next.searchParams.set("cursor", cursor);
  const row = h("li", {});
  const button = h("button", { type: "button", class: "btn btn--sm" }, t("more"));
  button.addEventListener("click", () => {
    row.remove();
    load(`${next.pathname}${next.search}`, list, name, t, false);
  });
  row.append(button);
  return row;
}

function makePassage(chunk, name, t) {
  const page = chunk.page ? h("span", {}, t("page", { page: chunk.page })) : null;
  const head = h(
    "p",
    { class: "passage__head" },
    h("b", {}, t("chunk", { number: chunk.position + 1 })),
    page,
    h("span", {}, plural(t, "tokens", chunk.tokens)),
  );
  const text = h("div", { class: "passage__text", dir: "auto" });
  showPassage(text, name, chunk.content, t);
  return h("li", { class: "passage" }, head, text);
}
