// A session with a listing: opened when the page is, renewed before it ends. Kept in this browser, one for each account
// and one for who has none, who stays the same person by the last token.
import { api } from "../lib/api.js";
import { keptToken } from "./access.js";

const EARLY_MS = 60_000; // a token this near to its end is renewed before it is used

export class ListingSession {
  /** `who`: the account's id, or "" without one; `onOpened({remaining, access})` hears of each new session. */
  constructor(slug, who, onOpened) {
    Object.assign(this, { slug, onOpened, name: `gilo:store:${slug}:${who}`, opening: null });
  }

  get conversation() {
    return this.#read().conversation ?? null;
  }

  set conversation(id) {
    this.#write({ ...this.#read(), conversation: id });
  }

  async token() {
    return this.isFresh() ? this.current.token : this.renew();
  }

  isFresh() {
    return Boolean(this.current) && Date.parse(this.current.expires_at) - EARLY_MS > Date.now();
  }

  /** A new session; requests that need one meanwhile share it. */
  renew() {
    this.opening ??= this.#open().finally(() => {
      this.opening = null;
    });
    return this.opening;
  }

  async #open() {
    const body = {};
    const visitor = this.#read().token;
    const accessToken = keptToken(this.slug);
    if (visitor) body.visitor = visitor;
    if (accessToken) body.access_token = accessToken;
    this.current = await api.post(`/api/store/listings/${this.slug}/session`, body);
    this.#write({ ...this.#read(), token: this.current.token });
    this.onOpened(this.current);
    return this.current.token;
  }

  #read() {
    try {
      return JSON.parse(localStorage.getItem(this.name) ?? "{}");
    } catch {
      return {}; // not ours, damaged, or a browser that keeps nothing
    }
  }

  #write(value) {
    try {
      localStorage.setItem(this.name, JSON.stringify(value));
    } catch {
      // As above: then a visit is one of its own.
    }
  }
}
