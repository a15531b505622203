// The operator's decisions, in the queue and on the pages they are about: each has a reason.
import { api } from "../lib/api.js";
import { openDialog } from "../lib/dialog.js";
import { toast } from "../lib/toast.js";
import { onSubmit } from "../store/forms.js";
import "../store/nav.js";

const dialog = document.getElementById("decide");
let send = null;

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-decide], [data-restore], [data-take-down], [data-verify]");
  if (!button) return;
  const { decide, report, restore, takeDown, verify, verified } = button.dataset;
  if (verify) return attempt(() => api.post(`/api/store/moderation/creators/${verify}`, { is_verified: verified !== "1" }));
  send = restore || takeDown
    ? (reason) => api.post(`/api/store/moderation/listings/${restore || takeDown}`, { action: restore ? "restore" : "take_down", reason })
    : (reason) => api.post(`/api/store/moderation/reports/${report}/decide`, { action: decide, reason });
  document.getElementById("decide-title").textContent = button.textContent.trim();
  dialog.querySelector("form").reset();
  openDialog(dialog);
});

onSubmit(document.getElementById("decide-form"), async ({ reason }) => {
  await send(reason.trim());
  if (document.querySelector("[data-take-down]")) location.assign("/store/moderation");
  else location.reload();
});

async function attempt(run) {
  try {
    await run();
    location.reload();
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}
