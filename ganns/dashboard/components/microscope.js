// A recording of the transaction microscope: it plays, and the panel tells what is known about the present moment.

const PLAY_MS = 2200; // for one moment: long enough to read a statement

export default {
  template: `
<div class="scope-player">
  <div class="scope-main">
    <div class="scope-buttons">
      <button type="button" @click="toggle">{{ playing ? "Pause" : "Play" }}</button>
      <button type="button" @click="go(at - 1)" :disabled="at === 0">Back</button>
      <button type="button" @click="go(at + 1)" :disabled="at === last">Next</button>
      <label class="scope-slide"><span class="scope-unseen">Moment</span>
        <input type="range" min="0" :max="last" :value="at" :aria-valuetext="where" @input="go(+$event.target.value)"></label>
      <span class="scope-where">{{ where }}</span>
    </div>
    <div ref="wide" class="scope-picture is-wide" v-html="pictures.wide"></div>
    <div ref="narrow" class="scope-picture is-narrow" tabindex="0" role="region" aria-label="Lanes">
      <div :style="{ minWidth: sessions.length * 140 + 'px' }" v-html="pictures.narrow"></div></div>
  </div>
  <div class="scope-side">
    <section class="scope-panel" aria-label="This moment" aria-live="polite">
      <h3>{{ heading }}</h3>
      <p class="scope-sentence">{{ sentence }}</p>
      <dl v-if="moment"><template v-for="[name, words] in moment.details" :key="name"><dt>{{ name }}</dt><dd>{{ words }}</dd>
      </template></dl>
      <div v-if="moment?.rows.length" class="scope-wide" tabindex="0" role="region" aria-label="Rows">
        <table><caption>The rows, as {{ moment.name }} sees them now</caption>
          <thead><tr><th scope="col">table</th><th scope="col">row</th><th scope="col">xmin</th><th scope="col">xmax</th></tr></thead>
          <tbody><tr v-for="(row, i) in moment.rows" :key="i"><td v-for="(cell, j) in row" :key="j">{{ cell }}</td></tr></tbody>
        </table>
      </div>
    </section>
    <h3>All steps, in words</h3>
    <ol class="scope-steps"><li v-for="(one, i) in moments" :key="i" :aria-current="at === i + 1 ? 'step' : null">
      <button type="button" @click="go(i + 1)">{{ one.sentence }}</button></li></ol>
  </div>
</div>`,
  props: { sessions: Array, moments: Array, pictures: Object, verdict: String },
  data: () => ({ at: 0, playing: false }),
  computed: {
    last() { return this.moments.length + 1; }, // 0 is before the first moment; the last one is the verdict
    moment() { return this.moments[this.at - 1]; },
    where() { return this.at === 0 ? "before the first step" : this.at === this.last ? "the end" : `${this.at} of ${this.moments.length}`; },
    heading() { return this.moment ? `${this.at}. ${this.moment.name}` : this.at ? "The end" : "Before the first step"; },
    sentence() {
      if (this.moment) return this.moment.sentence;
      return this.at ? this.verdict : "Press Play, or go from step to step.";
    },
  },
  watch: { at: "show" },
  mounted() {
    this.at = this.last; // the whole picture first
    this.show();
  },
  unmounted() { clearInterval(this.timer); },
  methods: {
    go(at) { this.at = Math.min(this.last, Math.max(0, at)); },
    toggle() {
      this.playing = !this.playing;
      clearInterval(this.timer);
      if (!this.playing) return;
      if (this.at === this.last) this.at = 0;
      this.timer = setInterval(() => {
        this.go(this.at + 1);
        if (this.at === this.last) this.toggle();
      }, PLAY_MS);
    },
    show() {
      for (const room of [this.$refs.wide, this.$refs.narrow]) {
        for (const one of room.querySelectorAll("[data-tick]")) {
          const tick = +one.dataset.tick;
          one.classList.toggle("is-later", tick >= this.at);
          one.classList.toggle("is-now", tick === this.at - 1);
        }
        for (const one of room.querySelectorAll("[data-end]")) one.classList.toggle("is-later", this.at < this.last);
      }
    },
  },
};
