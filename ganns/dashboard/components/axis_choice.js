// Buttons that choose the x axis of all charts of the page: rounds, images or time.

import { axis, choose, onAxis } from "ganns/drawing/axis.js";

export default {
  template: `<fieldset class="choice"><legend>X axis</legend>
    <label v-for="(name, key) in names" :key="key">
      <input type="radio" name="ganns-axis" :value="key" :checked="key === chosen" @change="choose(key)">
      <span>{{ name }}</span></label>
  </fieldset>`,
  data: () => ({ chosen: axis(), names: { round: "rounds", images: "images", seconds: "time" } }),
  methods: { choose },
  mounted() {
    this.off = onAxis((key) => (this.chosen = key));
  },
  unmounted() {
    this.off();
  },
};
