// The distance that judges runs: FID where each evaluated one has it, else the sliced Wasserstein distance, as in
// ganns/evaluation/ranking.py.

const NAMES = { best_fid: "FID", best_swd: "SWD" };

// Which field of these rows judges them, "best_fid" or "best_swd".
function judge(rows) {
  const evaluated = rows.filter((one) => one?.best_fid != null || one?.best_swd != null);
  return evaluated.length && evaluated.every((one) => one.best_fid != null) ? "best_fid" : "best_swd";
}

// The rows, each with its `distance`, or null.
export function judged(rows) {
  const key = judge(rows);
  return rows.map((one) => ({ ...one, distance: one?.[key] ?? null }));
}

// The name of the distance that judges these rows.
export const judgeName = (rows) => NAMES[judge(rows)];
