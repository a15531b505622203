// <gilo-widget>: where a widget lives in the page. It tells its widget when the page puts it in or takes it out.

const NAME = "gilo-widget";

/** A new element whose `onPlaced` and `onRemoved` may be set. */
export function makeElement() {
  if (!customElements.get(NAME)) customElements.define(NAME, GiloWidget);
  return document.createElement(NAME);
}

class GiloWidget extends HTMLElement {
  connectedCallback() {
    this.onPlaced?.();
  }

  disconnectedCallback() {
    this.onRemoved?.();
  }
}
