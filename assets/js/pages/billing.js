// Settings → Plan and invoices: the buttons lead to Stripe's own pages.
import { api } from "../lib/api.js";

const error = document.getElementById("billing-error");

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-checkout], [data-portal]");
  if (!button) return;
  if ("portal" in button.dataset) leave(button, "/api/billing/portal", {});
  else leave(button, "/api/billing/checkout", { plan: button.dataset.checkout });
});

/** Ask for the address of Stripe's page and go there; what went wrong is said at the top. */
async function leave(button, path, body) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  error.hidden = true;
  try {
    location.assign((await api.post(path, body)).url);
  } catch (problem) {
    error.textContent = problem.message;
    error.hidden = false;
    error.scrollIntoView({ block: "center" });
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

// Back from Stripe with the browser's arrow, the page stands as it was left.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[aria-busy]")) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
});
