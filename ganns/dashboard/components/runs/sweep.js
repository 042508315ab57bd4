// What there is to say of a sweep's points. Pure functions.

// The distances in the order in which the runs ended, and the lowest so far: [{ run, swd, best }].
export function soFar(points) {
  let best = Infinity;
  return points
    .filter((one) => one.best_swd != null && one.state !== "open")
    .sort((a, b) => a.finished_at - b.finished_at || a.run - b.run)
    .map((one) => ({ run: one.run, swd: one.best_swd, best: (best = Math.min(best, one.best_swd)) }));
}

// The best first; those without a distance behind them.
export const ranked = (points) =>
  [...points].sort((a, b) => (a.best_swd ?? Infinity) - (b.best_swd ?? Infinity) || a.run - b.run);

// What changes while a sweep is trained: rows of "runs" over the points that the page began with.
export function updated(points, runs) {
  const rows = new Map(runs.map((one) => [one.run, one]));
  return points.map((one) => {
    const row = rows.get(one.run);
    if (!row) return one;
    const { state, coordinated, wanted, version, images, best_version, best_swd, finished_at } = row;
    return { ...one, state, coordinated, wanted, version, images, best_version, best_swd, finished_at };
  });
}
