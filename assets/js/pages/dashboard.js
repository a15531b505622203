// The dashboard: "New agent" puts the cursor into the name; deleting asks for the name.
import { api } from "../lib/api.js";
import { confirmDialog } from "../lib/dialog.js";
import { t } from "../lib/i18n.js";
import { toast } from "../lib/toast.js";

const nameInput = document.getElementById("new-name");
const focusName = () => {
  nameInput?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  nameInput?.focus({ preventScroll: true });
};
if (new URLSearchParams(location.search).has("new")) focusName();

document.addEventListener("click", async (event) => {
  if (event.target.closest('[data-focus="#new-name"]')) {
    event.preventDefault();
    focusName();
  }
  const button = event.target.closest("[data-delete-agent]");
  if (!button) return;
  const { deleteAgent: id, name } = button.dataset;
  button.closest("[popover]")?.hidePopover();
  const sure = await confirmDialog({
    title: t("delete_title", { name }), text: t("delete_text"), action: t("delete_agent"), typed: name,
  });
  if (sure) await deleteAgent(id, name);
});

async function deleteAgent(id, name) {
  try {
    await api.delete(`/api/agents/${id}`);
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return;
  }
  document.getElementById(`agent-${id}`)?.remove();
  toast(t("agent_deleted", { name }));
  if (!document.querySelector(".agent")) location.assign("/dashboard");
}
