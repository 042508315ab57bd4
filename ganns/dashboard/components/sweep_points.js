// The points of a sweep: two charts, and a table.

import { echarts } from "nicegui-echart";
import { judged, judgeName } from "ganns/distance.js";
import { bestSoFar, parallel, ranked, soFar, updated } from "ganns/drawing/sweep.js";
import { decimal, number } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { comparison, runPage } from "ganns/words.js";

const COMPARED = 3; // the link compares this many of the best runs

export default {
  template: `<div class="sweep">
    <p v-if="more" class="card">A new point has begun. <a href="">Load it</a></p>
    <section class="card" aria-labelledby="settings"><h2 id="settings">Settings and distances</h2>
      <p v-if="!evaluated.length" class="soft">No point has been evaluated yet. With
        <code>evaluate.every=50</code>, a run measures its distance every 50 versions.</p>
      <p v-else-if="!axes.length" class="soft">All points have the same settings.</p>
      <template v-else><p class="soft">Each line is a run; a lower end ({{ name }}) is better. <span class="swatch orange"></span> the best,
        <span class="swatch blue"></span> in between, <span class="swatch soft"></span> the others.</p>
      <div ref="parallel" class="canvas" role="img" :aria-label="told"></div></template></section>
    <section class="card" aria-labelledby="so-far"><h2 id="so-far">The best so far</h2>
      <p v-if="!over" class="soft">No point has ended yet.</p>
      <p v-else-if="!ended.length" class="soft">{{ over === 1 ? "One point has" : over + " points have" }} ended, none with a distance.
        If an evaluation failed, the terminal of the sweep says why.</p>
      <template v-else><p class="soft"><span class="swatch blue"></span> each run, in the order in which they ended;
        <span class="swatch orange"></span> the lowest distance so far.</p>
      <div ref="sofar" class="canvas" role="img" :aria-label="course"></div></template></section>
    <section class="card" aria-labelledby="points"><div class="head"><h2 id="points">Points, the best first</h2>
      <a v-if="best.length > 1" class="button" :href="comparison(best)">Compare the best {{ best.length }}</a></div>
      <table class="rows" role="table" aria-labelledby="points"><thead role="rowgroup"><tr role="row">
        <th scope="col" role="columnheader">Run</th><th v-for="axis in axes" :key="axis.key" scope="col" role="columnheader"
          :title="axis.key">{{ axis.name }}</th><th scope="col" role="columnheader">State</th>
        <th scope="col" role="columnheader" class="number">Images</th>
        <th scope="col" role="columnheader" class="number">Best {{ name }}</th></tr></thead>
        <tbody role="rowgroup"><tr v-for="(one, place) in sorted" :key="one.run" role="row">
          <th scope="row" role="rowheader"><a :href="runPage(one.run)">Run {{ one.run }}</a> <span class="name">{{ one.name }}</span></th>
          <td v-for="(axis, i) in axes" :key="axis.key" role="cell" :data-label="axis.name">{{ one.settings[i] }}</td>
          <td role="cell" :class="'state-' + one.wording.kind" data-label="state"><span aria-hidden="true">{{ one.wording.sign }}</span>
            {{ one.wording.word }}</td>
          <td role="cell" class="number" data-label="images">{{ number(one.images) }}</td>
          <td role="cell" class="number" data-label="best distance"><strong v-if="!place && one.distance != null">{{
            decimal(one.distance) }} <icon sign="✓" /> lowest</strong><template v-else>{{ decimal(one.distance) }}</template></td>
        </tr></tbody></table>
    </section>
  </div>`,
  components: { icon: Icon },
  props: { sweep: String, axes: Array, points: Array },
  data() {
    return { now: judged(this.points), more: false };
  },
  computed: {
    name() {
      return judgeName(this.now);
    },
    evaluated() {
      return this.now.filter((one) => one.distance != null);
    },
    ended() {
      return soFar(this.now);
    },
    over() {
      return this.now.filter((one) => one.state !== "open").length;
    },
    sorted() {
      return ranked(this.now);
    },
    best() {
      return this.sorted.filter((one) => one.distance != null).slice(0, COMPARED).map((one) => one.run);
    },
    told() {
      const say = (one) => `${this.axes.map((axis, i) => `${axis.name} ${one.settings[i]}`).join(", ")}: ${decimal(one.distance)}`;
      return `Parallel coordinates of ${this.evaluated.length} runs. Best ${this.name}: ${say(this.sorted[0])}. All are in the table below.`;
    },
    course() {
      const bests = this.ended.map((one) => decimal(one.best));
      return `The lowest distance after each run that ended: ${bests.join(", ")}.`;
    },
  },
  mounted() {
    this.charts = new Map();
    this.off = on("runs", ({ runs }) => {
      const known = new Set(this.points.map((one) => one.run));
      this.more = runs.some((one) => one.sweeps.includes(this.sweep) && !known.has(one.run));
      const now = updated(this.points, runs);
      if (JSON.stringify(now) === JSON.stringify(this.now)) return;
      this.now = now;
      this.$nextTick(this.draw);
    });
    window.addEventListener("ganns-theme", this.draw);
    this.ruler = new ResizeObserver(() => {
      for (const chart of this.charts.values()) chart.resize();
      this.draw();
    });
    this.ruler.observe(this.$el);
  },
  unmounted() {
    this.off();
    window.removeEventListener("ganns-theme", this.draw);
    this.ruler.disconnect();
    for (const chart of this.charts.values()) chart.dispose();
  },
  methods: {
    comparison, decimal, number, runPage,
    draw() {
      const narrow = this.$el.clientWidth < 600;
      this.paint("parallel", () => parallel(this.axes, this.now, narrow));
      this.paint("sofar", () => bestSoFar(this.now));
    },
    paint(name, option) {
      const where = this.$refs[name];
      if (!where?.clientWidth) return;
      if (!this.charts.has(name)) this.charts.set(name, echarts.init(where, null, { renderer: "canvas" }));
      this.charts.get(name).setOption(option(), { notMerge: true });
    },
  },
};
