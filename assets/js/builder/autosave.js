// Saves edits 700 ms after the last one, one request at a time, so that nothing is lost or overtaken.

import { ApiError, api } from "../lib/api.js";

const DELAY_MS = 700;
const RETRY_MS = [1000, 2000, 4000, 8000, 15_000];
const TAKE_UP_MS = 60_000; // later, someone else may have edited the same
const KEEPALIVE_BYTES = 50_000; // browsers let 64 KB outlive the page

export class Autosave {
  /** `show`: {state(name, detail), conflict(error), rejected(error), accepted(names)} */
  constructor(store, show) {
    Object.assign(this, { store, show, pending: { agent: {}, config: {} }, failures: 0, isConflict: false });
    this.path = `/api/agents/${store.agent.id}`;
    addEventListener("pagehide", () => this.#sendLast());
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
    addEventListener("online", () => this.flush());
    addEventListener("beforeunload", (event) => this.#warn(event));
    this.#takeUp();
    this.#catchUp();
  }

  get isDirty() {
    return Object.keys(this.pending.agent).length + Object.keys(this.pending.config).length > 0;
  }

  /** Take an edit: at once into the page, soon to the server. */
  change(kind, changes) {
    this.store.edit(kind, changes);
    Object.assign(this.pending[kind], changes);
    this.show.state("dirty");
    this.#schedule(DELAY_MS);
  }

  /** Save now what is not saved; resolves when it is, or when it cannot be. */
  async flush() {
    clearTimeout(this.timer);
    if (this.isConflict) return;
    this.sending ??= this.#drain().finally(() => (this.sending = null));
    await this.sending;
  }

  /** After a conflict: send the same edits on top of what the server has now. */
  async keepMine() {
    await this.#loadLatest();
    this.isConflict = false;
    await this.flush();
  }

  /** Show what the server has now, under the edits that are not saved yet. */
  async #loadLatest() {
    const latest = await api.get(this.path);
    const mine = this.pending;
    this.store.replace({ ...latest, ...mine.agent, config: { ...latest.config, ...mine.config } });
  }

  /** After a conflict: forget the edits made here and show what the server has. */
  async takeTheirs() {
    this.pending = { agent: {}, config: {} };
    this.isConflict = false;
    this.store.replace(await api.get(this.path));
    this.show.state("saved");
  }

  #schedule(delay) {
    clearTimeout(this.timer);
    if (!this.isConflict) this.timer = setTimeout(() => this.flush(), delay);
  }

  async #drain() {
    while (this.isDirty) {
      const batch = (this.batch = this.pending);
      this.pending = { agent: {}, config: {} };
      this.show.state("saving");
      try {
        await this.#send(batch);
      } catch (error) {
        this.#onError(error, batch);
        return;
      } finally {
        this.batch = null;
      }
      this.failures = 0;
      this.show.accepted([...Object.keys(batch.config), ...Object.keys(batch.agent)]);
    }
    this.show.state("saved");
  }

  async #send(batch) {
    if (Object.keys(batch.agent).length > 0) {
      this.store.markSaved(await this.#patch(this.path, batch.agent));
      batch.agent = {};
    }
    if (Object.keys(batch.config).length > 0) {
      const version = this.isBlind ? {} : { version: this.store.agent.version };
      this.store.markSaved(await this.#patch(`${this.path}/config`, { ...batch.config, ...version }));
      this.isBlind = false;
    }
  }

  #patch(path, json) {
    return api.patch(path, json, { keepalive: JSON.stringify(json).length < KEEPALIVE_BYTES });
  }

  #onError(error, batch) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 422 || error.status === 400 || error.status === 403 || error.status === 404) {
      this.show.state("rejected", error);
      this.show.rejected(error);
      return;
    }
    for (const kind of ["agent", "config"]) this.pending[kind] = { ...batch[kind], ...this.pending[kind] };
    if (error.status === 409) {
      this.isConflict = true;
      this.show.state("conflict", error);
      this.show.conflict(error);
      return;
    }
    this.show.state("offline", error);
    this.#schedule(RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
  }

  /** Edits that the page took away with it when it was left: the server may have them by now, or not yet. */
  #takeUp() {
    const key = `gilo-unsaved-${this.store.agent.id}`;
    const left = sessionStorage.getItem(key);
    if (!left) return;
    sessionStorage.removeItem(key);
    const { agent, config, at } = JSON.parse(left);
    if (Date.now() - at > TAKE_UP_MS) return;
    this.isBlind = true; // its version is not known here: it may have been counted after this page was made
    for (const [kind, changes] of Object.entries({ agent, config })) {
      if (Object.keys(changes).length > 0) this.change(kind, changes);
    }
  }

  /** This page may have been made while the one before it was still saving: then it shows too old a state. */
  async #catchUp() {
    const seen = sessionStorage.getItem(`gilo-seen-${this.store.agent.id}`) ?? "";
    if (seen <= this.store.agent.updated_at) return;
    await this.#loadLatest().catch(() => {}); // the state shown stays; saving it says when it is too old
    if (!this.isDirty) this.show.state("saved");
  }

  #sendLast() {
    sessionStorage.setItem(`gilo-seen-${this.store.agent.id}`, this.store.agent.updated_at);
    // What is under way goes again: its answer is lost with the page, and its second half may not have been sent.
    const agent = { ...this.batch?.agent, ...this.pending.agent };
    const config = { ...this.batch?.config, ...this.pending.config };
    if (this.isConflict || Object.keys(agent).length + Object.keys(config).length === 0) return;
    sessionStorage.setItem(`gilo-unsaved-${this.store.agent.id}`, JSON.stringify({ agent, config, at: Date.now() }));
    // No version here: nobody is left to resolve a conflict, and only the fields that were edited are sent.
    if (Object.keys(config).length > 0) this.#patch(`${this.path}/config`, config).catch(() => {});
    if (Object.keys(agent).length > 0) this.#patch(this.path, agent).catch(() => {});
    this.pending = { agent: {}, config: {} };
  }

  #warn(event) {
    const isLarge = JSON.stringify(this.pending).length >= KEEPALIVE_BYTES;
    if (this.isDirty && (this.isConflict || this.failures > 0 || isLarge)) event.preventDefault();
  }
}
