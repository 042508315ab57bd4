// What stands in the picture: a part is {key, box, title, line, squares, bar, style}. What moves is not here.

import { numIn, numOf } from "./state.js";

const joined = (...pairs) =>
  pairs
    .filter(([count]) => count)
    .map(([count, word]) => `${count} ${word}`)
    .join(", ");

function doing(state) {
  if (state.round === null) return "waits for a run";
  if (!state.open) return "no round is open";
  const count = numIn(state);
  return count >= state.quorum ? "adds them, takes one step" : "waits for results";
}

// "41" or a dash.
const shown = (value) => (value === null ? "–" : value.toLocaleString("en"));

export function parts(plan, state) {
  const count = numIn(state);
  const { boxes } = plan;
  const part = (key, title, line = "", more = {}) => ({ key, box: boxes[key], title, line, ...more });
  return [
    part("coordinator", "Coordinator", doing(state), { style: "actor", beside: !plan.wide }),
    part("version", `version ${shown(state.version)}`, "", { style: "inner" }),
    part("quorum", `${count} of ${state.quorum || "–"} results`, "", { style: "inner", bar: state.quorum ? Math.min(1, count / state.quorum) : 0 }),
    part("notify", "NOTIFY", "", { style: "pill" }),
    part("database", "PostgreSQL", "", { style: "actor" }),
    part("versions", "versions", state.version === null ? "" : `the newest is ${shown(state.version)}`),
    part("rounds", "rounds", state.round === null ? "" : `${shown(state.round)} is ${state.open ? "open" : "closed"}`),
    part(
      "jobs",
      "jobs",
      joined([numOf(state, "waiting", "refused"), "waiting"], [numOf(state, "computing"), "computing"]) ||
        (state.units.length ? "all done" : ""),
      { squares: state.units.map((unit) => unit.state) },
    ),
    part("results", "results", joined([count, "in"], [numOf(state, "late"), "late"], [numOf(state, "refused"), "refused"]), {
      squares: Array.from({ length: state.quorum }, (_, i) => (i < count ? "accepted" : "waiting")),
    }),
    part("ledger", "ledger", state.images === null ? "" : `${shown(state.images)} images`),
  ];
}

// "unit 3", "units 3, 4", "5 units"
function named(numbers) {
  if (numbers.length > 3) return `${numbers.length} units`;
  return `unit${numbers.length === 1 ? "" : "s"} ${numbers.join(", ")}`;
}

// What a worker of the picture does.
export function work(state, name) {
  const units = state.units.filter((unit) => unit.worker === name);
  const computing = units.filter((unit) => unit.state === "computing").map((unit) => unit.unit);
  if (computing.length) return { line: `computes ${named(computing)}`, busy: true };
  const sent = units.filter((unit) => ["submitted", "accepted"].includes(unit.state)).map((unit) => unit.unit);
  const late = units.filter((unit) => unit.state === "late").map((unit) => unit.unit);
  if (sent.length) return { line: `sent ${named(sent)}`, busy: false };
  return { line: late.length ? `too late with ${named(late)}` : "waits", busy: false };
}

// The states' squares in a row; smaller ones where they are many.
export function squares(plan, part) {
  const { x, y, w } = part.box;
  const [left, top, room] = plan.wide ? [x + 14, y + 62, w - 28] : [x + w - 158, y + 7, 146];
  const size = Math.min(16, room / Math.max(1, part.squares.length) - 2);
  return part.squares.map((state, i) => ({ x: left + i * (size + 2), y: top, size: Math.max(2, size), state }));
}
