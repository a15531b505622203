// An agent's two colours as the page's accent: darkened or lightened until text in them, or on them, can be read.

const WHITE = [255, 255, 255];
const DARK_GROUND = [19, 20, 27];
const LEAST_CONTRAST = 4.6;
const STEP = 0.06;

/** Paint the page in these two colours ("#rrggbb"). */
export function paintPage({ color, color_2: second }) {
  const { style } = document.documentElement;
  const [first, other] = [readColour(color), readColour(second)];
  const onLight = adjust(first, WHITE, [0, 0, 0]);
  const onDark = adjust(first, DARK_GROUND, WHITE);
  const paint = {
    "--accent": `light-dark(${write(onLight)}, ${write(onDark)})`,
    "--accent-hover": `light-dark(${write(mix(onLight, [0, 0, 0], 0.16))}, ${write(mix(onDark, WHITE, 0.2))})`,
    "--accent-bg": `light-dark(${write(mix(WHITE, first, 0.09))}, ${write(mix(DARK_GROUND, first, 0.22))})`,
    "--accent-line": `light-dark(${write(mix(WHITE, first, 0.26))}, ${write(mix(DARK_GROUND, first, 0.5))})`,
    "--on-accent": `light-dark(#ffffff, ${write(DARK_GROUND)})`,
    "--focus": `light-dark(${write(onLight)}, ${write(onDark)})`,
    "--brand-action": `linear-gradient(120deg, ${write(onLight)}, ${write(adjust(other, WHITE, [0, 0, 0]))})`,
  };
  for (const [name, value] of Object.entries(paint)) style.setProperty(name, value);
}

const readColour = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
const write = (colour) => `rgb(${colour.map(Math.round).join(" ")})`;
const mix = (colour, other, share) => colour.map((part, index) => part + (other[index] - part) * share);

/** The colour, moved towards `end` until it contrasts with the ground. */
function adjust(colour, ground, end) {
  let adjusted = colour;
  while (contrast(adjusted, ground) < LEAST_CONTRAST) adjusted = mix(adjusted, end, STEP);
  return adjusted;
}

function contrast(colour, other) {
  const [high, low] = [lightness(colour), lightness(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function lightness(colour) {
  const [r, g, b] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
