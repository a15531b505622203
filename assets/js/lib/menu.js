// Popover menus: <button popovertarget="id"> with <div id popover class="menu">. The browser opens and closes them;
// here they find their place beside the button and take the arrow keys.

const GAP = 6;

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!(menu instanceof HTMLElement) || !menu.matches(".menu[popover]")) return;
  const button = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
  button?.setAttribute("aria-expanded", String(event.newState === "open"));
  if (event.newState !== "open" || !button) return;
  place(menu, button);
  menu.querySelector(".menu__item")?.focus({ preventScroll: true });
}, true);

export function place(menu, button) {
  const anchor = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const above = anchor.bottom + GAP + height > innerHeight && anchor.top - GAP - height > 0;
  const toRight = anchor.left + width > innerWidth - 8;
  menu.style.inset = "auto";
  menu.style.top = `${above ? anchor.top - GAP - height : anchor.bottom + GAP}px`;
  menu.style.left = `${Math.max(8, toRight ? anchor.right - width : anchor.left)}px`;
}

// A link to a place on the same page loads nothing, which would have taken the menu away.
document.addEventListener("click", ({ target }) => {
  if (target.closest?.(".menu[popover] a[href*='#']")) target.closest(".menu").hidePopover();
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu[popover]");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!menu || !step) return;
  event.preventDefault();
  const items = [...menu.querySelectorAll(".menu__item:not([disabled])")];
  const index = items.indexOf(document.activeElement);
  items[(index + step + items.length) % items.length]?.focus();
});
