// What is shown once: a key or an identity secret, above the parts, until people say that they have it.
// While a key is shown, the code on the page is filled with it.

export class Secret {
  constructor() {
    this.root = document.getElementById("shown-key");
    this.value = document.getElementById("key-value");
    this.back = null;
    this.key = null;
    this.root.querySelector("[data-secret-done]").addEventListener("click", () => this.forget());
    window.addEventListener("pagehide", () => this.forget());
  }

  /** Show it; a key of this `kind` fills the code that takes one. `back`: where the focus goes when it is put away. */
  show({ title, value, text = "", kind = "", back = null }) {
    this.back = back;
    this.root.querySelector("[data-secret-title]").textContent = title;
    this.root.querySelector("[data-secret-more]").textContent = text;
    this.root.querySelector("[data-secret-code]").hidden = !kind;
    this.value.textContent = value;
    this.root.hidden = false;
    this.key = { value, kind };
    fillCode(this.key);
    this.root.scrollIntoView({ block: "nearest" });
    this.root.querySelector(".copy").focus({ preventScroll: true });
  }

  /** Put it away; nothing of it stays on the page. */
  forget() {
    if (this.root.hidden) return;
    this.root.hidden = true;
    this.value.textContent = "";
    this.key = null;
    fillCode(null);
    if (this.back?.isConnected && this.back.checkVisibility()) this.back.focus();
    else document.querySelector('#deploy-tabs [aria-selected="true"]').focus();
  }
}

/** Write the key ({value, kind}), or with null the way to read it from the environment, into all code on the page. */
export function fillCode(key, root = document) {
  for (const slot of root.querySelectorAll(".key-slot")) {
    slot.original ??= [...slot.childNodes];
    const isFilled = key?.kind === slot.dataset.kind;
    if (isFilled) slot.textContent = slot.dataset.literal.replace("{key}", key.value);
    else slot.replaceChildren(...slot.original);
    slot.classList.toggle("key-slot--filled", isFilled);
  }
}
