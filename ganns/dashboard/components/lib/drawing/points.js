// The points of a line, from columns of "history" or rows of "evaluations". Pure functions that return [[x, y], ...].

const WINDOW = 10; // a speed is measured over this many rounds
const MANY = 60; // with more rounds, a line is too noisy to read

// Computed from the columns. A long history is thinned out, so two neighbours may be several rounds apart.
const DERIVED = {
  images_per_s: (columns) => rate(columns.images, columns.seconds),
  rounds_per_min: (columns) => rate(columns.round, columns.seconds, 60),
  bytes_up_total: (columns) => total(columns.bytes_up, columns.round),
  bytes_down_total: (columns) => total(columns.bytes_down, columns.round),
};

function rate(amounts, seconds, factor = 1) {
  return amounts.map((amount, i) => {
    const from = Math.max(0, i - WINDOW);
    const passed = seconds[i] - seconds[from];
    return passed > 0 ? (factor * (amount - amounts[from])) / passed : null;
  });
}

function total(amounts, rounds) {
  let sum = 0;
  return amounts.map((amount, i) => (sum += amount * (rounds[i] - (i ? rounds[i - 1] : -1))));
}

export const derived = (key) => key in DERIVED;

export function column(columns, key) {
  return columns[key] ?? (columns.round?.length ? DERIVED[key]?.(columns) : undefined) ?? [];
}

export function ofHistory(columns, key, axis) {
  const [x, y] = [columns[axis] ?? [], column(columns, key)];
  return y.map((value, i) => [x[i], value]);
}

// An evaluation belongs to a version, which round `version - 1` made.
export function ofEvaluations(rows, key, axis, columns) {
  const x = axis === "round" ? (version) => version : (version) => reached(columns, version, axis);
  return rows.filter((row) => row[key] != null).map((row) => [x(row.version), row[key], row.version]);
}

// How many images, or seconds, had passed before a round.
export function reached(columns, version, axis) {
  const rounds = columns.round ?? [];
  let [low, high] = [0, rounds.length]; // the number of rounds before this version
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rounds[middle] < version) low = middle + 1;
    else high = middle;
  }
  return low ? columns[axis][low - 1] : 0;
}

// The mean of each point and the points before it, or null for a line that is calm already.
export function calmed(points) {
  if (points.length < MANY) return null;
  const width = Math.max(8, Math.round(points.length / 40));
  const queue = [];
  let sum = 0;
  return points.map(([x, y]) => {
    if (y == null) return [x, null];
    queue.push(y);
    sum += y;
    if (queue.length > width) sum -= queue.shift();
    return [x, sum / queue.length];
  });
}

export function last(points) {
  for (let i = points.length - 1; i >= 0; i--) if (points[i][1] != null) return points[i];
  return null;
}

export const lowest = (points) => points.reduce((best, one) => (best === null || one[1] < best[1] ? one : best), null);
