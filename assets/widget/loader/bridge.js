// The frame and the words between it and the page. Both sides check who speaks: the window and its origin.

const LOAD_MS = 15_000;

export class Bridge {
  /** `handlers`: {hello(), failed(), <type of a frame's message>(data)}; the frame's own address is `origin`. */
  constructor(iframe, origin, handlers) {
    Object.assign(this, { iframe, origin, handlers, isListening: false, isReady: false, waiting: [] });
    this.listener = (event) => this.#hear(event);
    addEventListener("message", this.listener);
  }

  /** Load the frame, once. */
  load(address) {
    if (this.address === address) return;
    this.address = address;
    this.rest();
    this.iframe.src = address;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.handlers.failed(), LOAD_MS);
  }

  reload() {
    const { address } = this;
    this.address = null;
    this.load(address);
  }

  /** The frame is about to load anew: until it says hello, nobody listens. */
  rest() {
    this.isListening = false;
    this.isReady = false;
  }

  /** Say it to the frame, now or as soon as it listens. */
  post(type, data = {}) {
    if (this.isListening) this.#post(type, data);
    else this.waiting.push([type, data]);
  }

  /** Say how something is now to a frame that listens; one that loads hears of it in `init`. */
  update(type, data) {
    if (this.isListening) this.#post(type, data);
  }

  /** Nothing of what waits is said any more. */
  drop() {
    this.waiting = [];
  }

  #post(type, data) {
    this.iframe.contentWindow?.postMessage({ gilo: type, ...data }, this.origin);
  }

  #hear({ source, origin, data }) {
    if (!source || source !== this.iframe.contentWindow || origin !== this.origin) return;
    const type = data?.gilo;
    if (typeof type !== "string") return;
    if (type === "hello") this.#onHello();
    else if (type === "ready") this.#onReady(data);
    else if (type === "refused") this.#onRefused(data);
    else if (Object.hasOwn(this.handlers.messages, type)) this.handlers.messages[type](data);
  }

  #onHello() {
    this.#post("init", this.handlers.hello());
    this.isListening = true;
    for (const [type, details] of this.waiting.splice(0)) this.#post(type, details);
  }

  #onReady(data) {
    clearTimeout(this.timer);
    this.isReady = true;
    this.handlers.ready(data);
  }

  #onRefused(data) {
    clearTimeout(this.timer);
    this.handlers.refused(data);
  }

  destroy() {
    clearTimeout(this.timer);
    removeEventListener("message", this.listener);
  }
}
