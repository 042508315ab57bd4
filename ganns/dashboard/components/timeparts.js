// Where a round's time goes: the mean of the last rounds, as a bar and in sentences.

import { on } from "ganns-live";
import { percent, seconds } from "ganns-live/format.js";

const LAST = 20;
// In the order in which they happen.
const PARTS = [
  ["fetch", "blue", "a worker gets the weights; next to nothing when it has them already"],
  ["load", "pink", "it loads its images"],
  ["compute", "green", "it computes: what all the rest is for"],
  ["upload", "orange", "it waits for its result to be uploaded"],
  ["wait", "soft", "waiting for jobs to be fetched and for the slowest worker"],
  ["aggregate", "warn", "the coordinator adds up the results and steps"],
  ["publish", "ink", "it saves the state and uploads the new weights"],
];

export default {
  template: `<figure class="timeparts">
    <figcaption><span class="name">Where a round's time goes</span> <span v-if="rounds" class="soft">{{ title }}</span></figcaption>
    <p v-if="!rounds" class="soft">Nothing yet: it is measured when a round is closed.</p>
    <template v-else>
      <div class="bar" aria-hidden="true"><span v-for="part in parts" :key="part.name" :style="part.style"></span></div>
      <ul><li v-for="part in parts" :key="part.name">
        <span class="swatch" :style="{ background: part.style.background }"></span><strong>{{ part.name }}</strong>
        <span class="value">{{ part.time }}</span><span class="value">{{ part.share }}</span>
        <span class="soft says">{{ part.says }}</span></li></ul>
    </template>
  </figure>`,
  props: { run: Number },
  data: () => ({ rounds: 0, means: {} }),
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
        return { name, says, style, time: short(this.means[name]), share: percent(share) };
      });
    },
  },
  mounted() {
    this.off = on("history", ({ run, columns }) => {
      if (run !== this.run) return;
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

// Negative where several units of a worker overlap, or rounds do; see docs/reference/metrics.md.
const short = (value) => (Math.abs(value) < 0.9995 ? `${Math.round(value * 1000)} ms` : seconds(value));
