// Several runs side by side: their grids at the same point of the training, and their results.

import { judged } from "ganns/distance.js";
import { PALETTE } from "ganns/drawing/lines.js";
import { decimal, number, seconds } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { grid, runPage } from "ganns/words.js";

const STEPS = 200; // of the slider, for "the same part of each run"
const WAYS = { part: "the same part of each run", version: "the same version" };

export default {
  template: `<div class="beside-runs">
    <section class="card" aria-labelledby="samples">
      <div class="head"><h2 id="samples">Samples</h2>
        <fieldset class="choice"><legend>Compare at</legend><label v-for="(name, key) in ways" :key="key">
          <input type="radio" name="ganns-way" :value="key" :checked="key === way" @change="choose(key)"><span>{{ name }}</span></label>
        </fieldset></div>
      <div class="slide"><input type="range" :min="0" :max="steps" :value="at" @input="at = +$event.target.value"
        :aria-label="ways[way]" :aria-valuetext="where"><output>{{ where }}</output></div>
      <div class="grids" :style="{ '--runs': runs.length }"><figure v-for="one in shown" :key="one.run">
        <figcaption><span class="swatch" :style="{ background: 'var(--' + one.color + ')' }"></span><a :href="runPage(one.run)">{{
          one.label }}</a> <span class="soft">{{ one.version === null ? "" : "version " + number(one.version) }}</span></figcaption>
        <img v-if="one.version !== null" :src="one.src" :alt="'Samples of ' + one.label + ', version ' + one.version"
          @error="lost(one)" @load="sharpen">
        <p v-else class="soft">{{ one.known ? "No samples up to this point." : "…" }}</p></figure></div>
    </section>
    <section class="card" aria-labelledby="outcome">
      <h2 id="outcome">Results</h2>
      <table class="rows" role="table" aria-labelledby="outcome"><thead role="rowgroup"><tr role="row"><th v-for="head in heads"
        :key="head[0]" role="columnheader" scope="col" :class="head[1]">{{ head[0] }}</th></tr></thead>
        <tbody role="rowgroup"><tr v-for="one in shown" :key="one.run" role="row">
          <th role="rowheader" scope="row"><span class="swatch" :style="{ background: 'var(--' + one.color + ')' }"></span><a
            :href="runPage(one.run)">{{ one.label }}</a> <span class="name">{{ one.known?.name }}</span></th>
          <td role="cell" data-label="state">{{ one.known?.wording.word ?? "–" }}</td>
          <td role="cell" class="number" data-label="version">{{ number(one.known?.version) }}</td>
          <td role="cell" class="number" data-label="images">{{ number(one.known?.images) }}</td>
          <td role="cell" class="number" data-label="trained for">{{ seconds(one.known?.seconds) }}</td>
          <td role="cell" class="number" data-label="best distance"><strong v-if="one.best">{{ decimal(one.distance) }} <icon sign="✓" /> lowest</strong>
            <template v-else>{{ decimal(one.distance) }}</template></td>
          <td role="cell" class="number" data-label="of version">{{ one.distance == null ? "–" : number(one.known.best_version) }}</td>
        </tr></tbody></table>
    </section>
  </div>`,
  components: { icon: Icon },
  props: { runs: Array, labels: Array },
  data: () => ({
    known: {}, // run -> its newest "run" message
    gone: {}, // "7/120" -> true: deleted meanwhile
    way: "part",
    at: STEPS,
    ways: WAYS,
    heads: [
      ["Run"], ["State"], ["Version", "number"], ["Images", "number"], ["Trained for", "number"],
      ["Best distance", "number"], ["Of version", "number"],
    ],
  }),
  computed: {
    // All versions with a grid in any of the runs
    versions() {
      return [...new Set(this.runs.flatMap((run) => this.known[run]?.samples ?? []))].sort((a, b) => a - b);
    },
    steps() {
      return this.way === "part" ? STEPS : Math.max(0, this.versions.length - 1);
    },
    where() {
      if (this.way === "part") return `${Math.round((100 * this.at) / STEPS)} %`;
      return this.versions.length ? `version ${number(this.versions[Math.min(this.at, this.steps)])}` : "–";
    },
    shown() {
      const distances = judged(this.runs.map((run) => this.known[run])).map((one) => one.distance);
      const lowest = Math.min(...distances.filter((one) => one !== null));
      return this.runs.map((run, i) => {
        const known = this.known[run];
        const version = known ? this.newest(known) : null;
        const src = grid(run, version);
        const [distance, several] = [distances[i], distances.filter((one) => one !== null).length > 1];
        const best = several && distance === lowest;
        return { run, known, version, src, best, distance, label: this.labels[i], color: PALETTE[i % PALETTE.length] };
      });
    },
  },
  methods: {
    decimal, number, seconds, runPage,
    // The last grid before the position of the slider
    newest(known) {
      const part = this.way === "part" ? (known.version * this.at) / STEPS : this.versions[Math.min(this.at, this.steps)];
      return known.samples.filter((one) => one <= part && !this.gone[`${known.run}/${one}`]).at(-1) ?? null;
    },
    lost(one) {
      this.gone[`${one.run}/${one.version}`] = true;
    },
    // An enlarged grid shows its pixels; a smaller one is smoothed.
    sharpen({ target }) {
      target.classList.toggle("enlarged", target.naturalWidth < target.clientWidth);
    },
    choose(way) {
      this.way = way;
      this.at = this.steps;
    },
  },
  mounted() {
    this.off = on("run", (run) => {
      if (!this.runs.includes(run.run)) return;
      const last = this.at === this.steps;
      this.known[run.run] = Object.freeze(run);
      if (last) this.at = this.steps; // at its end, the slider follows the training
    });
  },
  unmounted() {
    this.off();
  },
};
