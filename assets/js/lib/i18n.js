// Strings for scripts come from the page: <script type="application/json" id="messages">{"key": "text {name}"}</script>,
// written by the template tag json_script. Several catalogues may stand on one page (id starts with "messages").

let catalogue;

function load() {
  catalogue = {};
  for (const block of document.querySelectorAll('script[type="application/json"][id^="messages"]')) {
    Object.assign(catalogue, JSON.parse(block.textContent));
  }
  return catalogue;
}

/** The page's text for this key, with {placeholders} filled; the key itself when the page does not have it. */
export function t(key, values = {}) {
  const text = (catalogue ?? load())[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const locale = document.documentElement.lang || "en";
export const formatNumber = (value, options) => new Intl.NumberFormat(locale, options).format(value);
