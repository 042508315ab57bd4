// One face of the grids through the versions: the noise is always the same, so a face keeps its place in each grid.

import { number } from "./format.js";
import { grid } from "./words.js";

export const SIDE = 8; // faces in a row, and rows
const MAX_SHOWN = 12;

// Which face is at a point of a square picture, from 0; `x` and `y` are parts of its side.
export function faceAt(x, y) {
  const place = (part) => Math.min(SIDE - 1, Math.max(0, Math.floor(part * SIDE)));
  return place(y) * SIDE + place(x);
}

// At most `MAX_SHOWN` versions, evenly spread; always the first and the last.
export function spread(versions) {
  if (versions.length <= MAX_SHOWN) return versions;
  return [...Array(MAX_SHOWN).keys()].map((i) => versions[Math.round((i * (versions.length - 1)) / (MAX_SHOWN - 1))]);
}

export default {
  template: `<section class="face" aria-labelledby="face-title">
    <div class="head"><h3 id="face-title">One face through the versions</h3>
      <label>face <input type="number" min="1" :max="most" :value="face + 1" @input="choose(+$event.target.value)"></label>
      <button type="button" @click="$emit('close')">Close</button></div>
    <ol><li v-for="version in shown" :key="version">
      <span class="tile" role="img" :aria-label="'Face ' + (face + 1) + ', version ' + version" :style="tile(version)"></span>
      <span class="soft">{{ number(version) }}</span></li></ol>
  </section>`,
  props: { run: Number, versions: Array, face: Number },
  emits: ["close", "choose"],
  data: () => ({ most: SIDE * SIDE }),
  computed: {
    shown() {
      return spread(this.versions);
    },
  },
  methods: {
    number,
    choose(face) {
      if (face >= 1 && face <= this.most) this.$emit("choose", face - 1);
    },
    tile(version) {
      const [column, row] = [this.face % SIDE, Math.floor(this.face / SIDE)];
      const part = (place) => `${(100 * place) / (SIDE - 1)}%`;
      return { backgroundImage: `url("${grid(this.run, version)}")`, backgroundPosition: `${part(column)} ${part(row)}` };
    },
  },
};
