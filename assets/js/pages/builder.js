// The builder page: the form left, the playground right, everything saved as one types.

import { readStrings } from "../chat/dom.js";
import { setUpAppearance } from "../builder/appearance.js";
import { Autosave } from "../builder/autosave.js";
import { setUpDeploy } from "../builder/deploy.js";
import { Fields } from "../builder/fields.js";
import { setUpInstructions } from "../builder/instructions.js";
import { setUpModels } from "../builder/models.js";
import { setUpPlayground } from "../builder/playground.js";
import { AgentStore } from "../builder/store.js";
import { setUpSuggestions } from "../builder/suggestions.js";
import { Versions } from "../builder/versions.js";
import { setUpKnowledge } from "../knowledge/index.js";
import { icon } from "../lib/dom.js";
import { setUpTabs } from "../lib/tabs.js";
import { toast } from "../lib/toast.js";

const t = readStrings("builder-strings");
const store = new AgentStore(JSON.parse(document.getElementById("agent-data").textContent));
const saved = document.getElementById("save-state");
const conflict = document.getElementById("conflict");

const autosave = new Autosave(store, {
  state: showState,
  accepted: (names) => fields.clearErrors(names),
  rejected(error) {
    const shown = error.errors.map(({ param, message }) => fields.showError(param.split(".")[0], message));
    if (!shown.some(Boolean)) toast(error.message, { kind: "bad" });
  },
  conflict() {
    conflict.querySelector("[data-conflict-text]").textContent = t("conflictText");
    conflict.hidden = false;
    conflict.scrollIntoView({ block: "nearest" });
  },
});
const fields = new Fields(document.getElementById("builder"), store, autosave, t);

function showState(name, error) {
  const number = store.agent.version;
  const texts = {
    saving: t("saving"),
    dirty: t("saving"),
    saved: t("saved", { number }),
    offline: t("saveOffline"),
    rejected: t("saveError"),
    conflict: t("saveError"),
  };
  const icons = { saving: "loader-circle", dirty: "loader-circle", saved: "check" };
  saved.dataset.state = name;
  saved.title = error?.message ?? "";
  saved.querySelector("span").textContent = texts[name];
  saved.querySelector("svg").replaceWith(icon(icons[name] ?? "circle-alert"));
}

async function resolveConflict(choice) {
  try {
    await (choice === "mine" ? autosave.keepMine() : autosave.takeTheirs());
    conflict.hidden = true;
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

conflict.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-conflict]")?.dataset.conflict;
  if (choice) resolveConflict(choice);
});

setUpInstructions(t);
setUpSuggestions(store, autosave, t);
setUpAppearance(store, autosave, t);
setUpDeploy(store, autosave, t);
const versions = new Versions(store, autosave, t);
const chat = setUpPlayground(store, autosave, t);
setUpKnowledge(document.getElementById("knowledge"), store.agent);

let isDemoByDefault = store.agent.default_is_demo; // known before the list of models, so that nothing moves
setUpModels(store, autosave, t, (answer) => {
  isDemoByDefault = answer.data.find((model) => model.is_default)?.model === "offline";
  showDemo();
});
const showDemo = () => {
  const { model, endpoint_id: endpoint } = store.config;
  chat.setDemo(model === "offline" || (!model && !endpoint && isDemoByDefault));
};
store.subscribe(showDemo);

let deployTab = null;
const opened = {
  versions: () => versions.show(),
  async deploy() {
    if (deployTab) return (await deployTab)();
    deployTab = import("../builder/deploy/index.js").then(({ setUpDeployTab }) => setUpDeployTab(store));
  },
};
const tabList = document.getElementById("builder-tabs");
setUpTabs(tabList, {
  param: "tab",
  onShow(name, tab) {
    showTab(tab);
    document.getElementById("builder-form").scrollTop = 0;
    opened[name]?.();
  },
});
showTab(tabList.querySelector('[aria-selected="true"]'));
opened[tabList.querySelector('[aria-selected="true"]').dataset.tab]?.();

function showTab(tab) {
  const { left, right } = tab.getBoundingClientRect();
  const frame = tabList.getBoundingClientRect();
  if (left < frame.left || right > frame.right) tabList.scrollBy({ left: left - frame.left - 24 });
}

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  if (event.key.toLowerCase() === "s") {
    event.preventDefault();
    autosave.flush();
  }
});
