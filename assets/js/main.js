// Every page: theme, dialogs, menus, tabs, copy, times, tooltips, toasts; htmx and the palette only where they are used.
import "./lib/copy.js";
import { openDialog } from "./lib/dialog.js";
import "./lib/menu.js";
import "./lib/theme.js";
import "./lib/tooltip.js";
import { keepTimes } from "./lib/time.js";
import { setUpTabs } from "./lib/tabs.js";
import { toast } from "./lib/toast.js";

document.documentElement.dataset.js = "";
keepTimes();
document.querySelector(".settings__nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
for (const list of document.querySelectorAll('[role="tablist"][data-tabs]')) setUpTabs(list);
for (const message of document.querySelectorAll("[data-toast]")) {
  toast(message.textContent.trim(), { kind: message.dataset.toast || "info" });
}
if (document.querySelector("[hx-get], [hx-post], [hx-put], [hx-patch], [hx-delete]")) import("./lib/htmx.js");

const upgrade = document.getElementById("upgrade-dialog");
if (upgrade && "show" in upgrade.dataset) openDialog(upgrade);
document.addEventListener("gilo:quota", ({ detail }) => {
  if (!upgrade) return;
  upgrade.querySelector("#upgrade-text").textContent = detail.message;
  openDialog(upgrade);
});

const palette = document.getElementById("palette");
async function togglePalette() {
  if (palette.open) return palette.close();
  const input = palette.querySelector("input");
  input.value = "";
  palette.showModal(); // before its script is there: what is typed meanwhile is meant for it
  input.focus();
  (await import("./lib/palette.js")).fillPalette();
}
document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && palette) {
    event.preventDefault();
    togglePalette();
  }
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-palette]")) togglePalette();
  const busy = event.target.closest("[data-auto-submit]");
  if (busy?.form && busy.type !== "select-one") busy.form.requestSubmit();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-auto-submit]")) event.target.form.requestSubmit();
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || event.defaultPrevented || !form.matches("[data-once]")) return;
  form.querySelector("[type=submit]")?.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of document.querySelectorAll("[aria-busy=true]")) button.removeAttribute("aria-busy");
});
