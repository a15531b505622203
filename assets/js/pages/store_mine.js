// The creator's pages: profile and payouts; one listing's tokens, replies, and the ways out of the store.
import { api } from "../lib/api.js";
import { confirmDialog } from "../lib/dialog.js";
import { h } from "../lib/dom.js";
import { locale, t } from "../lib/i18n.js";
import { toast } from "../lib/toast.js";
import { onSubmit } from "../store/forms.js";
import "../store/nav.js";
import { formatAmount } from "../store/price.js";

const get = (id) => document.getElementById(id);
const data = get("listing-page");
const listing = data && JSON.parse(data.textContent);
const base = listing && `/api/store/mine/${listing.id}`;

onSubmit(get("profile-form"), async ({ name, handle, bio }) => {
  await api.put("/api/store/creator", { name: name.trim(), handle: handle.trim(), bio: bio.trim() });
  toast(t("profile_saved"));
});

get("connect")?.addEventListener("click", ({ currentTarget }) => attempt(currentTarget, async () => {
  const { url } = await api.post("/api/store/creator/stripe");
  location.assign(url);
}));

onSubmit(get("token-form"), async ({ label, expires_at: day, most_uses: uses }) => {
  const expires = day ? new Date(`${day}T23:59:59`).toISOString() : null;
  const made = await api.post(`${base}/tokens`, {
    label: label.trim(),
    ...(expires ? { expires_at: expires } : {}),
    ...(uses ? { most_uses: Number(uses) } : {}),
  });
  get("token-link").textContent = made.link;
  get("token-value").textContent = made.token;
  get("new-token").hidden = false;
  get("new-token").scrollIntoView({ block: "center" });
  get("token-link").focus({ preventScroll: true });
  get("token-form").reset();
});

for (const form of document.querySelectorAll("[data-reply]")) {
  onSubmit(form, async ({ text }) => {
    await api.post(`${base}/reviews/${form.dataset.reply}/reply`, { text: text.trim() });
    toast(t("reply_saved"));
  });
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-revoke], [data-refund], #unpublish, #delete");
  if (!button) return;
  const what = button.id || ("refund" in button.dataset ? "refund" : "revoke");
  const { name } = button.dataset;
  const sure = await confirmDialog({
    title: t(`${what}_title`, { name }),
    text: t(`${what}_text`),
    action: t(what),
    typed: what === "delete" ? name : null,
  });
  if (sure) await attempt(button, () => ACTIONS[what](button));
});

const ACTIONS = {
  async revoke({ dataset }) {
    await api.delete(`${base}/tokens/${dataset.revoke}`);
    get(`token-${dataset.revoke}`).remove();
    toast(t("revoked"));
  },
  async refund({ dataset }) {
    await api.post(`${base}/purchases/${dataset.refund}/refund`);
    toast(t("refunded"));
    location.reload();
  },
  async unpublish() {
    await api.post(`${base}/unpublish`);
    location.reload();
  },
  async delete() {
    await api.delete(base);
    location.assign("/store/mine");
  },
};

const payouts = get("payouts-list");
if (payouts && "account" in payouts.dataset) showPayouts();

/** What the account at Stripe holds, and what it has paid out; said in words when Stripe does not answer. */
async function showPayouts() {
  const row = (label, amount, currency) =>
    h("p", { class: "row row--between" }, h("span", {}, label), h("b", { class: "num" }, formatAmount(amount, currency.toUpperCase())));
  try {
    const { balances, payouts: paid } = await api.get("/api/store/creator/payouts");
    payouts.replaceChildren(
      ...balances.flatMap(({ currency, available, pending }) => [
        row(t("available"), available, currency),
        row(t("pending"), pending, currency),
      ]),
      ...paid.map(({ amount, currency, arrives_at: at }) => {
        const day = at ? new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(new Date(at)) : "";
        return row(t("payout", { day }), amount, currency);
      }),
    );
  } catch (error) {
    payouts.replaceChildren(h("p", { class: "muted" }, error.message));
  }
}

async function attempt(button, run) {
  button.setAttribute("aria-busy", "true");
  try {
    await run();
  } catch (error) {
    toast(error.message, { kind: "bad" });
  } finally {
    button.removeAttribute("aria-busy");
  }
}
