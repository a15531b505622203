// Keeps a listing saved: the first change makes the draft, later ones go after a short pause, one request at a time.
import { api } from "../lib/api.js";

const PAUSE_MS = 800;

export class Draft {
  /** `read()`: all fields as the API takes them; `onState(state, error)`: saving, saved, failed or unsaved. */
  constructor(page, read, onState) {
    Object.assign(this, { page, read, onState, timer: 0, saved: page.listing_id ? JSON.stringify(read()) : "" });
    this.queue = Promise.resolve();
  }

  get hasChanges() {
    return JSON.stringify(this.read()) !== this.saved;
  }

  /** Something changed. A published listing waits for "Save": its words are public as soon as they are stored. */
  touch() {
    if (!this.hasChanges) return this.page.listing_id && this.onState("saved");
    this.onState("unsaved");
    if (this.page.is_published || !this.#isReady()) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save().catch(() => {}), PAUSE_MS);
  }

  /** Store what has changed; throws the ApiError of a refusal. */
  save() {
    clearTimeout(this.timer);
    this.queue = this.queue.catch(() => {}).then(() => this.#send());
    return this.queue;
  }

  #isReady() {
    const { name, category } = this.read();
    return Boolean(name && category);
  }

  async #send() {
    const fields = this.read();
    const text = JSON.stringify(fields);
    if (text === this.saved) return this.onState("saved");
    this.onState("saving");
    try {
      const listing = this.page.listing_id
        ? await api.patch(`/api/store/mine/${this.page.listing_id}`, fields)
        : await api.post("/api/store/mine", { ...fields, agent_id: this.page.agent_id });
      Object.assign(this.page, { listing_id: listing.id, slug: listing.slug });
      this.saved = text;
      this.onState(this.hasChanges ? "unsaved" : "saved");
    } catch (error) {
      this.onState("failed", error);
      throw error;
    }
  }
}
