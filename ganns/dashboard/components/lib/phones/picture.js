// The picture of the phones' GAN on a canvas: the discriminator's surface, the real places, the generator's points, arrows.

import { generate, judge, noise, NUM_MODES, uniform } from "./gan.js";

const REACH = 1.7; // the picture shows x and y from -1.7 to 1.7
const CELLS = 56; // of the surface, in each direction
const SAME_NOISE = noise(uniform(1), 400); // always the same, so that a point moves and does not jump
const NEAR = 0.25; // a point this near to a place belongs to it
const ENOUGH = 12; // this many of the 400 points cover a place

export const PLACES = Array.from({ length: NUM_MODES }, (_, i) => {
  const angle = (2 * Math.PI * i) / NUM_MODES;
  return [Math.cos(angle), Math.sin(angle)];
});

// Return the generator's points at these weights.
export const points = (weights) => SAME_NOISE.map((z) => generate(weights, z));

// Return for how many of the eight places there are points.
export function covered(made) {
  const near = ([x, y]) => made.filter(([a, b]) => Math.hypot(a - x, b - y) < NEAR).length;
  return PLACES.filter((place) => near(place) >= ENOUGH).length;
}

// Return weights as numbers; they come as 32-bit floats in base64.
export function decode(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

// Draw. `arrows`: [{ from: [x, y], to: [x, y], name, faint }].
export function draw(canvas, weights, made, arrows) {
  const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
  if (!side) return;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const color = colors(canvas);
  const at = ([x, y]) => [((x + REACH) / (2 * REACH)) * side, ((REACH - y) / (2 * REACH)) * side];
  surface(context, weights, side, color);
  const unit = side / 100;
  for (const place of PLACES) ring(context, at(place), 4.5 * unit, 0.5 * unit, color.ink);
  for (const point of made) dot(context, at(point), 0.75 * unit, color.made, color.paper);
  for (const one of arrows) arrow(context, at(one.from), at(one.to), unit, one, color);
}

function surface(context, weights, side, color) {
  const small = document.createElement("canvas");
  small.width = small.height = CELLS;
  const image = new ImageData(CELLS, CELLS);
  for (let row = 0; row < CELLS; row += 1) {
    for (let column = 0; column < CELLS; column += 1) {
      const point = [((column + 0.5) / CELLS) * 2 * REACH - REACH, REACH - ((row + 0.5) / CELLS) * 2 * REACH];
      const said = 1 / (1 + Math.exp(-judge(weights, point))); // the probability of "real"
      const tone = said > 0.5 ? color.real : color.fake;
      const strength = Math.min(1, Math.abs(said - 0.5) * 6) * 0.75; // it seldom is far from a half
      const start = 4 * (row * CELLS + column);
      for (let i = 0; i < 3; i += 1) image.data[start + i] = color.ground[i] + strength * (tone[i] - color.ground[i]);
      image.data[start + 3] = 255;
    }
  }
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, side, side);
}

function ring(context, [x, y], radius, width, color) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = width;
  context.strokeStyle = color;
  context.stroke();
}

function dot(context, [x, y], radius, color, edge) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.lineWidth = radius / 2;
  context.strokeStyle = edge;
  context.stroke();
}

function arrow(context, [x, y], [toX, toY], unit, { name, faint }, color) {
  const angle = Math.atan2(toY - y, toX - x);
  context.globalAlpha = faint ? 0.45 : 1;
  context.strokeStyle = context.fillStyle = color.ink;
  context.lineWidth = 0.45 * unit;
  context.setLineDash(faint ? [unit, unit] : []);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  for (const turn of [0, 2.6, -2.6]) context.lineTo(toX + 1.5 * unit * Math.cos(angle + turn), toY + 1.5 * unit * Math.sin(angle + turn));
  context.fill();
  dot(context, [x, y], 1.1 * unit, color.ink, color.paper);
  if (name) {
    context.font = `${2.4 * unit}px system-ui, sans-serif`;
    context.lineWidth = 0.6 * unit;
    context.strokeStyle = color.paper;
    context.strokeText(name, x + 1.6 * unit, y - 1.2 * unit);
    context.fillText(name, x + 1.6 * unit, y - 1.2 * unit);
  }
  context.globalAlpha = 1;
}

// The style sheet's colours, as the browser computes them in the present theme.
function colors(canvas) {
  const of = (name) => {
    canvas.style.color = `var(--${name})`;
    return getComputedStyle(canvas).color;
  };
  const [ink, paper, made, real, fake, ground] = ["ink", "paper", "pink", "blue", "orange", "card"].map(of);
  const numbers = (text) => text.match(/[\d.]+/g).slice(0, 3).map((one) => (text.startsWith("color(") ? 255 * one : +one));
  return { ink, paper, made, real: numbers(real), fake: numbers(fake), ground: numbers(ground) };
}
