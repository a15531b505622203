// htmx under a strict policy: no eval, no indicator styles of its own, the CSRF token on every request.
import htmx from "htmx.org";
import { csrfToken } from "./api.js";
import { t } from "./i18n.js";
import { updateTimes } from "./time.js";
import { toast } from "./toast.js";

Object.assign(htmx.config, {
  allowEval: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  allowScriptTags: false,
  historyCacheSize: 0,
  scrollBehavior: "auto",
});
document.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRFToken"] = csrfToken(); });
document.addEventListener("htmx:afterSwap", (event) => updateTimes(event.detail.elt));
document.addEventListener("htmx:responseError", () => toast(t("request_failed"), { kind: "bad" }));
document.addEventListener("htmx:sendError", () => toast(t("offline"), { kind: "bad" }));

export default htmx;
