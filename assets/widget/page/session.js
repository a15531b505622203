// A visitor's session: opened when the first question is asked, kept in this browser, one for each signed-in user of
// the host page and one for who has no name there. No cookie: the frame is a third party.

import { ChatError } from "../../js/chat/client.js";

const EARLY_MS = 60_000; // a token this near to its end is renewed before it is used

export class VisitorSession {
  /** `key` opens sessions, kept in `storage` (storage.js); `onRefusedIdentity(error)` hears of a disbelieved identity. */
  constructor(agentId, key, storage, onRefusedIdentity) {
    Object.assign(this, { prefix: `gilo:${agentId}:${key}:`, key, storage, onRefusedIdentity });
    this.identify("");
  }

  /** Where this visitor's session is kept. */
  get slot() {
    return this.prefix + this.who;
  }

  get conversation() {
    return this.#read().conversation ?? null;
  }

  set conversation(id) {
    this.#write({ ...this.#read(), conversation: id });
  }

  /** Speak as the subject of this signed token, or as nobody (""). True when that is somebody else than before. */
  identify(identity) {
    const before = this.who;
    this.identity = identity;
    this.who = identity ? `user:${subjectOf(identity)}` : "";
    this.isProven = !identity; // a stored session says nothing of who claims it now
    this.opening = null; // one that is under way was for who spoke before
    return this.who !== before;
  }

  /** Forget every session of this agent and key in this browser. */
  forget() {
    this.identify("");
    this.storage.forget(this.prefix);
  }

  async token() {
    const { token, expires } = this.#read();
    return token && this.isProven && expires - EARLY_MS > Date.now() ? token : this.renew();
  }

  /** A new token; requests that need one meanwhile share it. */
  renew() {
    if (this.opening) return this.opening;
    const opening = this.#open(() => this.opening === opening).finally(() => {
      if (this.opening === opening) this.opening = null;
    });
    this.opening = opening;
    return opening;
  }

  /** `isWanted()`: nobody else speaks since, and nothing was forgotten; else what comes is for the asker alone. */
  async #open(isWanted) {
    const { slot } = this;
    const body = { key: this.key };
    const last = this.#read().token;
    if (this.identity) body.identity = this.identity;
    else if (last) body.visitor = last;
    try {
      const answer = await post("/api/v1/visitor-sessions", body);
      if (!isWanted()) return answer.token;
      const kept = this.storage.read(slot);
      this.storage.write(slot, { ...kept, token: answer.token, expires: Date.parse(answer.expires_at) });
      this.isProven = true;
      return answer.token;
    } catch (error) {
      if (!isWanted() || !["identity_invalid", "identity_required"].includes(error.code)) throw error;
      this.onRefusedIdentity(error);
      if (!this.identity || error.code === "identity_required") throw error;
      this.identify("");
      return this.renew();
    }
  }

  #read() {
    return this.storage.read(this.slot);
  }

  #write(value) {
    this.storage.write(this.slot, value);
  }
}

/** The `sub` that a JWT claims: names the slot, proves nothing. */
function subjectOf(jwt) {
  try {
    const [, claims] = jwt.split(".");
    const bytes = Uint8Array.from(atob(claims.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
    return String(JSON.parse(new TextDecoder().decode(bytes)).sub ?? "");
  } catch {
    return "?";
  }
}

async function post(path, body) {
  const options = { method: "POST", credentials: "omit", cache: "no-store", body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "Content-Type": "application/json" } });
  } catch {
    throw new ChatError({ code: "offline" });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ChatError(answer.error ?? { code: "error" }, response.status);
  return answer;
}
