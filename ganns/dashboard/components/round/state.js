// What the picture shows of a round, and what each event changes in it. Pure: no clock, no drawing.

export const fresh = () => ({ round: null, version: null, quorum: 0, open: false, units: [], images: null, late: 0 });

// How often is counted, of each unit, from its state.
const IN = ["submitted", "accepted"];
export const numIn = (state) => state.units.filter((unit) => IN.includes(unit.state)).length;
// "5 of 8", "8 of 8, and 1 more"
export function counted(state) {
  const [count, quorum] = [numIn(state), state.quorum];
  return count > quorum ? `${quorum} of ${quorum}, and ${count - quorum} more` : `${count} of ${quorum}`;
}
export const numOf = (state, ...states) => state.units.filter((unit) => states.includes(unit.state)).length;

// Take over the truth: the "run" message is read from the tables, events are hints.
export function show(state, run) {
  state.version = run.version;
  state.images = run.images;
  const one = run.rounds.find((round) => round.open) ?? run.rounds.at(-1);
  if (one) Object.assign(state, begun(one), { open: one.open });
}

const begun = (one) => ({
  round: one.round,
  quorum: one.quorum,
  units: one.units.map(({ unit, state, worker }) => ({ unit, state, worker })),
});

const BECOMES = {
  claimed: "computing",
  submitted: "submitted",
  refused: "refused",
  requeued: "waiting",
  skipped: "skipped",
  late: "late",
};
const AT_CLOSE = { submitted: "accepted", waiting: "cancelled", computing: "cancelled", refused: "cancelled" };

// Change the state as the event says; `run` is the newest "run" message, `who` the worker's name.
export function apply(state, event, who, run) {
  if (event.event === "opened") return open(state, event.round, run);
  if (event.event === "late") state.late += 1;
  if (event.round !== state.round) return;
  if (event.event === "closed") return close(state, run);
  const unit = state.units.find((one) => one.unit === event.unit);
  if (!unit || !BECOMES[event.event]) return;
  unit.state = BECOMES[event.event];
  if (["claimed", "submitted", "late"].includes(event.event)) unit.worker = who;
  if (["refused", "requeued"].includes(event.event)) unit.worker = "";
}

// With `strategy.pipeline` two rounds are open; the older one is shown until it closes.
function open(state, round, run) {
  if (state.open && run?.config?.strategy?.pipeline && round > state.round) return;
  const known = run?.rounds.find((one) => one.round === round);
  const units = (known ?? state).units.map(({ unit }) => ({ unit, state: "waiting", worker: "" }));
  Object.assign(state, { round, open: true, units, quorum: known?.quorum ?? state.quorum, version: round });
}

function close(state, run) {
  state.open = false;
  state.version = state.round + 1;
  for (const unit of state.units) unit.state = AT_CLOSE[unit.state] ?? unit.state;
  const next = run?.config?.strategy?.pipeline && run.rounds.find((one) => one.open && one.round > state.round);
  if (next) Object.assign(state, begun(next), { open: true });
}
