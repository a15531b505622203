// Colours and sign of the agent, with its icon repainted everywhere on the page as one chooses.

import { paintAvatar } from "../chat/avatar.js";
import { h } from "../lib/dom.js";

const PRESETS = [
  ["#7c3aed", "#06b6d4"],
  ["#f97316", "#ec4899"],
  ["#059669", "#22b8a6"],
  ["#2563eb", "#7c5cf6"],
  ["#e11d63", "#a855f7"],
  ["#e08b0b", "#e0453a"],
  ["#0284c7", "#10b981"],
  ["#c026d3", "#6366f1"],
  ["#475569", "#7c6cf0"],
];

export function setUpAppearance(store, autosave, t) {
  const root = document.getElementById("colours");
  const pickers = [...root.querySelectorAll("[data-appearance]")];
  const glyphs = [...document.querySelectorAll("#glyphs input")];
  const choose = (changes) => autosave.change("config", { appearance: { ...store.config.appearance, ...changes } });

  for (const picker of pickers) {
    picker.addEventListener("input", () => choose({ [picker.dataset.appearance]: picker.value }));
    picker.addEventListener("change", () => autosave.flush());
  }
  for (const glyph of glyphs) glyph.addEventListener("change", () => choose({ glyph: glyph.value }));
  const presets = PRESETS.map(([color, color2]) =>
    makePreset(color, color2, t, () => choose({ color, color_2: color2 })),
  );
  if (!pickers[0].disabled) root.querySelector("[data-presets]").replaceChildren(...presets);

  store.subscribe((agent) => {
    const { appearance } = agent.config;
    for (const picker of pickers) picker.value = appearance[picker.dataset.appearance];
    for (const code of root.querySelectorAll("[data-code]")) code.textContent = appearance[code.dataset.code];
    for (const glyph of glyphs) glyph.checked = glyph.value === appearance.glyph;
    for (const preset of presets) {
      const isChosen = preset.dataset.colors === `${appearance.color} ${appearance.color_2}`;
      preset.setAttribute("aria-pressed", String(isChosen));
    }
    showLook(agent);
  });
}

function makePreset(color, color2, t, onclick) {
  const button = h("button", {
    type: "button",
    class: "colours__preset",
    "aria-label": t("preset", { from: color, to: color2 }),
    "data-colors": `${color} ${color2}`,
    onclick,
  });
  button.style.setProperty("--from", color);
  button.style.setProperty("--to", color2);
  return button;
}

/** Repaint the agent's icon and name wherever the page shows them. */
function showLook(agent) {
  const looks = drawnLook(agent);
  const look = document.getElementById("look");
  look.style.setProperty("--agent-color", looks.appearance.color);
  look.style.setProperty("--agent-color-2", looks.appearance.color_2);
  for (const icon of document.querySelectorAll("#agent-icon > svg, [data-look-icon] > svg")) paintAvatar(icon, looks);
  for (const name of document.querySelectorAll("[data-look-name], #agent-heading")) name.textContent = agent.name;
  for (const text of document.querySelectorAll("[data-look-description]")) text.textContent = agent.description;
  for (const letter of document.querySelectorAll("[data-initial]"))
    letter.textContent = [...agent.name.trim()][0]?.toUpperCase() ?? "";
}

let generated = null;

/** The agent with the colours that its icon is drawn in: an untouched agent has a gradient made from its id. */
export function drawnLook(agent) {
  generated ??= readGenerated(agent);
  const { appearance } = agent.config;
  const isUntouched = generated && appearance.color === PRESETS[0][0] && appearance.color_2 === PRESETS[0][1];
  return { name: agent.name, appearance: isUntouched ? { ...appearance, ...generated } : appearance };
}

function readGenerated({ config: { appearance } }) {
  if (appearance.color !== PRESETS[0][0] || appearance.color_2 !== PRESETS[0][1]) return false;
  const [first, second] = document.querySelectorAll("#agent-icon stop");
  return { color: first.getAttribute("stop-color"), color_2: second.getAttribute("stop-color") };
}
