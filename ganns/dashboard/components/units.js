// The open rounds, unit by unit, and the last closed round.

import { number, seconds } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";

// Each state has a sign and a word, so that colour alone does not matter.
const STATES = {
  accepted: { sign: "✓", says: "accepted: its result is part of the new version" },
  submitted: { sign: "↑", says: "submitted: its result has arrived" },
  computing: { sign: "▶", says: "computing: a worker computes it" },
  waiting: { sign: "…", says: "waiting for a worker" },
  refused: { sign: "✕", says: "refused: its result failed the checks; another worker will compute it" },
  late: { sign: "◷", says: "late: the round was complete without it; its worker gets credit for the effort" },
  skipped: { sign: "⤳", says: "skipped: three attempts failed, so the round continues without it" },
  cancelled: { sign: "○", says: "cancelled: the round was complete before its result came" },
};
const HELPS = ["submitted", "accepted"];

export default {
  template: `<section class="quorum" aria-labelledby="rounds-title">
    <div class="head"><h2 id="rounds-title">{{ open.length > 1 ? "The open rounds" : "The open round" }}</h2>
      <label class="sort"><input type="checkbox" v-model="byWorker"> by worker</label></div>
    <p v-if="!open.length" class="soft nothing-open">{{ why }}</p>
    <div v-for="round in rounds" :key="round.round" :class="['of-round', round.open ? 'open' : 'closed']">
      <div class="of-round-line"><strong>Round {{ number(round.round) }}</strong>
        <span class="count">{{ says(round) }}</span>
        <progress v-if="round.open" :max="round.quorum" :value="helped(round)" :aria-label="'Quorum of round ' + round.round"></progress>
      </div>
      <ul v-if="round.units.length" class="units" :aria-label="'Units of round ' + round.round">
        <li v-for="unit in sorted(round.units)" :key="unit.unit" :class="['unit', unit.state]" :title="told(unit)">
          <span class="sign" aria-hidden="true"><icon :sign="states[unit.state].sign" /></span>
          <span class="who" aria-hidden="true">{{ unit.worker || "unit " + unit.unit }}</span>
          <span class="visually-hidden">{{ told(unit) }}</span></li>
      </ul>
    </div>
    <ul v-if="counts.length" class="signs">
      <li v-for="[name, num] in counts" :key="name" :class="name">
        <span class="sign" aria-hidden="true"><icon :sign="states[name].sign" /></span>{{ name }} <strong>{{ num }}</strong></li>
    </ul>
    <details class="meanings"><summary>What the signs mean</summary>
      <ul><li v-for="(state, name) in states" :key="name" :class="name">
        <span class="sign" aria-hidden="true"><icon :sign="state.sign" /></span>{{ state.says }}</li></ul>
    </details>
  </section>`,
  components: { icon: Icon },
  props: { run: Number },
  data: () => ({ rounds: [], byWorker: false, why: "Loading.", states: STATES }),
  computed: {
    open() {
      return this.rounds.filter((round) => round.open);
    },
    counts() {
      const units = (this.open.length ? this.open : this.rounds).flatMap((round) => round.units);
      const count = (name) => units.filter((unit) => unit.state === name).length;
      return Object.keys(STATES).map((name) => [name, count(name)]).filter(([, num]) => num);
    },
  },
  mounted() {
    this.off = on("run", (run) => {
      if (run.run !== this.run) return;
      this.rounds = run.rounds.toSorted((a, b) => b.open - a.open || a.round - b.round);
      this.why = nothingOpen(run);
    });
  },
  unmounted() {
    this.off();
  },
  methods: {
    number,
    helped: (round) => round.units.filter((unit) => HELPS.includes(unit.state)).length,
    says(round) {
      const num = this.helped(round);
      // A round that was restored from a backup has no units.
      const closed = `closed after ${seconds(round.age_s)}`;
      if (!round.open) return round.units.length ? `${closed} with ${num} of ${round.quorum}` : closed;
      const end = round.deadline_s == null ? "" : `, closes in at most ${seconds(Math.max(0, round.deadline_s))}`;
      return `${num} of ${round.quorum} results${end}`;
    },
    sorted(units) {
      if (!this.byWorker) return units;
      return units.toSorted((a, b) => !a.worker - !b.worker || a.worker.localeCompare(b.worker) || a.unit - b.unit);
    },
    told(unit) {
      const who = unit.worker ? `, ${unit.worker}` : "";
      const time = unit.seconds == null ? "" : `, ${seconds(unit.seconds)}`;
      const again = unit.num_refused ? `, refused ${unit.num_refused}× before` : "";
      return `Unit ${unit.unit}, ${number(unit.images)} images${who}${time}${again}. ${STATES[unit.state].says}`;
    },
  },
};

function nothingOpen(run) {
  if (run.state !== "open") return "The run is over: no round is open.";
  if (run.wanted === "pause") return "The run is paused: the next round opens when an instructor resumes it.";
  return run.coordinated ? "The next round opens soon." : "No coordinator is there to open a round.";
}
