// How the last 24 hours went, in one line.

import { formatSeconds, plural } from "../../chat/format.js";
import { api } from "../../lib/api.js";
import { formatNumber } from "../../lib/i18n.js";

const DAY_MS = 86_400_000;
const MOST = 100; // one page of the API; more calls than that are counted as "100+"

export async function showHealth(agentId, t) {
  const place = document.querySelector("[data-health] > span");
  const box = place.parentElement;
  try {
    const page = await api.get(`/api/agents/${agentId}/runs?limit=${MOST}`);
    const health = summarize(page.data, Boolean(page.next));
    place.textContent = describe(health, t);
    box.dataset.state = health.state;
  } catch {
    place.textContent = t("healthUnknown");
    box.dataset.state = "unknown";
  }
}

function summarize(runs, hasMore) {
  const since = Date.now() - DAY_MS;
  const recent = runs.filter((run) => Date.parse(run.started_at) >= since && run.status !== "streaming");
  const failed = recent.filter((run) => run.status === "failed" || run.status === "partial").length;
  const answered = recent.length ? 1 - failed / recent.length : 1;
  const state = recent.length === 0 ? "quiet" : answered >= 0.99 ? "good" : answered >= 0.9 ? "fair" : "poor";
  return {
    count: recent.length,
    isMore: hasMore && recent.length === runs.length,
    answered,
    first: median(recent.map((run) => run.ttft_ms)),
    total: median(recent.map((run) => run.latency_ms)),
    state,
  };
}

function median(values) {
  const known = values.filter((value) => value !== null && value !== undefined).sort((one, other) => one - other);
  return known.length ? known[Math.floor(known.length / 2)] : null;
}

function describe({ count, isMore, answered, first, total }, t) {
  if (count === 0) return t("healthQuiet");
  const calls = isMore ? t("healthMany", { count: formatNumber(count) }) : plural(t, "healthCalls", count);
  const parts = [calls, t("healthAnswered", { share: formatNumber(answered, { style: "percent", maximumFractionDigits: 1 }) })];
  if (first !== null) parts.push(t("healthFirst", { time: formatSeconds(first) }));
  if (total !== null) parts.push(t("healthTotal", { time: formatSeconds(total) }));
  return parts.join(" · ");
}
