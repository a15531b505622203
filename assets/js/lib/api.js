// JSON over fetch for the dashboard's API: the session cookie and its CSRF token go along, errors come back as ApiError.

const QUOTA_CODES = new Set(["quota_exceeded", "over_quota"]);

export class ApiError extends Error {
  /** The server's error object; `errors` lists rejected fields as {param, message}. */
  constructor(status, body) {
    super(wordsOf(body) || document.documentElement.dataset.errorText || `HTTP ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.code = body?.code || (status ? "http_error" : "network_error");
    this.param = body?.param ?? null;
    this.errors = body?.errors ?? [];
  }
}

/** The message; that of an error of ours asks to report the request's id, so it stands behind it. */
function wordsOf(body) {
  return body?.code === "internal_error" && body.request_id ? `${body.message} (${body.request_id})` : body?.message;
}

export function csrfToken() {
  const match = /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie);
  return match ? decodeURIComponent(match[1]) : document.querySelector("meta[name=csrf-token]")?.content || "";
}

/** Send a request; `json` becomes the body. Returns the parsed answer (null when there is none) or throws ApiError. */
export async function request(method, path, { json, body, headers = {}, signal, keepalive } = {}) {
  const sent = { Accept: "application/json", "X-CSRFToken": csrfToken(), ...headers };
  if (json !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      body: json === undefined ? body : JSON.stringify(json),
      credentials: "same-origin",
      signal,
      keepalive,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { message: document.documentElement.dataset.offlineText, code: "network_error" });
  }
  const answer = await readJson(response);
  if (!response.ok) throw refusal(response.status, answer?.error);
  return answer;
}

/** The error; a plan that is full says so on every page, wherever the limit is met. */
function refusal(status, body) {
  const error = new ApiError(status, body);
  if (QUOTA_CODES.has(error.code)) document.dispatchEvent(new CustomEvent("gilo:quota", { detail: error }));
  return error;
}

async function readJson(response) {
  if (!response.headers.get("content-type")?.includes("json")) return null;
  try {
    return await response.json();
  } catch {
    return null;
  }
}

export const api = {
  get: (path, options) => request("GET", path, options),
  post: (path, json = {}, options) => request("POST", path, { ...options, json }),
  put: (path, json = {}, options) => request("PUT", path, { ...options, json }),
  patch: (path, json = {}, options) => request("PATCH", path, { ...options, json }),
  delete: (path, options) => request("DELETE", path, options),
  upload: (path, form, options) => request("POST", path, { ...options, body: form }),
};

/** Show an ApiError's field messages beside the form's controls (`name` = param); the rest goes into `[data-form-error]`. */
export function showFormErrors(form, error) {
  clearFormErrors(form);
  const fields = error.errors?.length ? error.errors : error.param ? [{ param: error.param, message: error.message }] : [];
  const rest = fields.length ? [] : [error.message];
  for (const { param, message } of fields) {
    const control = form.elements.namedItem(param);
    const slot = control && form.querySelector(`[data-error-for="${CSS.escape(param)}"]`);
    if (!slot) {
      rest.push(message);
      continue;
    }
    slot.textContent = message;
    control.setAttribute("aria-invalid", "true");
  }
  const general = form.querySelector("[data-form-error]");
  if (general) {
    general.textContent = rest.join(" ");
    general.hidden = rest.length === 0;
  }
  form.querySelector("[aria-invalid=true]")?.focus();
}

export function clearFormErrors(form) {
  for (const slot of form.querySelectorAll("[data-error-for], [data-form-error]")) slot.textContent = "";
  for (const control of form.querySelectorAll("[aria-invalid=true]")) control.removeAttribute("aria-invalid");
}
