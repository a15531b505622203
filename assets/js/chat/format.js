// Numbers as people of the page's language read them.

import { formatNumber, locale } from "../lib/i18n.js";
import { exactTime, relativeTime } from "../lib/time.js";

export { formatNumber };

const DOLLARS = { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" };

/** A dollar amount with as many digits as it takes to see it. */
export function formatCost(usd) {
  const amount = Number(usd);
  if (amount === 0) return formatNumber(0, { ...DOLLARS, minimumFractionDigits: 0 });
  const small = { minimumFractionDigits: 2, maximumSignificantDigits: 2 };
  return formatNumber(amount, { ...DOLLARS, ...(amount < 0.01 ? small : {}) });
}

/** Milliseconds as seconds: 0.31 s, 12 s. */
export function formatSeconds(milliseconds) {
  const seconds = milliseconds / 1000;
  const digits = seconds < 1 ? 2 : seconds < 10 ? 1 : 0;
  return `${formatNumber(seconds, { maximumFractionDigits: digits })}\u00a0s`;
}

/** Bytes as people read them: 15 bytes, 0.4 kB, 1.8 MB. */
export function formatBytes(bytes) {
  if (bytes < 100) return formatNumber(bytes, { style: "unit", unit: "byte", unitDisplay: "long" });
  const units = ["kilobyte", "megabyte", "gigabyte"];
  const step = Math.max(1, Math.min(units.length, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** step;
  const style = { style: "unit", unit: units[step - 1], unitDisplay: "short" };
  return formatNumber(value, { ...style, maximumFractionDigits: value >= 100 ? 0 : 1 });
}

/** Dollars for a million tokens. */
export const formatPrice = (usd) => formatNumber(usd, { ...DOLLARS, maximumFractionDigits: 3 });

/** `<time>` with the exact moment on hover. */
export function timeElement(iso) {
  const element = document.createElement("time");
  element.dateTime = iso;
  element.dataset.relative = "";
  element.title = exactTime(iso);
  element.textContent = relativeTime(iso);
  return element;
}

/** The text for an amount: `t('tokensOne')` or `t('tokensOther')` with {count}. */
export function plural(t, key, count) {
  const form = new Intl.PluralRules(locale).select(count) === "one" ? "One" : "Other";
  return t(`${key}${form}`, { count: formatNumber(count) });
}
