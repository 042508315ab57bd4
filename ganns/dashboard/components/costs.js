// The cost of a round: the mean time of the last rounds by what it was spent on, and the bytes sent in total.

import { column } from "ganns/drawing/points.js";
import { bytes, percent, seconds } from "ganns/format.js";
import { on } from "ganns/live.js";

const LAST = 20;
// In the order of a round.
const PARTS = [
  ["fetch", "blue", "a worker fetches the weights, unless it has them already"],
  ["load", "pink", "the worker loads its images"],
  ["compute", "green", "the worker computes: the useful part"],
  ["upload", "orange", "the worker uploads its result"],
  ["wait", "soft", "the round waits for workers to take its jobs, and for the slowest worker"],
  ["aggregate", "warn", "the coordinator adds up the results and makes one step"],
  ["publish", "ink", "the coordinator saves its state and uploads the new weights"],
];

export default {
  template: `<figure class="timeparts">
    <figcaption><span class="name">Where a round's time goes</span> <span v-if="rounds" class="soft">{{ title }}</span></figcaption>
    <p v-if="!rounds" class="soft">No values yet: the first ones come when a round closes.</p>
    <template v-else>
      <div class="bar" aria-hidden="true"><span v-for="part in parts" :key="part.name" :style="part.style"></span></div>
      <ul><li v-for="part in parts" :key="part.name">
        <span class="swatch" :style="{ background: part.style.background }"></span><strong>{{ part.name }}</strong>
        <span class="value">{{ part.time }}</span><span class="value">{{ part.share }}</span>
        <span class="soft says">{{ part.says }}</span></li></ul>
      <p class="soft traffic">In total, <strong>{{ up }}</strong> of results were sent to the coordinator, and <strong>{{ down }}</strong>
        of weights to the workers.</p>
    </template>
  </figure>`,
  props: { run: Number },
  data: () => ({ rounds: 0, means: {}, up: "", down: "" }),
  computed: {
    total() {
      return Object.values(this.means).reduce((sum, value) => sum + Math.max(0, value), 0);
    },
    title() {
      return `${seconds(this.total)} · the mean of ${this.rounds === 1 ? "one round" : `the last ${this.rounds} rounds`}`;
    },
    parts() {
      return PARTS.filter(([name]) => name in this.means).map(([name, color, says]) => {
        const share = Math.max(0, this.means[name]) / (this.total || 1);
        const style = { background: `var(--${color})`, flexGrow: share };
        return { name, says, style, time: short(Math.max(0, this.means[name])), share: percent(share) };
      });
    },
  },
  mounted() {
    this.off = on("history", ({ run, columns }) => {
      if (run !== this.run || !columns.round.length) return;
      this.up = bytes(column(columns, "bytes_up_total").at(-1));
      this.down = bytes(column(columns, "bytes_down_total").at(-1));
      this.rounds = Math.min(LAST, columns.round.length);
      this.means = {};
      for (const [name] of PARTS) {
        const some = (columns[`t_${name}`] ?? []).slice(-LAST).filter((value) => value !== null);
        if (some.length) this.means[name] = some.reduce((sum, value) => sum + value) / some.length;
      }
    });
  },
  unmounted() {
    this.off();
  },
};

// The wait is what is left of a round: it is below zero, and shown as 0, if units of one worker overlap, or rounds do; see
// docs/reference/metrics.md.
const short = (value) => (value < 0.9995 ? `${Math.round(value * 1000)} ms` : seconds(value));
