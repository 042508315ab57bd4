// A line chart of one run's history, or of several runs in one chart.

import { echarts } from "nicegui-echart";
import { AXES, axis, onAxis } from "ganns/drawing/axis.js";
import { PALETTE, option, roomForNames } from "ganns/drawing/lines.js";
import { placed, told } from "ganns/drawing/marks.js";
import { calmed, derived, last, lowest, ofEvaluations, ofHistory } from "ganns/drawing/points.js";
import { formats } from "ganns/format.js";
import { on } from "ganns/live.js";

export default {
  template: `<figure class="chart" :class="{ named }">
    <figcaption><span class="name">{{ title }}</span>
      <span v-for="line in legend" :key="line.id" class="key">
        <span class="swatch" :style="{ background: 'var(--' + line.color + ')' }"></span>{{ line.label }}
        <strong>{{ line.value }}</strong></span>
    </figcaption>
    <p v-if="!legend.length" class="soft">{{ empty }}</p>
    <div v-show="legend.length" ref="canvas" class="canvas" role="img" :aria-label="summary"></div>
  </figure>`,
  props: {
    title: String,
    series: Array, // [{ key, label, color, of, best }]
    runs: Array,
    labels: Array, // names of the runs
    format: String,
    log: Boolean,
    min: Number,
    max: Number,
    guess: Object,
    empty: String,
  },
  data: () => ({ legend: [], summary: "", named: false }),
  mounted() {
    // Not in `data`: Vue need not observe thousands of numbers.
    this.history = new Map();
    this.evaluations = new Map();
    this.marks = new Map();
    this.drawn = ""; // which lines are on the canvas
    this.seen = false;
    const keep = (where, content) => (message) => {
      if (!this.runs.includes(message.run)) return;
      where.set(message.run, content(message));
      this.later();
    };
    this.off = [
      on("history", keep(this.history, (message) => message.columns)),
      on("evaluations", keep(this.evaluations, (message) => message.rows)),
      on("marks", keep(this.marks, (message) => message.rows)),
      onAxis(() => this.later()),
    ];
    this.repaint = () => this.later();
    window.addEventListener("ganns-theme", this.repaint);
    document.addEventListener("visibilitychange", this.repaint);
    // A chart outside the window is not drawn; its texts are updated.
    this.eye = new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      if (this.seen) this.later();
    });
    this.eye.observe(this.$el);
    this.ruler = new ResizeObserver(() => this.chart?.resize());
    this.ruler.observe(this.$refs.canvas);
  },
  unmounted() {
    this.off.forEach((stop) => stop());
    window.removeEventListener("ganns-theme", this.repaint);
    document.removeEventListener("visibilitychange", this.repaint);
    this.eye.disconnect();
    this.ruler.disconnect();
    this.chart?.dispose();
  },
  watch: {
    runs() {
      this.later();
    },
  },
  methods: {
    // Draw once for any number of changes, when the browser draws next.
    later() {
      if (this.waits || document.hidden) return;
      this.waits = requestAnimationFrame(() => {
        this.waits = null;
        this.draw();
      });
    },
    lines() {
      const along = axis();
      const several = this.runs.length > 1;
      return this.runs.flatMap((run, i) =>
        this.series.map((one, j) => {
          const columns = this.history.get(run) ?? {};
          const evaluated = one.of === "evaluations";
          const points = evaluated
            ? ofEvaluations(this.evaluations.get(run) ?? [], one.key, along, columns)
            : ofHistory(columns, one.key, along);
          const ofRun = this.labels?.[i] ?? `run ${run}`;
          return {
            id: `${run} ${one.key}`,
            label: !several ? one.label : this.series.length > 1 ? `${ofRun} ${one.label}` : ofRun,
            color: several ? PALETTE[i % PALETTE.length] : one.color,
            dash: several ? j : 0,
            points,
            calm: evaluated || derived(one.key) ? null : calmed(points),
            best: one.best ? lowest(points) : null,
          };
        }),
      );
    },
    draw() {
      if (!this.$refs.canvas) return;
      const lines = this.lines().filter((line) => last(line.points));
      const write = formats[this.format];
      this.legend = lines.map((line) => ({ ...line, points: null, calm: null, value: write(last(line.calm ?? line.points)[1]) }));
      const where = AXES[axis()];
      const until = Math.max(0, ...lines.map((line) => last(line.points)[0]));
      const values = this.legend.map((line) => `${line.label} ${line.value}${line.best ? `, best ${write(line.best[1])}` : ""}`);
      const marks = this.events(until);
      this.summary = `${this.title}, by ${where.name}. ${values.join("; ")}; up to ${where.say(until)}.${told(marks)}`;
      if (lines.length && this.seen) this.$nextTick(() => this.paint(lines, marks));
    },
    // Events of the run, at their places on the x axis. Several runs have no common events.
    events(until) {
      if (this.runs.length !== 1) return [];
      const [run] = this.runs;
      return placed(this.marks.get(run) ?? [], axis(), this.history.get(run) ?? {}, until);
    },
    paint(lines, marks) {
      if (!this.$refs.canvas?.clientWidth) return;
      this.chart ??= echarts.init(this.$refs.canvas, null, { renderer: "canvas" });
      const shape = lines.map((line) => `${line.id}${line.calm ? " calm" : ""}`).join("|");
      const width = this.$refs.canvas.clientWidth;
      this.named = roomForNames(lines, width) > 0;
      this.chart.setOption(option(lines, { ...this.$props, axis: axis(), marks, width }), { notMerge: shape !== this.drawn });
      this.drawn = shape;
    },
  },
};
