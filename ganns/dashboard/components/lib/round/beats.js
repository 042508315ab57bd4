// What is drawn for an event: one to three beats, each with its step of the round and the things that move.
//
// A beat: {step, moves(state, names), applies}. The state and the caption change in the beat that `applies`.
// A move: {kind, text, from, to, via}; places are the names of layout.js, or "worker:ben".

const MAX_MOVES = 8; // at once

const each = (group, fn) => group.slice(0, MAX_MOVES).map(fn);
const numbers = (state) => state.units.slice(0, MAX_MOVES).map((unit) => ({ unit: unit.unit }));
const still = () => [];

const DRAW = {
  opened: (group) => [
    {
      step: 1,
      applies: true,
      moves: (state) => [
        { kind: "begun", text: group[0].round, from: "coordinator", to: "rounds" },
        ...each(numbers(state), ({ unit }) => ({ kind: "job", text: unit, from: "coordinator", to: "jobs" })),
      ],
    },
  ],
  claimed: (group) => [
    {
      step: 2,
      applies: true,
      moves: (_, names) =>
        each(group, ({ unit }, i) => ({ kind: "job", text: unit, from: "jobs", to: `worker:${names[i]}` })),
    },
    {
      step: 3,
      moves: (state, names) =>
        [...new Set(names)].slice(0, MAX_MOVES).map((name) => ({
          kind: "weights",
          text: `v${state.version ?? group[0].round}`,
          from: "versions",
          to: `worker:${name}`,
        })),
    },
    { step: 4, moves: still },
  ],
  submitted: (group) => [
    {
      step: 5,
      moves: (_, names) =>
        each(group, ({ unit }, i) => ({ kind: "result", text: unit, from: `worker:${names[i]}`, to: "results" })),
    },
    {
      step: 6,
      applies: true,
      moves: () => [{ kind: "notification", text: "!", from: "results", to: "coordinator", via: "notify" }],
    },
  ],
  refused: (group) => [
    {
      step: 6,
      applies: true,
      moves: () =>
        each(group, ({ unit }) => ({ kind: "refused", text: unit, from: "results", to: "jobs", via: "coordinator" })),
    },
  ],
  requeued: (group) => [
    {
      step: 2,
      applies: true,
      moves: (_, names) =>
        each(group, ({ unit }, i) => ({ kind: "late", text: unit, from: `worker:${names[i]}`, to: "jobs" })),
    },
  ],
  skipped: (group) => [
    {
      applies: true,
      moves: () => each(group, ({ unit }) => ({ kind: "refused", text: unit, from: "jobs", to: "ledger" })),
    },
  ],
  late: (group) => [
    {
      applies: true,
      // A spare's result may be stored already when the round closes; a later one is refused by the database.
      moves: (state, names) =>
        each(group, ({ round, unit }, i) => {
          const there = state.units.some((one) => one.unit === unit && one.state === "submitted");
          return there && round === state.round
            ? { kind: "late", text: unit, from: "results", to: "ledger" }
            : { kind: "late", text: unit, from: `worker:${names[i]}`, to: "ledger", via: "results" };
        }),
    },
  ],
  closed: (group) => [
    {
      step: 6,
      moves: (state) =>
        state.units
          .filter((unit) => unit.state === "submitted")
          .slice(0, MAX_MOVES)
          .map(({ unit }) => ({ kind: "result", text: unit, from: "results", to: "coordinator" })),
    },
    {
      step: 7,
      applies: true,
      moves: () => [
        { kind: "version", text: `v${group[0].round + 1}`, from: "coordinator", to: "versions" },
        { kind: "result", text: "+", from: "coordinator", to: "ledger" },
      ],
    },
  ],
};

export const KNOWN = new Set([...Object.keys(DRAW), "drawn", "evaluated", "joined"]);

export function beats(group) {
  const drawn = DRAW[group[0].event]?.(group) ?? [{ applies: true, moves: still }];
  return drawn.map((beat) => ({ group, ...beat }));
}

const BARRIERS = ["opened", "closed", "requeued", "refused"];

// Group the events of one message by kind and round, unless their order matters.
export function grouped(events) {
  const groups = [];
  for (const event of events) {
    let at = groups.length - 1;
    while (at >= 0 && !same(groups[at][0], event)) at = BARRIERS.includes(groups[at][0].event) ? -1 : at - 1;
    if (at >= 0 && event.unit !== undefined) groups[at].push(event);
    else groups.push([event]);
  }
  return groups;
}

const same = (a, b) => a.event === b.event && a.round === b.round;
