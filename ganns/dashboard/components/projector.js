// One screen for a projector: the newest faces, the state, three figures, one curve (placed inside), and what is wrong.

import { formats } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { grid, isResting, runPage } from "ganns/words.js";

// A finding in as few words as ten metres allow; the page of the run has the sentence and the remedy.
const SHORT = {
  won: "D has won: G learns little",
  guessing: "D only guesses",
  exploded: "The losses explode",
  alike: "G's modes have collapsed",
  stalled: "No round closes",
};

export default {
  template: `<div class="projector">
    <div class="projector-title">
      <h1><a :href="runPage(run)">{{ name }}</a></h1>
      <p class="word" :class="words.kind" role="status"><icon :sign="words.sign" /> {{ words.word }}</p>
    </div>
    <div class="projector-faces">
      <img v-if="shown" :src="shown" :alt="'Images of version ' + version + ' of the model'" :class="{ enlarged }" @load="measure">
      <p v-else>No samples yet.</p>
    </div>
    <div class="projector-side">
      <div class="projector-figures"><div v-for="one in figures" :key="one.key" class="figure" :class="{ resting: rests(one) }">
        <strong>{{ value(one) }}</strong><span>{{ one.label }}</span></div></div>
      <p v-if="trouble" class="projector-health">{{ trouble }}</p>
      <div class="projector-curve"><slot></slot></div>
    </div>
  </div>`,
  components: { icon: Icon },
  props: { run: Number, name: String, figures: Array, speeds: Array },
  data: () => ({ now: null, shown: "", version: null, enlarged: false }),
  computed: {
    words() {
      return this.now?.wording ?? { sign: "…", kind: "", word: "loading" };
    },
    trouble() {
      const [first] = this.now?.health ?? [];
      // "3.8 s" stays on one line.
      return first && (SHORT[first.kind] ?? first.text).replace(/(\d) (s|min)\b/g, "$1\u00a0$2");
    },
  },
  methods: {
    runPage,
    rests(one) {
      return this.speeds.includes(one.key) && this.now !== null && isResting(this.now);
    },
    value(one) {
      return this.now === null || this.rests(one) ? "–" : formats[one.format](this.now[one.key]);
    },
    // The old picture stays until the new one is loaded.
    async show(version) {
      const image = new Image();
      image.src = grid(this.run, version);
      const loaded = await image.decode().then(() => true, () => false);
      if (loaded) [this.shown, this.version] = [image.src, version];
    },
    // An enlarged grid shows its pixels; a smaller one is smoothed.
    measure({ target }) {
      this.enlarged = target.clientWidth * window.devicePixelRatio > target.naturalWidth;
    },
  },
  mounted() {
    this.off = on("run", (run) => {
      if (run.run !== this.run) return;
      this.now = run;
      const newest = run.samples.at(-1);
      if (newest !== undefined && newest !== this.version) this.show(newest);
    });
  },
  unmounted() {
    this.off();
  },
};
