// Where sessions are kept: this frame's own storage; where a browser denies it to frames of another site (private windows,
// third-party cookies blocked), the page around it keeps them; and in any case memory, until the page is left.

export class Kept {
  /** `given`: what the page around the frame kept; `tell(all)` hands it everything whenever something changes. */
  constructor(given, tell) {
    this.own = openOwn();
    this.tell = tell;
    this.memory = new Map(this.own ? [] : Object.entries(given ?? {}));
  }

  read(name) {
    if (!this.own) return this.memory.get(name) ?? {};
    try {
      return JSON.parse(this.own.getItem(name) ?? "{}");
    } catch {
      return {}; // not ours, or damaged
    }
  }

  write(name, value) {
    if (this.own) return this.own.setItem(name, JSON.stringify(value));
    this.memory.set(name, value);
    this.tell(Object.fromEntries(this.memory));
  }

  /** Forget everything whose name begins so. */
  forget(prefix) {
    if (this.own) {
      for (const name of Object.keys(this.own)) if (name.startsWith(prefix)) this.own.removeItem(name);
      return;
    }
    for (const name of this.memory.keys()) if (name.startsWith(prefix)) this.memory.delete(name);
    this.tell(Object.fromEntries(this.memory));
  }
}

function openOwn() {
  try {
    localStorage.setItem("gilo", "1");
    localStorage.removeItem("gilo");
    return localStorage;
  } catch {
    return null;
  }
}
