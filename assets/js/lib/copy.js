// <button class="copy" data-copy="text"> or data-copy-from="#selector" copies; the icon turns into a check for two seconds.
import { t } from "./i18n.js";
import { toast } from "./toast.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  const text = source ? (source.value ?? source.textContent) : button.dataset.copy;
  if (!(await copyText(text ?? ""))) {
    toast(t("copy_failed"), { kind: "bad" });
    return;
  }
  button.dataset.copied = "";
  announce(t("copied"));
  setTimeout(() => delete button.dataset.copied, 2000);
});

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // plain http on another host has no clipboard API
  }
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

function announce(text) {
  const live = document.getElementById("announcer");
  if (live) live.textContent = text;
}
