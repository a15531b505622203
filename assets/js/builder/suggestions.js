// The list of suggested questions: add, change, move, remove.

import { iconButton } from "../chat/dom.js";
import { h } from "../lib/dom.js";

const MOST = 6;

export function setUpSuggestions(store, autosave, t) {
  const root = document.getElementById("suggestions");
  const list = root.querySelector("[data-list]");
  const add = root.querySelector("[data-add]");
  if (!add) return;

  const inputs = () => [...list.querySelectorAll("input")];
  const take = () => {
    autosave.change("config", {
      suggested_questions: inputs()
        .map((input) => input.value.trim())
        .filter(Boolean),
    });
    refresh();
  };
  const refresh = () => {
    const rows = [...list.children];
    add.hidden = rows.length >= MOST;
    rows.forEach((row, index) => {
      row.querySelector("input").setAttribute("aria-label", t("question", { number: index + 1 }));
      row.querySelector("[data-up]").disabled = index === 0;
      row.querySelector("[data-down]").disabled = index === rows.length - 1;
    });
  };
  const move = (row, by) => {
    if (by < 0) row.previousElementSibling?.before(row);
    else row.nextElementSibling?.after(row);
    take();
    row.querySelector(by < 0 ? "[data-up]" : "[data-down]").focus();
  };
  const remove = (row) => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    take();
    (next?.querySelector("input") ?? add).focus();
  };
  const makeRow = (text) => {
    const input = h("input", {
      class: "input",
      value: text,
      maxlength: "200",
      placeholder: t("questionPlaceholder"),
      oninput: take,
      onblur: () => autosave.flush(),
    });
    const row = h("li", { class: "suggestions__row" }, input);
    const up = iconButton("arrow-up", t("moveUp"), () => move(row, -1), "btn--sm");
    const down = iconButton("arrow-down", t("moveDown"), () => move(row, 1), "btn--sm");
    up.dataset.up = "";
    down.dataset.down = "";
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      if (row === list.lastElementChild && !add.hidden) add.click();
      else row.nextElementSibling?.querySelector("input").focus();
    });
    row.append(
      up,
      down,
      iconButton("x", t("remove"), () => remove(row), "btn--sm"),
    );
    return row;
  };
  add.addEventListener("click", () => {
    list.append(makeRow(""));
    refresh();
    list.lastElementChild.querySelector("input").focus();
  });
  store.subscribe((agent, isReplaced) => {
    if (!isReplaced) return;
    list.replaceChildren(...agent.config.suggested_questions.map(makeRow));
    refresh();
  });
}
