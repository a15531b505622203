// The library: a subscription is changed or cancelled on Stripe's pages.
import { api } from "../lib/api.js";
import { toast } from "../lib/toast.js";
import "../store/nav.js";

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-manage]");
  if (!button) return;
  button.setAttribute("aria-busy", "true");
  try {
    const { url } = await api.post(`/api/store/purchases/${button.dataset.manage}/portal`);
    location.assign(url);
  } catch (error) {
    button.removeAttribute("aria-busy");
    toast(error.message, { kind: "bad" });
  }
});
