// Sliders for the attributes of a conditional model, and faces that its newest or best version draws with them.

import { ask, base } from "ganns/ask.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";

const PAUSE_MS = 150;

export default {
  template: `<section v-if="names.length" class="card attributes" aria-labelledby="attributes-title">
    <h2 id="attributes-title">Choose attributes</h2>
    <div class="chosen">
      <div class="faces" :class="{ waiting }">
        <img v-if="shown" :src="shown" :alt="alt">
        <p v-else class="soft">{{ said || "Move a slider, and the model draws sixteen faces." }}</p>
      </div>
      <div class="sliders">
        <label v-for="(name, i) in names" :key="name"><span>{{ words(name) }}</span>
          <input type="range" min="0" max="1" step="0.05" v-model.number="values[i]" :aria-valuetext="percent(values[i])" @input="soon">
          <output>{{ percent(values[i]) }}</output></label>
        <div class="controls">
          <button type="button" @click="reset">none of them</button>
          <button v-if="bestVersion !== null" type="button" :aria-pressed="best" @click="turn"><icon sign="★" /> best version</button>
        </div>
        <p class="soft" role="status">{{ shown && said ? said : "Always the same sixteen kinds of noise: only the attributes change." }}</p>
      </div>
    </div>
  </section>`,
  components: { icon: Icon },
  props: { run: Number },
  data: () => ({ names: [], values: [], version: 0, bestVersion: null, best: false, shown: "", said: "", waiting: false }),
  computed: {
    alt() {
      const there = this.names.filter((_, i) => this.values[i] > 0.5).map(this.words);
      return `Sixteen generated faces: ${there.length ? there.join(", ") : "none of the attributes"}`;
    },
  },
  mounted() {
    this.off = on("run", (run) => {
      if (run.run !== this.run) return;
      const model = run.config.model ?? {};
      const names = model.conditional ? model.attributes.split(",").map((name) => name.trim()) : [];
      if (names.join() !== this.names.join()) {
        this.names = names;
        this.values = names.map(() => 0);
      }
      this.version = run.version;
      this.bestVersion = run.best_version ?? null;
    });
  },
  unmounted() {
    this.off();
    clearTimeout(this.timer);
    this.forget();
  },
  methods: {
    percent: (value) => `${Math.round(100 * value)} %`,
    words: (name) => name.replaceAll("_", " ").toLowerCase(),
    reset() {
      this.values = this.names.map(() => 0);
      this.draw();
    },
    turn() {
      this.best = !this.best;
      this.draw();
    },
    // A slider sends an event for each step: ask when it rests.
    soon() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.draw(), PAUSE_MS);
    },
    // One request at a time; the old picture stays until the new one is there.
    async draw() {
      if (this.waiting) {
        this.again = true;
        return;
      }
      this.waiting = true;
      this.again = false;
      const version = this.best ? this.bestVersion : this.version;
      const query = `labels=${this.values.map((value) => +value.toFixed(2)).join(",")}&version=${version}&best=${this.best}`;
      const { trouble, response } = await ask(`${base()}/drawn/${this.run}.webp?${query}`);
      if (response) {
        this.forget();
        this.shown = URL.createObjectURL(await response.blob());
      }
      this.said = trouble ?? "";
      this.waiting = false;
      if (this.again) this.draw();
    },
    forget() {
      if (this.shown) URL.revokeObjectURL(this.shown);
    },
  },
};
