// Light, dark or as the system says. The server renders the choice from a cookie, so nothing flashes.

const YEAR = 31_536_000;

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=${YEAR}; samesite=lax`;
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-set-theme]");
  if (button) setTheme(button.dataset.setTheme);
  const sidebar = event.target.closest("[data-toggle-sidebar]");
  if (sidebar) toggleSidebar(sidebar);
});

function toggleSidebar(button) {
  const root = document.documentElement;
  root.dataset.sidebar = root.dataset.sidebar === "collapsed" ? "open" : "collapsed";
  button.setAttribute("aria-expanded", String(root.dataset.sidebar === "open"));
  document.cookie = `sidebar=${root.dataset.sidebar}; path=/; max-age=${YEAR}; samesite=lax`;
}
