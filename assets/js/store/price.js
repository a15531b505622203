// Amounts: typed as people write them, sent as whole minor units.
import { locale } from "../lib/i18n.js";

function digitsOf(currency) {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
}

/** "4,99" in minor units: 499. Not a number: NaN. */
export function readAmount(text, currency) {
  const cleaned = text.replace(/[\s\u00a0]/g, "").replace(",", ".");
  return cleaned === "" ? 0 : Math.round(Number(cleaned) * 10 ** digitsOf(currency));
}

export function formatAmount(amount, currency) {
  const digits = digitsOf(currency);
  const isWhole = amount % 10 ** digits === 0;
  const options = { style: "currency", currency, ...(isWhole ? { maximumFractionDigits: 0 } : {}) };
  return new Intl.NumberFormat(locale, options).format(amount / 10 ** digits);
}
