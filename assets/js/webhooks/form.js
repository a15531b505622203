// A dialog whose form asks the server.
import { clearFormErrors, showFormErrors } from "../lib/api.js";
import { openDialog } from "../lib/dialog.js";

/** Open the dialog; its form does `work` at each submit, and shows what the server refuses. */
export function submitWith(dialog, work) {
  const form = dialog.querySelector("form");
  clearFormErrors(form);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const submit = form.querySelector("[type=submit]");
    submit.disabled = true;
    try {
      await work();
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      showFormErrors(form, error);
    } finally {
      submit.disabled = false;
    }
  };
  openDialog(dialog);
}
