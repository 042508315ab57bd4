// What is said of a run in a list. Pure functions of a row of "runs".

// [sign, kind, words]; the page of a run says more, and what to type.
export function state(run) {
  if (run.state === "finished") return ["✓", "good", "finished"];
  if (run.state === "diverged") return ["✕", "bad", "diverged"];
  if (!run.coordinated) return ["■", "warn", "stopped"];
  if (run.wanted === "pause") return ["⏸", "warn", "paused"];
  return run.wanted === "stop" ? ["■", "warn", "stopping"] : ["●", "good", "training"];
}

export const when = (at) =>
  new Date(1000 * at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

const base = () => window.path_prefix ?? "";
export const pageOf = (run) => `${base()}/run/${run}`;
export const sweepPage = (key) => `${base()}/sweeps/${encodeURIComponent(key)}`;
export const comparison = (runs) => `${base()}/compare?${runs.map((run) => `run=${run}`).join("&")}`;
