// The creator's pages: profile and payouts; one listing's tokens, replies, and the ways out of the store.
import { api } from "../lib/api.js";
import { confirmDialog } from "../lib/dialog.js";
import { t } from "../lib/i18n.js";
import { toast } from "../lib/toast.js";
import { onSubmit } from "../store/forms.js";

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
  const button = target.closest("[data-revoke], #unpublish, #delete");
  if (!button) return;
  const what = button.id || "revoke";
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
  async unpublish() {
    await api.post(`${base}/unpublish`);
    location.reload();
  },
  async delete() {
    await api.delete(base);
    location.assign("/store/mine");
  },
};

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
