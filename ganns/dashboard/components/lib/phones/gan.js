// The GAN of the phones: points in the plane, two small networks, and the gradient of one unit. No page, no network.
//
// A unit is a function of (weights, seed, number of points): the same arguments give the same gradient on each phone.
// ganns/dashboard/phones/network.py has the same networks; tests/dashboard/test_phones_unit.py compares with PyTorch.
//
// The weights are one list: the generator's, then the discriminator's; each layer's matrix by rows, then its bias.

export const HIDDEN = 16;
export const GENERATOR = [2, HIDDEN, HIDDEN, 2]; // from two numbers of noise to a point
export const DISCRIMINATOR = [2, HIDDEN, HIDDEN, 1]; // from a point to a number: above 0 means "real"
export const NUM_MODES = 8; // the real points are near these many places on a circle of radius 1
export const SPREAD = 0.08; // the standard deviation around such a place

export function size(layers) {
  let total = 0;
  for (let i = 1; i < layers.length; i += 1) total += layers[i] * (layers[i - 1] + 1);
  return total;
}
export const NUM_G = size(GENERATOR);
export const NUM_WEIGHTS = NUM_G + size(DISCRIMINATOR);

// Return a function that draws from [0, 1): mulberry32, whose state is one 32-bit number. All of it is integer arithmetic.
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// Return two independent normal numbers (Box and Muller 1958).
function normals(draw) {
  const radius = Math.sqrt(-2 * Math.log(1 - draw()));
  const angle = 2 * Math.PI * draw();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

// Return `num` points of noise.
export function noise(draw, num) {
  return Array.from({ length: num }, () => normals(draw));
}

// Return `num` real points.
export function real(draw, num) {
  return Array.from({ length: num }, () => {
    const angle = (2 * Math.PI * Math.floor(NUM_MODES * draw())) / NUM_MODES;
    const [x, y] = normals(draw);
    return [Math.cos(angle) + SPREAD * x, Math.sin(angle) + SPREAD * y];
  });
}

// Return the values of all layers for one point, the input first: hidden layers have tanh, the last one has none.
function forward(layers, weights, start, point) {
  const values = [point];
  let at = start;
  for (let i = 1; i < layers.length; i += 1) {
    const [rows, columns] = [layers[i], layers[i - 1]];
    const before = values[i - 1];
    const after = new Array(rows);
    for (let row = 0; row < rows; row += 1) {
      let sum = weights[at + rows * columns + row];
      for (let column = 0; column < columns; column += 1) sum += weights[at + row * columns + column] * before[column];
      after[row] = i < layers.length - 1 ? Math.tanh(sum) : sum;
    }
    values.push(after);
    at += rows * (columns + 1);
  }
  return values;
}

// Go back through the layers: add to `gradient` (or not, if it is null), and return the derivative by the input.
function backward(layers, weights, start, values, outer, gradient) {
  let at = start + size(layers);
  let slope = outer;
  for (let i = layers.length - 1; i > 0; i -= 1) {
    const [rows, columns] = [layers[i], layers[i - 1]];
    at -= rows * (columns + 1);
    const inner = new Array(columns).fill(0);
    for (let row = 0; row < rows; row += 1) {
      const here = i < layers.length - 1 ? slope[row] * (1 - values[i][row] ** 2) : slope[row]; // tanh' = 1 - tanh^2
      if (gradient) gradient[at + rows * columns + row] += here;
      for (let column = 0; column < columns; column += 1) {
        if (gradient) gradient[at + row * columns + column] += here * values[i - 1][column];
        inner[column] += here * weights[at + row * columns + column];
      }
    }
    slope = inner;
  }
  return slope;
}

export const generate = (weights, z) => forward(GENERATOR, weights, 0, z).at(-1);
export const judge = (weights, point) => forward(DISCRIMINATOR, weights, NUM_G, point).at(-1)[0];

const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const STEP = 1e-4; // for the difference that replaces a second derivative

// Return {gradient, lossD, lossG} of a unit. Weights are taken as they are; the discriminator's gradient is of its own loss
// alone, the generator's of its own. With `r1`, the discriminator's loss has r1 / 2 times the squared slope at the real
// points (Mescheder et al. 2018): along a slope v, the derivative of v * slope is a difference of two gradients.
export function computeUnit(weights, seed, num, r1) {
  const draw = uniform(seed);
  const gradient = new Float64Array(NUM_WEIGHTS);
  let [lossD, lossG] = [0, 0];
  const learn = (point, outer, into) => {
    const values = forward(DISCRIMINATOR, weights, NUM_G, point);
    return backward(DISCRIMINATOR, weights, NUM_G, values, [outer(values.at(-1)[0])], into);
  };
  for (const point of real(draw, num)) {
    const values = forward(DISCRIMINATOR, weights, NUM_G, point);
    const said = values.at(-1)[0];
    backward(DISCRIMINATOR, weights, NUM_G, values, [-sigmoid(-said) / num], gradient);
    lossD += softplus(-said) / num;
    if (!r1) continue;
    const slope = backward(DISCRIMINATOR, weights, NUM_G, values, [1], null);
    lossD += (r1 / 2) * (slope[0] ** 2 + slope[1] ** 2) / num;
    for (const side of [1, -1]) {
      const moved = [point[0] + side * STEP * slope[0], point[1] + side * STEP * slope[1]];
      learn(moved, () => (side * r1) / (2 * STEP * num), gradient);
    }
  }
  for (const z of noise(draw, num)) {
    const values = forward(GENERATOR, weights, 0, z);
    const judged = forward(DISCRIMINATOR, weights, NUM_G, values.at(-1));
    const said = judged.at(-1)[0];
    backward(DISCRIMINATOR, weights, NUM_G, judged, [sigmoid(said) / num], gradient);
    const pull = backward(DISCRIMINATOR, weights, NUM_G, judged, [-sigmoid(-said) / num], null);
    backward(GENERATOR, weights, 0, values, pull, gradient);
    lossD += softplus(said) / num;
    lossG += softplus(-said) / num;
  }
  return { gradient, lossD, lossG };
}
