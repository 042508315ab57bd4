// One name: its present credit in the newest run, and its history.

import { number, seconds } from "ganns/format.js";
import { on } from "ganns/live.js";
import { computes, device, mbit, meAmongPeople, presence, runPage, speed, streak, when } from "ganns/words.js";

const MAX_ROUNDS = 200; // of one run, in its strip

export default {
  template: `<div class="person">
    <section class="card" aria-label="Now">
      <p class="presence" :class="here.key">{{ here.text }}<template v-if="doing"> · {{ me.computes ? "computes" : "" }} {{ doing }}</template></p>
      <div class="figures">
        <div class="figure" v-for="one in figures" :key="one.label"><strong>{{ one.value }}</strong><span>{{ one.label }}</span></div>
      </div>
      <p class="soft"><a :href="meAmongPeople(history.name)">This is me</a>: mark my row among the people, in this browser.</p>
    </section>
    <section class="card" aria-labelledby="strips" v-if="strips.length">
      <h2 id="strips">The last units, round by round</h2>
      <div v-for="strip in strips" :key="strip.run" class="strip">
        <h3><a :href="runPage(strip.run)">Run {{ strip.run }}</a></h3>
        <p class="rounds" role="img" :aria-label="strip.summary"><span v-for="one in strip.rounds" :key="one.round" class="round"
          :title="one.title"><i v-for="(state, i) in one.states" :key="i" :class="state"></i></span></p>
      </div>
      <p class="soft key"><i class="accepted"></i> in time <i class="late"></i> extra effort
        <i class="undone"></i> undone, because the run went back <i class="none"></i> a round without a unit of this name</p>
    </section>
    <section class="card" aria-labelledby="of-runs" v-if="history.runs.length">
      <h2 id="of-runs">Runs</h2>
      <table class="rows" role="table" aria-labelledby="of-runs"><thead role="rowgroup"><tr role="row">
        <th v-for="(number, name) in heads" :key="name" scope="col" role="columnheader" :class="{ number }">{{ name }}</th></tr></thead>
        <tbody role="rowgroup"><tr v-for="one in history.runs" :key="one.run" role="row">
          <th scope="row" role="rowheader"><a :href="runPage(one.run)">Run {{ one.run }}</a> <span class="name">{{ one.name }}</span></th>
          <td role="cell" class="number" data-label="images"><span class="bar" :style="{ width: bar(one) }"
            aria-hidden="true"></span>{{ number(one.images) }}</td>
          <td role="cell" class="number" data-label="units">{{ number(one.units) }}</td>
          <td role="cell" class="number" data-label="extra effort">{{ one.late ? "+" + number(one.late) : "–" }}</td>
          <td role="cell" class="number" data-label="computed for">{{ seconds(one.compute_s) }}</td>
          <td role="cell" class="broad" data-label="last unit">{{ when(one.last_at) }}</td></tr></tbody></table>
    </section>
    <section class="card" aria-labelledby="joined">
      <h2 id="joined">Joined</h2>
      <ul class="joined"><li v-for="one in history.joined.slice(0, 12)" :key="one.at">{{ when(one.at) }}
        <span class="soft">{{ machine(one.machine) }}</span></li></ul>
      <p class="soft" v-if="history.joined.length > 12">and {{ history.joined.length - 12 }} earlier times</p>
    </section>
  </div>`,
  props: { history: Object, run: Number },
  data: () => ({ people: null, heads: { Run: false, Images: true, Units: true, "Extra effort": true, "Computed for": true, "Last unit": false } }),
  computed: {
    me() {
      return this.people?.find((one) => one.name === this.history.name);
    },
    here() {
      return this.people ? presence(this.me ?? {}) : { key: "", text: "…" };
    },
    doing() {
      return this.me && computes(this.me, this.run);
    },
    figures() {
      const me = this.me ?? {};
      const rank = 1 + (this.people ?? []).filter((one) => one.images > me.images).length;
      return [
        { label: this.run ? `images in run ${this.run}` : "images", value: number(me.images) },
        { label: "rank", value: me.images ? `${rank} of ${this.people.filter((one) => one.images).length}` : "–" },
        { label: "units", value: number(me.units) },
        { label: "rounds in a row", value: streak(me.streak ?? 0) },
        { label: "units of extra effort", value: number(me.late) },
        { label: "images/s while computing", value: number(speed(me)) },
        { label: "network time of a unit", value: me.link_s == null ? "–" : `${Math.round(1000 * me.link_s)} ms` },
        { label: "link", value: mbit(me) || "–" },
      ];
    },
    strips() {
      const runs = new Map();
      for (const unit of this.history.units) {
        if (!runs.has(unit.run)) runs.set(unit.run, []);
        runs.get(unit.run).push(unit);
      }
      return [...runs].map(([run, units]) => strip(run, units));
    },
  },
  methods: {
    meAmongPeople, number, runPage, seconds, when,
    bar(one) {
      return `${(60 * one.images) / Math.max(1, ...this.history.runs.map((other) => other.images))}%`;
    },
    machine({ memory_mb, system, torch, ...rest }) {
      const memory = memory_mb ? `${number(memory_mb / 1000)} GB` : null;
      const [kind, version] = [system?.split("-")[0], torch?.split("+")[0]]; // without the kernel and the build
      return [device(rest), memory, kind, version && `torch ${version}`].filter(Boolean).join(", ");
    },
  },
  mounted() {
    this.off = on("people", (message) => {
      if (message.run === this.run) this.people = message.people;
    });
  },
  unmounted() {
    this.off();
  },
};

const stateOf = (unit) => (unit.undone ? "undone" : unit.accepted ? "accepted" : "late");

function strip(run, units) {
  const last = units[0].round;
  const first = Math.max(Math.min(...units.map((unit) => unit.round)), last - MAX_ROUNDS + 1);
  const rounds = [];
  for (let round = first; round <= last; round++) rounds.push({ round, states: [], title: `round ${round}` });
  for (const unit of units) {
    const one = rounds[unit.round - first];
    if (!one) continue;
    one.states.push(stateOf(unit));
    one.title += `, unit ${unit.unit}: ${unit.images} images in ${seconds(unit.compute_s)}`;
  }
  const there = rounds.filter((one) => one.states.length).length;
  const count = (state) => rounds.reduce((all, one) => all + one.states.filter((s) => s === state).length, 0);
  const summary = `Rounds ${first} to ${last}: units in ${there} of ${rounds.length} rounds; ${count("accepted")} in time, ${count("late")} extra effort.`;
  return { run, rounds: rounds.map((one) => (one.states.length ? one : { ...one, states: ["none"] })), summary };
}
