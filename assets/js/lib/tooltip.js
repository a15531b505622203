// [data-tip="text"] shows a tooltip on hover and keyboard focus. The text must also be the control's accessible name.

let bubble;

function show(target) {
  bubble ??= Object.assign(document.createElement("div"), { className: "tooltip", popover: "manual" });
  bubble.setAttribute("aria-hidden", "true");
  bubble.textContent = target.dataset.tip;
  (target.closest("dialog") ?? document.body).append(bubble);
  bubble.showPopover();
  const anchor = target.getBoundingClientRect();
  const top = anchor.top - bubble.offsetHeight - 6;
  const left = anchor.left + anchor.width / 2 - bubble.offsetWidth / 2;
  bubble.style.top = `${top < 4 ? anchor.bottom + 6 : top}px`;
  bubble.style.left = `${Math.min(Math.max(6, left), innerWidth - bubble.offsetWidth - 6)}px`;
}

function hide() {
  if (bubble?.isConnected && bubble.matches(":popover-open")) bubble.hidePopover();
}

let timer;
document.addEventListener("pointerover", (event) => {
  const target = event.target.closest?.("[data-tip]");
  clearTimeout(timer);
  if (!target || event.pointerType === "touch") return hide();
  timer = setTimeout(() => target.isConnected && show(target), 350);
});
document.addEventListener("pointerdown", () => { clearTimeout(timer); hide(); });
document.addEventListener("focusin", (event) => {
  const target = event.target.closest?.("[data-tip]");
  if (target && target.matches(":focus-visible")) show(target);
  else hide();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
