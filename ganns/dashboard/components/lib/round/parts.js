// The parts of the picture that do not move: {key, box, style, title, line, squares, full}.

import { counted, numIn, numOf } from "./state.js";

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
  const [count, { quorum, units }] = [numIn(state), state];
  const drawer = (key) => ({ key, box: plan.boxes[key], style: "drawer" });
  const part = (key, title, line = "", more = {}) => ({ ...drawer(key), title, line, ...more });
  const queue = joined([numOf(state, "waiting", "refused"), "waiting"], [numOf(state, "computing"), "computing"]);
  const bad = [numOf(state, "refused"), "refused"];
  const more = plan.wide ? counted(state) : `${quorum} of ${quorum} + ${count - quorum}`;
  const results = count > quorum ? more : `${counted(state)} results`;
  const needed = Array.from({ length: quorum }, (_, i) => (i < count ? "accepted" : "waiting"));
  return [
    part("coordinator", "Coordinator", doing(state), { style: "actor" }),
    part("version", `version ${shown(state.version)}`, "", { style: "inner" }),
    part("quorum", quorum ? results : "quorum", "", {
      style: "inner",
      full: quorum ? Math.min(1, count / quorum) : 0,
    }),
    part("notify", "NOTIFY", "", { style: "pill" }),
    part("database", "PostgreSQL", "", { style: "actor" }),
    part("versions", "versions", state.version === null ? "" : `the newest is ${shown(state.version)}`),
    part("rounds", "rounds", state.round === null ? "" : `${shown(state.round)} is ${state.open ? "open" : "closed"}`),
    part("jobs", "jobs", queue || (units.length ? "all done" : ""), { squares: units.map((unit) => unit.state) }),
    part("results", "results", joined([count, "in"], [numOf(state, "late"), "late"], bad), { squares: needed }),
    part("ledger", "ledger", state.images === null ? "" : `${shown(state.images)} images`),
  ];
}

// "unit 3", "units 3, 4", "5 units"
function named(numbers) {
  if (numbers.length > 3) return `${numbers.length} units`;
  return `unit${numbers.length === 1 ? "" : "s"} ${numbers.join(", ")}`;
}

// The line of a worker in the picture.
export function work(state, name) {
  const units = state.units.filter((unit) => unit.worker === name);
  const computing = units.filter((unit) => unit.state === "computing").map((unit) => unit.unit);
  if (computing.length) return { line: `computes ${named(computing)}`, busy: true };
  const sent = units.filter((unit) => ["submitted", "accepted"].includes(unit.state)).map((unit) => unit.unit);
  const late = units.filter((unit) => unit.state === "late").map((unit) => unit.unit);
  if (sent.length) return { line: `sent ${named(sent)}`, busy: false };
  return { line: late.length ? `late: ${named(late)}` : "waits", busy: false };
}

// A row of squares, one for each state; many squares are smaller.
function squares(plan, { box: { x, y, w }, squares }) {
  const [left, top, room] = plan.wide ? [x + 14, y + 62, w - 28] : [x + w - 158, y + 7, 146];
  const size = Math.max(2, Math.min(16, room / Math.max(1, squares.length) - 2));
  return squares.map((state, i) => ({ x: left + i * (size + 2), y: top, size, state }));
}

// The bar that shows how full the quorum is.
function bars({ box: { x, y, w, h }, full }) {
  const empty = { x: x + 12, y: y + h - 22, width: w - 24, height: 10 };
  return [empty, { ...empty, width: empty.width * full }];
}

// A part with the places of its texts, squares and bars, as SVG attributes.
export function placed(plan, part) {
  const { x, y, w, h } = part.box;
  const middle = { x: x + w / 2, y: y + h / 2 + (part.full === undefined ? 7 : -5), "text-anchor": "middle" };
  const corner = { x: x + 14, y: y + (plan.wide ? 30 : 23) };
  const at = ["inner", "pill"].includes(part.style) ? middle : corner;
  const actor = plan.wide ? { x: x + 14, y: y + h - 34 } : { x: x + w - 12, y: at.y, "text-anchor": "end" };
  return {
    ...part,
    label: [part.title, part.line].filter(Boolean).join(": "),
    outline: { x, y, width: w, height: h },
    at,
    under: part.style === "actor" ? actor : { x: x + 14, y: at.y + (plan.wide ? 24 : 21) },
    row: part.squares ? squares(plan, part) : [],
    bars: part.full === undefined ? [] : bars(part),
  };
}
