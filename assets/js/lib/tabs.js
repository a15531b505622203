// ARIA tabs: [role=tablist] with [role=tab][aria-controls]; arrows, Home and End move; the tab stands in ?tab=.

export function setUpTabs(list, { param = list.dataset.param ?? null, onShow = () => {} } = {}) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const nameOf = (tab) => tab.dataset.tab ?? tab.id;
  const show = (tab, { focus = false, remember = true } = {}) => {
    for (const each of tabs) {
      const selected = each === tab;
      each.setAttribute("aria-selected", String(selected));
      each.tabIndex = selected ? 0 : -1;
      const panel = document.getElementById(each.getAttribute("aria-controls"));
      if (panel) panel.hidden = !selected;
    }
    revealSelected(list);
    if (focus) tab.focus();
    if (param && remember) writeParam(param, nameOf(tab));
    onShow(nameOf(tab), tab);
    list.dispatchEvent(new CustomEvent("tab:show", { bubbles: true, detail: { name: nameOf(tab) } }));
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (!tab || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    show(tab);
  });
  list.addEventListener("keydown", (event) => {
    const next = neighbour(tabs, event);
    if (!next) return;
    event.preventDefault();
    show(next, { focus: true });
  });
  new ResizeObserver(() => revealSelected(list)).observe(list); // at first, too, and when a hidden list is shown
  list.addEventListener("scroll", () => markMore(list), { passive: true });
  if (param) {
    window.addEventListener("popstate", () => {
      const name = new URL(location.href).searchParams.get(param);
      show(tabs.find((tab) => nameOf(tab) === name) ?? tabs[0], { remember: false });
    });
  }
  return { show: (name) => { const tab = tabs.find((each) => nameOf(each) === name); if (tab) show(tab); } };
}

/** On phones the list scrolls: the selected tab stands in its middle. */
function revealSelected(list) {
  const tab = list.querySelector('[aria-selected="true"]');
  if (tab && list.scrollWidth > list.clientWidth) list.scrollLeft = tab.offsetLeft - list.offsetLeft - (list.clientWidth - tab.offsetWidth) / 2;
  markMore(list);
}

/** Fades the last tab in sight while there are more beyond it. */
function markMore(list) {
  list.toggleAttribute("data-more", list.scrollLeft + list.clientWidth < list.scrollWidth - 2);
}

function neighbour(tabs, event) {
  const index = tabs.indexOf(event.target.closest('[role="tab"]'));
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (event.key === "Home") return tabs[0];
  if (event.key === "End") return tabs[tabs.length - 1];
  return index < 0 || !step ? null : tabs[(index + step + tabs.length) % tabs.length];
}

function writeParam(param, value) {
  const url = new URL(location.href);
  if (url.searchParams.get(param) === value) return;
  url.searchParams.set(param, value);
  history.pushState(null, "", url);
}
