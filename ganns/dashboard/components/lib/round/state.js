// The state of a round that the picture shows, and what each event changes in it. No clock, no drawing.

const MAX_UNITS = 500; // a few rounds

// Adds the events that were lost: when another worker takes a unit, its job was queued again. And the new job of a refused
// unit needs no event of its own.
export class Interpreter {
  #last = new Map(); // "round:unit" -> {event, worker}

  // Return the events to show, in order.
  read(events) {
    return events.flatMap((event) => {
      if (event.unit === undefined) return [event];
      const key = `${event.round}:${event.unit}`;
      const before = this.#last.get(key);
      this.#last.delete(key); // moves it to the end: the oldest entries are dropped
      this.#last.set(key, event);
      if (this.#last.size > MAX_UNITS) this.#last.delete(this.#last.keys().next().value);
      if (event.event === "requeued" && before?.event === "refused") return [];
      if (event.event === "requeued" && before?.event === "claimed") return [{ ...event, worker: before.worker }];
      if (event.event !== "claimed" || before?.event !== "claimed") return [event];
      const { round, unit } = event;
      return [{ event: "requeued", round, unit, worker: before.worker }, event];
    });
  }
}

export const fresh = () => ({ round: null, version: null, quorum: 0, open: false, units: [], images: null, late: 0 });

// Counts of units by their state.
const IN = ["submitted", "accepted"];
export const numIn = (state) => state.units.filter((unit) => IN.includes(unit.state)).length;
// "5 of 8", "8 of 8, and 1 more"
export function counted(state) {
  const [count, quorum] = [numIn(state), state.quorum];
  return count > quorum ? `${quorum} of ${quorum}, and ${count - quorum} more` : `${count} of ${quorum}`;
}
export const numOf = (state, ...states) => state.units.filter((unit) => states.includes(unit.state)).length;

// Replace the state by that of the message "run", which comes from the tables; events are hints.
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

// Apply an event to the state; `run` is the newest message "run", `who` the worker's name.
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

// With `strategy.pipeline`, two rounds are open; the picture shows the older one until it closes.
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
