// One round as a moving picture with its steps; a click on a part explains it.

import { on } from "ganns/live.js";
import { EXAMPLE } from "ganns/round/example.js";
import { layout, place, seated } from "ganns/round/layout.js";
import picture from "ganns/round/picture.js";
import { Player } from "ganns/round/player.js";
import { fresh } from "ganns/round/state.js";

const MAX_TOKENS = 24; // with very fast rounds, some moves are left out
const READ_MS = 600; // a sentence stays at least this long
const SAY_EVERY_MS = 5000; // for screen readers: the shortest time between two sentences
const lessMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

export default {
  template: `
<div class="learn" :class="{ 'is-paused': paused, 'is-narrow': !plan.wide }">
  <div class="learn-main">
    <div class="learn-buttons">
      <button type="button" @click="pause(!paused)">{{ paused ? "Continue" : "Pause" }}</button>
      <button type="button" :aria-pressed="slow" @click="slowly(!slow)">Slow motion</button>
      <button type="button" v-if="mode === 'live'" @click="playExample">Play an example round</button>
      <button type="button" v-else @click="stopExample">
        {{ run === null ? "End the example" : "Back to run " + run }}</button>
      <span class="soft" v-if="slow && mode === 'live'">One round at a time; the rounds in between are left out.</span>
      <span class="soft" v-else-if="mode === 'example'">This is an example: no worker computes.</span>
    </div>
    <div ref="room" class="learn-room">
      <picture-of-round :plan="plan" :state="state" :crew="crew" :more="more" :tokens="tokens" :chosen="chosen ?? ''"
                        @choose="choose" @arrived="arrived" />
    </div>
    <p class="learn-caption">{{ caption || quiet }}</p>
    <p class="learn-unseen" role="status" aria-live="polite">{{ said }}</p>
    <p class="learn-legend">
      <span>What moves:</span>
      <button type="button" v-for="one in legend" :key="one.key" :aria-pressed="chosen === one.key" :data-part="one.key"
              @click="choose(one.key)">
        <i :class="'is-' + one.key" aria-hidden="true"></i>{{ one.title }}</button>
    </p>
  </div>
  <div class="learn-side">
  <section ref="panel" class="learn-panel" aria-label="Explanation" aria-live="polite">
    <template v-if="explained">
      <h2>{{ explained.title }}</h2>
      <p>{{ explained.text }}</p>
      <p>In the code: <code>{{ explained.code }}</code>, <code>{{ explained.name }}</code></p>
      <p>To read: <a v-if="explained.link" :href="explained.link">{{ explained.doc }}</a>
        <code v-else>{{ explained.doc }}</code></p>
    </template>
    <template v-else>
      <h2>Explanation</h2>
      <p>The picture shows what happens now. To read about a part, click it, or go to it with the Tab key and press Enter.</p>
    </template>
  </section>
    <h2>A round in seven steps</h2>
    <ol class="learn-steps">
      <li v-for="(one, i) in steps" :key="i" :aria-current="step === i + 1 ? 'step' : null">
        <strong>{{ one[0] }}</strong> <span>{{ one[1] }}</span></li></ol>
  </div>
</div>`,
  components: { "picture-of-round": picture },
  props: { run: Number, elements: Object, legend: Array, steps: Array },
  data: () => ({
    plan: layout(1200),
    state: fresh(),
    step: null,
    mode: "live",
    paused: false,
    slow: false,
    caption: "",
    said: "",
    ended: "",
    chosen: null,
    people: [],
    crew: [],
    tokens: [],
  }),
  computed: {
    explained() {
      return this.elements[this.chosen];
    },
    // The caption while nothing happens.
    quiet() {
      if (this.mode === "example") return "The example begins.";
      if (this.run === null) return "No run is being trained now.";
      if (this.ended) return `Run ${this.run} is ${this.ended}. The example shows what a round looks like.`;
      return "Waiting for the next event.";
    },
    wanted() {
      if (this.mode === "example") return EXAMPLE.crew;
      const computing = this.state.units.map((unit) => unit.worker).filter((name) => name && name !== "a worker");
      return [...new Set([...computing, ...this.people])];
    },
    more() {
      return this.wanted.length - this.crew.length;
    },
  },
  watch: {
    wanted: { handler: "seat", immediate: true },
    plan: "seat",
  },
  methods: {
    seat() {
      this.crew = seated(this.crew, this.wanted, this.plan.num);
    },
    choose(key) {
      this.chosen = this.chosen === key ? null : key;
      // On a phone, the panel is below the picture.
      if (this.chosen) this.$nextTick(() => this.$refs.panel.scrollIntoView({ block: "nearest" }));
    },
    pause(paused) { this.player.pause(paused); },
    slowly(slow) { this.player.slowly(slow); },
    playExample() { this.player.playExample(); },
    stopExample() { this.player.stopExample(); },
    follow(moves) {
      const { state, step, mode, paused, slow } = this.player;
      const units = state.units.map((unit) => ({ ...unit }));
      Object.assign(this, { step, mode, paused, slow, state: { ...state, units } });
      this.write();
      if (moves.length && !lessMotion.matches && !document.hidden) this.$nextTick(() => this.move(moves));
    },
    move(moves) {
      const tokens = moves.slice(0, Math.max(0, MAX_TOKENS - this.tokens.length)).map((move, i) => {
        const [from, to] = [move.from, move.to].map((name) => place(this.plan, name, this.crew));
        const via = move.via ? place(this.plan, move.via, this.crew) : from;
        const style = {
          "--x0": `${from.x}px`, "--y0": `${from.y}px`,
          "--x1": `${via.x}px`, "--y1": `${via.y}px`,
          "--x2": `${to.x}px`, "--y2": `${to.y}px`,
          "--ms": `${this.player.moveMs}ms`, "--wait": `${i * 60}ms`,
        };
        const text = String(move.text);
        const half = Math.max(15, 6 * text.length + 8);
        return { id: ++this.last, kind: move.kind, text, half, style, around: !!move.via };
      });
      this.tokens = [...this.tokens, ...tokens];
    },
    arrived(id) {
      this.tokens = this.tokens.filter((token) => token.id !== id);
    },
    // Show the newest sentence; a sentence about a fault is never left out.
    write() {
      if (this.newest !== this.player.caption) {
        const { caption, important } = this.player;
        this.newest = caption;
        if (important || !this.important) [this.next, this.important] = [caption, important];
      }
      if (this.reading || this.caption === this.next) return;
      [this.caption, this.next, this.important] = [this.next, this.newest, false];
      this.say();
      this.reading = setTimeout(() => {
        this.reading = null;
        this.write();
      }, READ_MS);
    },
    // Tell screen readers the newest sentence, at most every few seconds.
    say() {
      if (this.speaking || this.said === this.caption) return;
      this.said = this.caption;
      this.speaking = setTimeout(() => {
        this.speaking = null;
        this.say();
      }, SAY_EVERY_MS);
    },
    fit() {
      this.plan = layout(this.$refs.room.clientWidth);
    },
  },
  mounted() {
    this.player = new Player(); // not in `data`: Vue must not wrap its private fields
    [this.last, this.newest, this.next, this.important] = [0, "", "", false];
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.$refs.room);
    this.fit();
    this.off = [
      this.player.on((moves) => this.follow(moves)),
      on("run", (run) => {
        this.ended = run.state === "open" ? "" : run.state;
        this.player.heardRun(run);
      }),
      on("events", (message) => this.player.heard(message.events)),
      on("people", ({ people }) => {
        this.people = people.filter((one) => one.alive).map((one) => one.name);
        this.player.heardPeople(people);
      }),
    ];
  },
  unmounted() {
    this.observer.disconnect();
    clearTimeout(this.reading);
    clearTimeout(this.speaking);
    this.off.forEach((stop) => stop());
  },
};
