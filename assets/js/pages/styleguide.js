import { toast, undoable } from "../lib/toast.js";

document.querySelector("[data-guide-toast]").addEventListener("click", () => {
  undoable("Document deleted", { run: () => toast("Really gone"), undo: () => toast("Back again", { kind: "info" }) });
});
