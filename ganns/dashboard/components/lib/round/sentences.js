// The last event as a sentence.

import { counted } from "./state.js";

// "ben", "ben and anna", "ben, anna and 3 others"
export function listed(names) {
  const all = [...new Set(names)];
  if (all.length <= 2) return all.join(" and ");
  if (all.length === 3) return `${all[0]}, ${all[1]} and ${all[2]}`;
  return `${all[0]}, ${all[1]} and ${all.length - 2} others`;
}

const begin = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// `group`: events of one kind; `names`: their workers; `state`: the state after them.
export function sentence(group, names, state) {
  const [first] = group;
  const one = group.length === 1;
  const who = listed(names) || "a worker";
  const units = one ? `unit ${first.unit}` : `${group.length} units`;
  const where = `of round ${first.round}`;
  switch (first.event) {
    case "opened": {
      const num = first.round === state.round ? state.units.length : 0;
      return num
        ? `Round ${first.round} began: ${num} units; ${state.quorum} results are enough.`
        : `Round ${first.round} began.`;
    }
    case "claimed":
      return `${who} took ${units} ${where}.`;
    case "submitted": {
      const count = first.round === state.round ? `: ${counted(state)}` : "";
      return `${who} submitted ${units} ${where}${count}.`;
    }
    case "refused":
      return `The result of ${units} ${where} was refused. ${one ? "It is" : "They are"} computed again.`;
    case "requeued":
      return `${begin(who)} is gone: ${units} ${where} ${one ? "waits" : "wait"} for another worker.`;
    case "late":
      return `Too late for round ${first.round}: ${units} from ${who}. Not applied, but recorded as effort.`;
    case "skipped":
      return `${begin(units)} ${where} ${one ? "was" : "were"} set aside: three attempts failed.`;
    case "closed":
      return `Round ${first.round} closed: version ${first.round + 1} is published.`;
    case "drawn":
      return `Samples of version ${first.version} were drawn.`;
    case "evaluated":
      return `Version ${first.version} was evaluated.`;
    case "joined":
      return `${begin(who)} joined.`;
  }
  return "";
}
