// What a person's gradients did: their direction beside the class's step, their share of it, and the losses around it.

import { decimal, number, percent } from "ganns/format.js";
import { runPage } from "ganns/words.js";

const MAX_UNITS = 60; // in the picture
const MAX_ROWS = 10;
const [WIDTH, HEIGHT] = [720, 180];
const NETWORKS = [
  { key: "d", name: "discriminator" },
  { key: "g", name: "generator" },
];

export default {
  template: `<section class="card influence" aria-labelledby="influence" v-if="known.length">
    <h2 id="influence">What did the gradient do?</h2>
    <div class="figures">
      <div class="figure" v-for="one in figures" :key="one.label"><strong>{{ one.value }}</strong><span>{{ one.label }}</span></div>
    </div>
    <figure>
      <figcaption class="soft">Direction beside the class's step, unit by unit, the newest at the right:
        <span v-for="one in networks" :key="one.key" class="label" :class="one.key">{{ one.name }}</span></figcaption>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" :aria-label="summary" preserveAspectRatio="none">
        <line v-for="one in levels" :key="one" x1="0" x2="${WIDTH}" :y1="y(one)" :y2="y(one)" :class="{ zero: one === 0 }" />
        <template v-for="(unit, i) in known" :key="i">
          <line v-for="one in networks" :key="one.key" :class="one.key" :x1="x(i, one.key)" :x2="x(i, one.key)"
            :y1="y(0)" :y2="y(unit['cosine_' + one.key])" />
        </template>
      </svg>
      <p class="soft scale">Uppermost line: +1, the same direction. In the middle: 0, a right angle. Lowest: -1, the opposite.</p>
    </figure>
    <table class="rows" role="table" aria-labelledby="influence"><thead role="rowgroup"><tr role="row">
      <th v-for="(number, name) in heads" :key="name" scope="col" role="columnheader" :class="{ number }">{{ name }}</th></tr></thead>
      <tbody role="rowgroup"><tr v-for="(unit, i) in rows" :key="i" role="row">
        <th scope="row" role="rowheader"><a :href="runPage(unit.run)">Run {{ unit.run }}</a> <span class="name">round {{ unit.round }}, unit {{ unit.unit }}</span></th>
        <td role="cell" class="number" data-label="images">{{ number(unit.images) }}</td>
        <td role="cell" class="number" data-label="direction G">{{ signed(unit.cosine_g) }}</td>
        <td role="cell" class="number" data-label="direction D">{{ signed(unit.cosine_d) }}</td>
        <td role="cell" class="number" data-label="share G">{{ percent(unit.share_g) }}</td>
        <td role="cell" class="number" data-label="share D">{{ percent(unit.share_d) }}</td>
        <td role="cell" class="number broad" data-label="loss G">{{ change(unit, "g_loss") }}</td>
        <td role="cell" class="number broad" data-label="loss D">{{ change(unit, "d_loss") }}</td></tr></tbody></table>
    <p class="soft explained">Direction: the cosine of the unit's gradient with the step that the class made of all. Gradients of few images are
      noisy, so an honest one is far from +1, and may be below 0. Share: the part of the step that is this unit's; with the mean, the shares of a
      round add up to 100 %. Losses: the class's mean before the step, and in the next round, on other images. One step moves them less
      than the images do.</p>
  </section>`,
  props: { units: Array },
  data: () => ({
    networks: NETWORKS,
    levels: [1, 0.5, 0, -0.5, -1],
    heads: { Unit: false, Images: true, "Direction G": true, "Direction D": true, "Share G": true, "Share D": true, "Loss G": true, "Loss D": true },
  }),
  computed: {
    known() {
      return this.units.filter((unit) => unit.cosine_g !== null && !unit.undone).slice(0, MAX_UNITS).reverse();
    },
    rows() {
      return this.known.slice(-MAX_ROWS).reverse();
    },
    figures() {
      const mean = (key) => this.known.reduce((sum, unit) => sum + unit[key], 0) / this.known.length;
      return [
        { label: "direction, generator (mean)", value: signed(mean("cosine_g")) },
        { label: "direction, discriminator (mean)", value: signed(mean("cosine_d")) },
        { label: "of a generator's step", value: percent(mean("share_g")) },
        { label: "of a discriminator's step", value: percent(mean("share_d")) },
      ];
    },
    summary() {
      const [d, g] = ["cosine_d", "cosine_g"].map((key) => this.known.map((unit) => unit[key]));
      const range = (values) => `${signed(Math.min(...values))} to ${signed(Math.max(...values))}`;
      return `Direction of the last ${this.known.length} units: discriminator ${range(d)}, generator ${range(g)}.`;
    },
  },
  methods: {
    number, percent, runPage, signed,
    x(i, key) {
      return ((i + (key === "d" ? 0.35 : 0.65)) * WIDTH) / Math.max(this.known.length, 12);
    },
    y(cosine) {
      return HEIGHT / 2 - cosine * (HEIGHT / 2 - 4);
    },
    change(unit, name) {
      return `${decimal(unit[`${name}_before`])} → ${decimal(unit[`${name}_after`])}`;
    },
  },
};

function signed(value) {
  return value === null ? "–" : `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(2)}`;
}
