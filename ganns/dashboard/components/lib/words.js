// Words about runs and workers, and the addresses of pages. Pure functions.

import { base } from "./ask.js";
import { seconds } from "./format.js";

// ------------------------------------------------------------------------------------------------ addresses

// A name may contain any character.
export const runPage = (run) => `${base()}/run/${run}`;
export const personPage = (name) => `${base()}/people/${encodeURIComponent(name)}`;
export const meAmongPeople = (name) => `${base()}/people?me=${encodeURIComponent(name)}`;
export const sweepPage = (key) => `${base()}/sweeps/${encodeURIComponent(key)}`;
export const comparison = (runs) => `${base()}/compare?${runs.map((run) => `run=${run}`).join("&")}`;
export const grid = (run, version) => `${base()}/samples/${run}/${version}.webp`;

// ----------------------------------------------------------------------------------------------------- runs

// Whether no round of a run goes on, from its message "run": it is over, paused, or has no coordinator or no worker.
export function isResting(run) {
  if (run.state !== "open" || !run.coordinated || run.workers_alive === 0) return true;
  return run.wanted === "pause" && !run.rounds.some((round) => round.open);
}

// -------------------------------------------------------------------------------------------------- workers

// { key, text }: whether it is connected. The database does not know why a machine is silent: asleep, moved, or unplugged.
export function presence(one) {
  if (one.silent_s === null || one.silent_s === undefined) return { key: "left", text: "left" };
  if (!one.alive) return { key: "silent", text: `silent for ${seconds(one.silent_s)}` };
  return one.draining ? { key: "draining", text: "leaves after this unit" } : { key: "here", text: "here" };
}

// "NVIDIA T4", "cpu, 1 thread" or "cpu, 8 threads".
export function device(machine) {
  if (machine.gpu) return machine.gpu;
  if (!machine.device) return "–";
  return machine.device === "cpu" && machine.threads ? `cpu, ${machine.threads} thread${machine.threads > 1 ? "s" : ""}` : machine.device;
}

// Images per second of computing: in this run if it is known, otherwise as the worker measured it in any run.
export const speed = (one) => one.speed ?? one.images_per_s ?? null;

// The speed of a worker's link as the worker measured it: "9.8 up, 48 down Mbit/s"; "" before it has.
export function mbit(one) {
  const known = ["up", "down"].filter((way) => one[`${way}_mbit`] != null);
  return known.length ? `${known.map((way) => `${Number(one[`${way}_mbit`].toPrecision(3))} ${way}`).join(", ")} Mbit/s` : "";
}

export function computes(one, run) {
  if (one.alive && one.preparing && !one.computes) return one.preparing;
  if (!one.computes || !one.alive) return "";
  const { round, unit } = one.computes;
  return one.computes.run === run ? `unit ${unit} of round ${round}` : `for run ${one.computes.run}`;
}

// The server counts the last 30 rounds only.
export const streak = (rounds) => (rounds >= 30 ? "30+" : rounds || "–");

// ---------------------------------------------------------------------------------------------------- times

// "3 min ago"; a phone's clock may be behind the server's.
export function ago(at, now) {
  const passed = Math.max(0, now - at);
  if (passed < 20) return "just now";
  if (passed < 60) return "less than a minute ago";
  if (passed < 5400) return `${Math.round(passed / 60)} min ago`;
  return passed < 36 * 3600 ? `${Math.round(passed / 3600)} h ago` : `${Math.round(passed / 86400)} days ago`;
}

export const when = (at) =>
  new Date(1000 * at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

export const time = (at) =>
  new Date(1000 * at).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
