// Elements without HTML strings: a page that enforces Trusted Types lets them through.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

export function drawing(className, ...paths) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ class: className, viewBox: "0 0 24 24", "aria-hidden": "true" }))
    svg.setAttribute(name, value);
  for (const d of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

export const cross = (className) => drawing(className, "M18 6 6 18M6 6l12 12");
export const speech = () =>
  drawing("bubble", "M7.9 20A9 9 0 1 0 4 16.1L2 22Z", "M8 12h.01M12 12h.01M16 12h.01");
