// An agent's icon, as the template tag {% agent_icon %} draws it: two colours, and a glyph of the sprite or one letter.

const SVG = "http://www.w3.org/2000/svg";
let gradients = 0;

/** `agent`: {name, appearance {color, color_2, glyph}}. */
export function makeAvatar(agent, size = 28) {
  const avatar = node("svg", {
    class: "avatar",
    width: size,
    height: size,
    viewBox: "0 0 40 40",
    "aria-hidden": "true",
  });
  paintAvatar(avatar, agent);
  return avatar;
}

/** Show this agent in an existing icon. */
export function paintAvatar(avatar, { name, appearance }) {
  const id = `agent-gradient-${++gradients}`;
  const stops = [
    node("stop", { "stop-color": appearance.color }),
    node("stop", { offset: 1, "stop-color": appearance.color_2 }),
  ];
  const gradient = node("linearGradient", { id, x1: 0, y1: 0, x2: 1, y2: 1 }, ...stops);
  avatar.replaceChildren(
    node("defs", {}, gradient),
    node("rect", { width: 40, height: 40, rx: 11, fill: `url(#${id})` }),
    node("path", {
      d: "M0 11A11 11 0 0 1 11 0h18a11 11 0 0 1 11 11v4C28 9 12 9 0 19z",
      fill: "#fff",
      "fill-opacity": 0.13,
    }),
    makeGlyph(appearance.glyph, name),
  );
}

function makeGlyph(glyph, name) {
  if (glyph.length > 2) {
    const place = { x: 9, y: 9, width: 22, height: 22, fill: "none", stroke: "#fff" };
    const line = { "stroke-width": 1.9, "stroke-linecap": "round", "stroke-linejoin": "round" };
    return node("use", { href: `${document.documentElement.dataset.icons}#${glyph}`, ...place, ...line });
  }
  const middle = { "text-anchor": "middle", "dominant-baseline": "central" };
  return node(
    "text",
    { x: 20, y: 20.5, fill: "#fff", "font-size": 19, "font-weight": 680, ...middle },
    glyph || firstLetter(name),
  );
}

const firstLetter = (name) => ([...(name || "").trim()][0] || "?").toUpperCase();

function node(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}
