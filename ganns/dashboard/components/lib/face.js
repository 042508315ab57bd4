// One face of the grids: its way through the versions, D's answers to it, and a walk to another face. The noise is always
// the same, so a face keeps its place in each grid.

import { ask, base } from "./ask.js";
import { answer, percentOf, standIn, verdict } from "./face_words.js";
import Walk from "./face_walk.js";
import { number } from "./format.js";
import { grid } from "./words.js";

export const SIDE = 8; // faces in a row, and rows
const MAX_SHOWN = 12;
const PAUSE_MS = 300; // a slider or a film shows a version for a shorter time

// Which face is at a point of a square picture, from 0; `x` and `y` are parts of its side.
export function faceAt(x, y) {
  const place = (part) => Math.min(SIDE - 1, Math.max(0, Math.floor(part * SIDE)));
  return place(y) * SIDE + place(x);
}

// At most `MAX_SHOWN` versions, evenly spread; always the first and the last. Between them a kept version is taken rather
// than one beside it: D can be asked only there.
export function spread(versions, kept = []) {
  if (versions.length <= MAX_SHOWN) return versions;
  const step = (versions.length - 1) / (MAX_SHOWN - 1);
  return [...Array(MAX_SHOWN).keys()].map((i) => {
    const middle = Math.round(i * step);
    if (i === 0 || i === MAX_SHOWN - 1) return versions[middle];
    const near = versions.slice(Math.ceil((i - 0.5) * step), Math.ceil((i + 0.5) * step));
    return near.find((version) => kept.includes(version)) ?? versions[middle];
  });
}

export default {
  template: `<section class="face" aria-labelledby="face-title">
    <div class="head"><h3 id="face-title">One face</h3>
      <label>face <input type="number" min="1" :max="most" :value="face + 1" @input="choose(+$event.target.value)"></label>
      <button type="button" @click="$emit('close')">Close</button></div>
    <p v-if="trouble || drawn === null" class="soft" role="status">
      {{ trouble || "Asking the discriminator, D. The first answer takes some seconds." }}
      <button v-if="trouble" type="button" @click="learn">Try again</button></p>
    <p v-if="drawn !== null" class="verdict" role="status"><strong>{{ verdict(answers[drawn][face]) }}</strong>
      <span>{{ standIn(asked, drawn) }}</span></p>
    <h4>Through the versions</h4>
    <ol class="versions"><li v-for="one in shown" :key="one">
      <span class="tile" role="img" :aria-label="'Face ' + (face + 1) + ', version ' + one" :style="tile(one)"></span>
      <span class="soft">{{ number(one) }}</span>
      <span v-if="drawn !== null">D: {{ said(one) }}</span></li></ol>
    <template v-if="drawn !== null">
      <p class="soft">0: surely drawn; 1: surely real. Each version has its own D, and D learns, too: a lower number does not mean a worse
        face.<template v-if="hidden"> – means that the weights of this version are not kept any more, so its D cannot be asked.</template></p>
      <face-walk :run="run" :version="drawn" :face="face" :most="most" :newest="newest" />
    </template>
  </section>`,
  components: { "face-walk": Walk },
  props: { run: Number, versions: Array, version: Number, newest: Number, face: Number },
  emits: ["close", "choose"],
  // `answers` has D's answers to all faces, by version. `drawn` is the version that answered for `asked`; null before it did.
  data: () => ({ most: SIDE * SIDE, kept: [], answers: {}, asked: null, drawn: null, trouble: "" }),
  computed: {
    shown() {
      return spread(this.versions, this.kept);
    },
    hidden() {
      return this.shown.some((version) => !this.kept.includes(version));
    },
  },
  watch: {
    version() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.learn(), PAUSE_MS);
    },
  },
  mounted() {
    this.turn = 0;
    this.learn();
  },
  unmounted() {
    this.turn += 1;
    clearTimeout(this.timer);
  },
  methods: {
    number,
    standIn,
    verdict,
    choose(face) {
      if (face >= 1 && face <= this.most) this.$emit("choose", face - 1);
    },
    tile(version) {
      const [column, row] = [this.face % SIDE, Math.floor(this.face / SIDE)];
      const part = (place) => percentOf(place, SIDE);
      return { backgroundImage: `url("${grid(this.run, version)}")`, backgroundPosition: `${part(column)} ${part(row)}` };
    },
    said(version) {
      if (version in this.answers) return answer(this.answers[version][this.face]);
      return this.kept.includes(version) ? "…" : "–";
    },
    // Ask about the shown version first, then about the others of the strip whose weights are kept, one by one.
    async learn() {
      const turn = ++this.turn;
      const asked = this.version;
      const first = await this.about(asked);
      if (turn !== this.turn) return;
      this.trouble = first.trouble ?? "";
      if (this.trouble) return;
      this.asked = asked;
      this.kept = first.kept;
      this.drawn = first.version;
      for (const version of this.shown) {
        if (version in this.answers || !this.kept.includes(version)) continue;
        await this.about(version);
        if (turn !== this.turn) return;
      }
    },
    async about(version) {
      const { trouble, response } = await ask(`${base()}/answers/${this.run}/${version}.json?seen=${this.newest}`);
      const found = trouble ? { trouble } : await response.json();
      if (!trouble) this.answers = { ...this.answers, [found.version]: found.answers };
      return found;
    },
  },
};
