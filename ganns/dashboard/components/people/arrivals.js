// Who came and who went, from one "people" message to the next. What was before the page was opened is not known, but for
// when each worker joined.

import { presence } from "./words.js";

const KEEP = 6;

export class Arrivals {
  constructor() {
    this.before = null; // name -> [presence, times joined]
    this.list = []; // newest first: { name, what, at }
  }

  update(people, now) {
    const found = new Map(people.map((one) => [one.name, { key: presence(one).key, times: one.times_joined ?? 0 }]));
    if (this.before === null) this.list = people.filter((one) => one.alive && one.joined_at).map(joined);
    else
      for (const one of people) {
        const what = change(this.before.get(one.name), found.get(one.name));
        if (what) this.list.push({ name: one.name, what, at: what === "joined" ? one.joined_at : now });
      }
    this.before = found;
    this.list = this.list.sort((a, b) => b.at - a.at).slice(0, KEEP);
    return this.list;
  }
}

const joined = (one) => ({ name: one.name, what: "joined", at: one.joined_at });
const there = (one) => one?.key === "here" || one?.key === "draining";

function change(before, after) {
  if (there(after) && (!before || after.times > before.times)) return "joined";
  if (there(after) && !there(before)) return "is back";
  if (before && after.key !== before.key && after.key === "left") return "left";
  return there(before) && after.key === "silent" ? "fell silent" : null;
}
