// Forms of the store that go through the API.
import { clearFormErrors, showFormErrors } from "../lib/api.js";

/** Send a form: errors beside its fields, its button busy meanwhile. `send(fields, form)`. */
export function onSubmit(form, send) {
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.setAttribute("aria-busy", "true");
    clearFormErrors(form);
    try {
      await send(Object.fromEntries(new FormData(form)), form);
    } catch (error) {
      showFormErrors(form, error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}
