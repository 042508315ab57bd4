// A walk from one face of the grids to another: the faces between them, which a version draws from the noise between.

import { ask, base } from "./ask.js";
import { percentOf } from "./face_words.js";
import { number } from "./format.js";

const STEPS = 9; // faces of the picture, side by side

export default {
  template: `<div class="walk" role="group" aria-labelledby="walk-title">
    <div class="head"><h4 id="walk-title">A walk to another face</h4>
      <label>to face <input type="number" min="1" :max="most" :value="to + 1" @input="choose(+$event.target.value - 1)"></label>
      <button type="button" @click="choose((face + 1) % most)">next</button>
      <button type="button" @click="choose(other())">random</button></div>
    <ol v-if="picture" :class="{ waiting }"><li v-for="step in steps" :key="step">
      <span class="tile" role="img" :aria-label="label(step)" :style="tile(step)"></span>
      <span class="soft">{{ mark(step) }}</span></li></ol>
    <p class="soft" role="status">{{ trouble || said }}</p>
  </div>`,
  props: { run: Number, version: Number, newest: Number, face: Number, most: Number },
  data: () => ({ to: 0, drawn: null, picture: "", waiting: false, trouble: "", steps: [...Array(STEPS).keys()] }),
  computed: {
    said() {
      if (!this.picture) return "Drawing …";
      return `Version ${number(this.version)} draws each face from its noise. The noise goes from one face to the other on an arc, in eight steps. If G has learned well, each step is a face.`;
    },
  },
  watch: {
    face() {
      this.choose((this.face + 1) % this.most);
    },
    version() {
      this.draw();
    },
  },
  mounted() {
    this.choose((this.face + 1) % this.most);
  },
  unmounted() {
    this.gone = true;
    this.forget();
  },
  methods: {
    // A number that is no other face is left alone: someone is typing.
    choose(to) {
      if (!(to >= 0 && to < this.most) || to === this.face) return;
      this.to = to;
      this.draw();
    },
    // A random face that is neither end of the walk.
    other() {
      const others = [...Array(this.most).keys()].filter((one) => one !== this.face && one !== this.to);
      return others[Math.floor(Math.random() * others.length)];
    },
    // One request at a time; the old picture stays until the new one is there.
    async draw() {
      this.again = this.waiting;
      if (this.waiting) return;
      this.waiting = true;
      const [face, to] = [this.face, this.to];
      const query = `face=${face}&to=${to}&seen=${this.newest}`;
      const { trouble, response } = await ask(`${base()}/walks/${this.run}/${this.version}.webp?${query}`);
      const picture = trouble ? "" : URL.createObjectURL(await response.blob());
      this.forget();
      this.picture = this.gone ? "" : picture;
      this.drawn = { face, to };
      this.trouble = trouble ?? "";
      this.waiting = false;
      if (this.gone && picture) URL.revokeObjectURL(picture);
      else if (this.again) this.draw();
    },
    forget() {
      if (this.picture) URL.revokeObjectURL(this.picture);
      this.picture = "";
    },
    mark(step) {
      const ends = { 0: `face ${this.drawn.face + 1}`, [STEPS - 1]: `face ${this.drawn.to + 1}` };
      return ends[step] ?? `${Math.round((100 * step) / (STEPS - 1))} %`;
    },
    label(step) {
      return step in { 0: 1, [STEPS - 1]: 1 } ? `Drawn again: ${this.mark(step)}` : `${this.mark(step)} of the way`;
    },
    tile(step) {
      return { backgroundImage: `url("${this.picture}")`, backgroundPosition: `${percentOf(step, STEPS)} 50%` };
    },
  },
};
