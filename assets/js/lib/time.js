// <time datetime="..." data-relative> shows "3 min ago" in the page's language; the exact moment stands in its title.
import { locale } from "./i18n.js";

const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });

export function relativeTime(moment, now = Date.now()) {
  const seconds = (new Date(moment).getTime() - now) / 1000;
  if (Math.abs(seconds) < 10) return relative.format(0, "second");
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return relative.format(Math.trunc(seconds / size), unit);
}

export const exactTime = (moment) => exact.format(new Date(moment));

export function updateTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-relative]")) {
    if (Number.isNaN(Date.parse(element.dateTime))) continue;
    element.textContent = relativeTime(element.dateTime);
    element.title = exactTime(element.dateTime);
  }
}

export function keepTimes() {
  updateTimes();
  setInterval(() => { if (!document.hidden) updateTimes(); }, 30_000);
}
