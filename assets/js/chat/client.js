// The chat's way to the server: ask, follow a run through dropped connections, stop it, read and delete history.

import { csrfToken } from "../lib/api.js";
import { readEvents } from "./sse.js";

const LAST_EVENTS = new Set(["run.finished", "error"]);
const RETRY_DELAYS_MS = [300, 700, 1500, 3000, 5000, 8000, 8000, 8000];
const SILENCE_MS = 30_000; // the server sends a comment every 10 s: this long without a byte is a dead connection

/** What the server said, or that it could not be reached (`code` "offline"). */
export class ChatError extends Error {
  constructor({ code = "error", message = "", request_id: requestId = "" }, status = 0) {
    super(message);
    Object.assign(this, { code, status, requestId });
  }
}

export class ChatClient {
  /** With a visitor's `session` {token(), renew()} the chat uses the public API, else the dashboard's. */
  constructor(agentId, session = null) {
    this.agentId = agentId;
    this.base = session ? "/api/v1" : "/api";
    this.session = session;
  }

  /** Ask, and yield the run's events to its end, whatever the network does in between. */
  async *ask(payload, signal) {
    const started = { runId: null, lastId: "" };
    const headers = { "Content-Type": "application/json", "Idempotency-Key": makeKey() };
    const open = () =>
      this.#open(
        `${this.base}/agents/${this.agentId}/chat`,
        { method: "POST", headers, body: JSON.stringify(payload) },
        signal,
      );
    yield* this.#drain(await open(), started, signal);
  }

  /** Follow a run that is under way, from its first event or from the one after `lastId`. */
  async *follow(runId, lastId, signal) {
    yield* this.#drain(null, { runId, lastId }, signal);
  }

  async *#drain(response, run, signal) {
    let failures = 0;
    for (;;) {
      try {
        response ??= await this.#resume(run, signal);
        for await (const event of readEvents(watchSilence(response.body))) {
          failures = 0;
          if (event.id) run.lastId = event.id;
          if (event.event === "run.started") run.runId = event.data.run_id;
          yield event;
          if (LAST_EVENTS.has(event.event)) return;
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (error instanceof ChatError && error.status && error.status < 500) throw error;
      }
      response = null;
      if (signal?.aborted) return;
      if (!run.runId || failures >= RETRY_DELAYS_MS.length) throw new ChatError({ code: "offline" });
      yield { event: "reconnecting", id: "", data: { attempt: failures + 1 } };
      await pause(RETRY_DELAYS_MS[failures++], signal);
    }
  }

  #resume({ runId, lastId }, signal) {
    const headers = lastId ? { "Last-Event-ID": lastId } : {};
    return this.#open(`${this.base}/runs/${runId}/events`, { headers }, signal);
  }

  async #open(path, options, signal) {
    const headers = { Accept: "text/event-stream", ...options.headers };
    return this.#fetch(path, { ...options, headers, signal, cache: "no-store" });
  }

  stop(runId) {
    return this.#fetch(`${this.base}/runs/${runId}/cancel`, { method: "POST" });
  }

  rate(messageId, value) {
    return this.#json(`${this.base}/messages/${messageId}/feedback`, "POST", { value });
  }

  listConversations(cursor) {
    const query = cursor ? `cursor=${encodeURIComponent(cursor)}` : "";
    if (this.session) return this.#json(`/api/v1/conversations?${query}`);
    return this.#json(`/api/agents/${this.agentId}/conversations?channel=playground&${query}`);
  }

  listMessages(conversationId, cursor) {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
    return this.#json(`${this.base}/conversations/${conversationId}/messages${query}`);
  }

  deleteConversation(conversationId) {
    return this.#fetch(`${this.base}/conversations/${conversationId}`, { method: "DELETE", keepalive: true });
  }

  async #json(path, method = "GET", body = undefined) {
    const options = { method, headers: { "Content-Type": "application/json" } };
    if (body !== undefined) options.body = JSON.stringify(body);
    const response = await this.#fetch(path, options);
    return response.status === 204 ? null : response.json();
  }

  async #fetch(path, options) {
    let response = await this.#send(path, options, await this.session?.token());
    if (response.status === 401 && this.session?.renew)
      response = await this.#send(path, options, await this.session.renew());
    if (response.ok) return response;
    const body = await response.json().catch(() => ({}));
    throw new ChatError(body.error ?? { code: "error" }, response.status);
  }

  async #send(path, options, token) {
    const proof = token ? { Authorization: `Bearer ${token}` } : { "X-CSRFToken": csrfToken() };
    const headers = { ...proof, ...options.headers };
    try {
      return await fetch(path, { credentials: token ? "omit" : "same-origin", ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ChatError({ code: "offline" });
    }
  }
}

/** The same bytes, ending in an error when none come for SILENCE_MS. */
function watchSilence(body) {
  let timer;
  const watch = (controller) => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.error(new ChatError({ code: "offline" })), SILENCE_MS);
  };
  return body.pipeThrough(
    new TransformStream({
      start: watch,
      transform(chunk, controller) {
        watch(controller);
        controller.enqueue(chunk);
      },
      flush: () => clearTimeout(timer),
    }),
  );
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done, { once: true });
    signal?.addEventListener("abort", done, { once: true });
  });
}

function makeKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
