// A listing's drawn icon, repainted as one chooses: what the template tag {% listing_icon %} draws.
const SVG = "http://www.w3.org/2000/svg";
const LINE = { fill: "none", stroke: "#fff", "stroke-width": 1.9, "stroke-linecap": "round", "stroke-linejoin": "round" };
const MIDDLE = { fill: "#fff", "font-size": 19, "font-weight": 660, "text-anchor": "middle", "dominant-baseline": "central" };

/** Show these colours and this sign (a glyph of the sprite, else the name's first letter) in a drawn icon. */
export function paintIcon(svg, { color, color_2: second, glyph, name }) {
  const [first, last] = svg.querySelectorAll("linearGradient stop");
  first?.setAttribute("stop-color", color);
  last?.setAttribute("stop-color", second);
  svg.lastElementChild.replaceWith(makeSign(glyph, name));
}

function makeSign(glyph, name) {
  if (glyph.length > 2) {
    const place = { x: 10, y: 10, width: 20, height: 20 };
    return node("use", { href: `${document.documentElement.dataset.icons}#${glyph}`, ...place, ...LINE });
  }
  const text = node("text", { x: 20, y: 20.5, ...MIDDLE });
  text.textContent = glyph || firstLetter(name);
  return text;
}

export const firstLetter = (name) => ([...name.trim()][0] ?? "?").toUpperCase();

function node(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
