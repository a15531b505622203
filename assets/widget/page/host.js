// The page that this frame stands in. It is believed only as the parent window, from an origin that the key lists.

export class Host {
  /** `origins`: those of the key, and our own; `handlers`: {init(data), <type>(data)}. */
  constructor(origins, handlers) {
    Object.assign(this, { origins, handlers, origin: "" });
    addEventListener("message", (event) => this.#hear(event));
    if (this.isFramed) parent.postMessage({ gilo: "hello" }, "*"); // says only that the frame is there
  }

  get isFramed() {
    return parent !== window;
  }

  tell(type, data = {}) {
    if (this.isFramed && this.origin) parent.postMessage({ gilo: type, ...data }, this.origin);
  }

  #hear({ source, origin, data }) {
    if (!this.isFramed || source !== parent || !this.#isListed(origin)) return;
    const type = data?.gilo;
    if (typeof type !== "string" || !Object.hasOwn(this.handlers, type)) return;
    if (!this.origin && type !== "init") return;
    this.origin ||= origin; // the first page that spoke is the one we talk to
    if (origin === this.origin) this.handlers[type](data);
  }

  #isListed(origin) {
    return origin === location.origin || this.origins.some((listed) => matches(origin, listed));
  }
}

/** `https://*.example.com` stands for every host below example.com. */
function matches(origin, listed) {
  if (!listed.includes("*.")) return origin === listed;
  const [scheme, host] = listed.split("//*");
  return origin.startsWith(`${scheme}//`) && origin.endsWith(host);
}
