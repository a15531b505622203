// The operator's queue: a decision has a reason, and the page then shows what is left.
import { api } from "../lib/api.js";
import { openDialog } from "../lib/dialog.js";
import { toast } from "../lib/toast.js";
import { onSubmit } from "../store/forms.js";
import "../store/nav.js";

const dialog = document.getElementById("decide");
let send = null;

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-decide], [data-restore], [data-verify]");
  if (!button) return;
  const { decide, report, restore, verify, verified } = button.dataset;
  if (verify) return attempt(() => api.post(`/api/store/moderation/creators/${verify}`, { is_verified: verified !== "1" }));
  send = restore
    ? (reason) => api.post(`/api/store/moderation/listings/${restore}`, { action: "restore", reason })
    : (reason) => api.post(`/api/store/moderation/reports/${report}/decide`, { action: decide, reason });
  document.getElementById("decide-title").textContent = button.textContent.trim();
  dialog.querySelector("form").reset();
  openDialog(dialog);
});

onSubmit(document.getElementById("decide-form"), async ({ reason }) => {
  await send(reason.trim());
  location.reload();
});

async function attempt(run) {
  try {
    await run();
    location.reload();
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}
