// The deployment as the whole page shows it: the badge and the buttons that put the draft live.
// What stands on the Deploy tab itself is loaded when it is opened first (deploy/index.js).

import { api } from "../lib/api.js";
import { toast } from "../lib/toast.js";

export function setUpDeploy(store, autosave, t) {
  const buttons = [...document.querySelectorAll("button[data-deploy]")];
  const title = document.querySelector("#deploy-status [data-deploy-title]");
  const text = document.querySelector("#deploy-status [data-deploy-text]");
  const compare = document.querySelector("#deploy-status [data-deploy-compare]");
  const badge = document.getElementById("live-badge");

  const deploy = async () => {
    setBusy(true);
    try {
      await autosave.flush();
      const agent = await api.post(`/api/agents/${store.agent.id}/deploy`);
      store.markSaved(agent);
      toast(t("deployed", { number: agent.live_version }));
    } catch (error) {
      toast(error.message, { kind: "bad" });
    } finally {
      setBusy(false);
      show(store.agent);
    }
  };
  const setBusy = (busy) => {
    for (const button of buttons) button.toggleAttribute("disabled", busy);
    for (const button of buttons) button.setAttribute("aria-busy", String(busy));
  };
  const show = ({ version: draft, live_version: live, is_serving: isServing }) => {
    const isCurrent = live === draft && !autosave.isDirty;
    title.textContent = live ? t("deployTitle", { number: live }) : t("deployNone");
    text.textContent = live ? (isCurrent ? t("deploySame") : t("deployBehind", { draft, live })) : t("deployNever");
    compare.hidden = !live || isCurrent;
    badge.textContent = isServing === false ? t("off") : live ? t("live", { number: live }) : t("draft");
    badge.classList.toggle("badge--ok", Boolean(live) && isServing !== false);
    badge.classList.toggle("badge--warn", isServing === false);
    for (const button of buttons) {
      button.querySelector("span").textContent = live && !isCurrent ? t("deployAgain", { number: draft }) : t("deploy");
      button.disabled = isCurrent;
      button.classList.toggle("btn--primary", !isCurrent);
    }
  };
  for (const button of buttons) button.addEventListener("click", deploy);
  store.subscribe(show);
}
