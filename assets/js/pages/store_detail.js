// An agent's page in the store: access token, remix, purchase, review, report.
import { api } from "../lib/api.js";
import { openDialog } from "../lib/dialog.js";
import { t } from "../lib/i18n.js";
import { toast } from "../lib/toast.js";
import { keepToken, keptToken, takeTokenFromAddress } from "../store/access.js";
import { onSubmit } from "../store/forms.js";
import { renderText } from "../store/prose.js";

const page = JSON.parse(document.getElementById("store-page").textContent);
const base = `/api/store/listings/${page.slug}`;

takeTokenFromAddress(page.slug);
setUpToken(document.getElementById("token-form"));
const about = document.getElementById("about");
if (about) renderText(about, page.description);

function setUpToken(form) {
  if (!form) return;
  form.elements.token.value = keptToken(page.slug);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(page.slug, form.elements.token.value.trim());
    location.assign(`/store/${page.slug}/chat`);
  });
}

onSubmit(document.getElementById("remix-form"), async ({ name }) => {
  const { agent_id: id } = await api.post(`${base}/remix`, name.trim() ? { name: name.trim() } : {});
  location.assign(`/agents/${id}`);
});

onSubmit(document.getElementById("review-form"), async ({ rating, text }) => {
  await api.put(`${base}/review`, { rating: Number(rating ?? 0), text: text.trim() });
  reload("#reviews");
});

const reportDialog = document.getElementById("report");
let reported = null;
onSubmit(document.getElementById("report-form"), async ({ reason, text }) => {
  await api.post(`${base}/report`, { reason, text: text.trim(), ...(reported ? { review_id: reported } : {}) });
  reportDialog.close();
  toast(t("reported"));
});

document.addEventListener("click", async (event) => {
  const report = event.target.closest("[data-report]");
  if (report) {
    reported = report.dataset.report || null;
    openDialog(reportDialog);
  }
  const button = event.target.closest("[data-delete-review], [data-buy]");
  if (!button) return;
  button.setAttribute("aria-busy", "true");
  try {
    if ("buy" in button.dataset) await buy();
    else {
      await api.delete(`${base}/review`);
      reload("#reviews");
    }
  } catch (error) {
    button.removeAttribute("aria-busy");
    toast(error.message, { kind: "bad" });
  }
});

async function buy() {
  if (!page.is_signed_in) return location.assign(`/login?next=/store/${page.slug}`);
  const { url } = await api.post(`${base}/checkout`);
  location.assign(url);
}

function reload(fragment) {
  history.replaceState(history.state, "", fragment);
  location.reload();
}
