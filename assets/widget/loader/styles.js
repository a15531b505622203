// The widget's looks outside the frame. `!important` in a shadow root wins over any rule of the host page, so that
// neither `* {all: unset !important}` nor `div {display: none !important}` reaches the widget.

export const FULL_SCREEN = "(max-width: 639.98px)";

const CSS = `
:host { all: initial !important; display: block !important; color-scheme: light dark !important; }
:host([hidden]) { display: none !important; }
:host([data-mode="inline"]) { width: 100% !important; height: var(--gilo-height, 600px) !important; min-height: 320px !important; }
:host(:not([data-mode="inline"])) { position: fixed !important; width: 0 !important; height: 0 !important; z-index: 2147483000 !important; }
:host([data-theme="light"]) { color-scheme: light !important; }
:host([data-theme="dark"]) { color-scheme: dark !important; }
* { box-sizing: border-box; }
.root { height: 100%; }
[hidden] { display: none !important; }
.launcher, .panel, .wait { font: 400 14px/1.45 system-ui, sans-serif; letter-spacing: normal; color: light-dark(#14161d, #eff0f5); }
button { font: inherit; color: inherit; cursor: pointer; border: 0; margin: 0; touch-action: manipulation; }
button:focus-visible { outline: 3px solid light-dark(#6a35e0, #b79cff); outline-offset: 3px; }
.launcher { position: fixed; display: grid; place-items: center; width: 56px; height: 56px; padding: 0; border-radius: 50%; background: var(--gilo-fill, linear-gradient(120deg, #6d28d9, #3b55e6)); color: var(--gilo-on, #fff); box-shadow: 0 1px 2px rgb(0 0 0 / .16), 0 8px 24px rgb(20 22 40 / .24); transition: transform 200ms cubic-bezier(.2,.8,.2,1), box-shadow 200ms; }
.launcher:hover { transform: translateY(-2px); box-shadow: 0 2px 4px rgb(0 0 0 / .18), 0 12px 28px rgb(20 22 40 / .3); }
.launcher:focus-visible { box-shadow: 0 0 0 3px #fff; }
.launcher svg { width: 26px; height: 26px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; pointer-events: none; }
.launcher .x, .launcher[aria-expanded="true"] .bubble { display: none; }
.launcher[aria-expanded="true"] .x { display: block; }
.badge { position: absolute; top: -4px; inset-inline-end: -4px; min-width: 22px; height: 22px; padding: 0 6px; border-radius: 11px; background: #c02b31; color: #fff; font: 650 12px/22px system-ui, sans-serif; text-align: center; box-shadow: 0 0 0 2px #fff; }
.sr { position: fixed; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.edge { position: absolute; width: 1px; height: 1px; outline: 0; pointer-events: none; }
.panel { position: fixed; inset: auto; margin: 0; padding: 0; border: 0; max-width: none; max-height: none; overflow: hidden; background: light-dark(#fff, #13141b); }
.panel[open] { display: block; }
.panel::backdrop { background: rgb(14 12 30 / .5); }
iframe { display: block; width: 100%; height: 100%; border: 0; background: light-dark(#fff, #13141b); color-scheme: inherit; }
.bubble-panel, .popup-panel { border-radius: 16px; box-shadow: 0 0 0 1px light-dark(rgb(20 22 40 / .08), rgb(255 255 255 / .12)), 0 12px 24px -6px rgb(20 22 40 / .2), 0 32px 64px -16px rgb(20 22 40 / .32); }
.bubble-panel { width: min(400px, calc(100vw - 2 * var(--gilo-x))); height: min(680px, calc(100dvh - var(--gilo-y) - 56px - 12px - 16px)); }
.popup-panel { inset: 0; margin: auto; width: min(720px, calc(100vw - 48px)); height: min(760px, calc(100dvh - 48px)); }
.inline-panel { position: relative; width: 100%; height: 100%; border-radius: 12px; box-shadow: inset 0 0 0 1px light-dark(#e7e7ed, #23252f); }
.bubble-panel[open], .popup-panel[open] { animation: rise 200ms cubic-bezier(.2,.8,.2,1); }
:host([data-position^="bottom"]) .launcher { bottom: var(--gilo-y); }
:host([data-position^="top"]) .launcher { top: var(--gilo-y); }
:host([data-position$="right"]) :is(.launcher, .bubble-panel) { right: var(--gilo-x); }
:host([data-position$="left"]) :is(.launcher, .bubble-panel) { left: var(--gilo-x); }
:host([data-position^="bottom"]) .bubble-panel { bottom: calc(var(--gilo-y) + 68px); transform-origin: bottom; }
:host([data-position^="top"]) .bubble-panel { top: calc(var(--gilo-y) + 68px); }
:host([data-launcher="none"][data-position^="bottom"]) .bubble-panel { bottom: var(--gilo-y); }
:host([data-launcher="none"][data-position^="top"]) .bubble-panel { top: var(--gilo-y); }
.wait { position: absolute; inset: 0; display: flex; flex-direction: column; gap: 14px; align-items: center; justify-content: center; padding: 32px; text-align: center; background: light-dark(#fff, #13141b); }
.wait button { min-height: 40px; padding: 8px 16px; border-radius: 10px; background: light-dark(#f0f0f4, #22242e); }
.wait .close { position: absolute; top: 8px; inset-inline-end: 8px; width: 40px; padding: 8px; background: none; }
.close svg { display: block; width: 24px; height: 24px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; }
.dots { width: 44px; height: 12px; background: radial-gradient(circle, light-dark(#6a35e0, #a88bfb) 4px, transparent 4.6px) 0 / 15px 12px; animation: wait 1.1s linear infinite; mask: linear-gradient(90deg, #000 30%, #0004 60%, #000) 0 / 200% 100%; }
@keyframes wait { from { mask-position: 200% 0; } to { mask-position: 0 0; } }
@keyframes rise { from { opacity: 0; transform: translateY(10px) scale(.985); } }
@media ${FULL_SCREEN} {
  .bubble-panel, .popup-panel { inset: 0 !important; margin: 0; width: 100vw; height: 100vh; height: 100dvh; border-radius: 0; box-shadow: none; }
}
@media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; transition: none !important; } .launcher:hover { transform: none; } }
@media (forced-colors: active) { .launcher { border: 2px solid ButtonText; forced-color-adjust: none; } .panel { border: 1px solid CanvasText; } }
@media print { :host { display: none !important; } }
`;

let sheet;

/** One constructed sheet for all widgets: a Content-Security-Policy without 'unsafe-inline' lets it through. */
export function dress(shadow) {
  sheet ??= new CSSStyleSheet();
  if (!sheet.cssRules.length) sheet.replaceSync(CSS);
  shadow.adoptedStyleSheets = [sheet];
}

/** Black or white, whichever reads better on the colour (WCAG contrast). */
export function readableOn(color) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 ? "#fff" : "#14161d";
}
