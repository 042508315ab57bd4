// One round as a picture: what stands in it can be asked what it is, what happens moves.

import { on } from "ganns-live";
import { player } from "ganns-round";
import { EXAMPLE } from "ganns-round/example.js";
import { layout, place, seated } from "ganns-round/layout.js";
import picture from "ganns-round/picture.js";

const MAX_TOKENS = 24; // more are a swarm: where rounds come very fast, some moves are left out
const READ_MS = 600; // and a sentence stays so long, whatever happens meanwhile
const SAY_EVERY_MS = 5000; // for those who listen to the page: a sentence at a time
const lessMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

export default {
  template: `
<div class="learn" :class="{ 'is-paused': paused, 'is-narrow': !plan.wide }">
  <div class="learn-main">
    <div class="learn-buttons">
      <button type="button" @click="pause(!paused)">{{ paused ? "Go on" : "Pause" }}</button>
      <button type="button" :aria-pressed="slow" @click="slowly(!slow)">Slow motion</button>
      <button type="button" v-if="mode === 'live'" @click="playExample">Play an example round</button>
      <button type="button" v-else @click="stopExample">
        {{ run === null ? "End the example" : "Back to run " + run }}</button>
      <span class="soft" v-if="slow && mode === 'live'">One round at a time; those in between are left out.</span>
      <span class="soft" v-else-if="mode === 'example'">This is an example, nobody computes.</span>
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
      <h2>What is what?</h2>
      <p>What moves is what happens now. Click a part of the picture, or go to it with the Tab key and press Enter.</p>
    </template>
  </section>
    <slot></slot>
  </div>
</div>`,
  components: { "picture-of-round": picture },
  props: { run: Number, elements: Object, legend: Array },
  data: () => ({
    plan: layout(1200),
    state: player.state,
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
    // What is said while nothing happens.
    quiet() {
      if (this.mode === "example") return "The example begins.";
      if (this.run === null) return "Nothing is trained here at the moment.";
      if (this.ended) return `Run ${this.run} is ${this.ended}. The example shows how a round goes.`;
      return "Waiting for what happens next.";
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
      // On a phone the panel is below the picture.
      if (this.chosen) this.$nextTick(() => this.$refs.panel.scrollIntoView({ block: "nearest" }));
    },
    pause: (paused) => player.pause(paused),
    slowly: (slow) => player.slowly(slow),
    playExample: () => player.playExample(),
    stopExample: () => player.stopExample(),
    follow(moves) {
      const { state, mode, paused, slow } = player;
      const units = state.units.map((unit) => ({ ...unit }));
      Object.assign(this, { mode, paused, slow, state: { ...state, units } });
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
          "--ms": `${player.moveMs}ms`, "--wait": `${i * 60}ms`,
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
    // The newest sentence, but for one of something that went wrong: it waits for its turn.
    write() {
      if (this.newest !== player.caption) {
        this.newest = player.caption;
        if (player.important || !this.important) [this.next, this.important] = [this.newest, player.important];
      }
      if (this.reading || this.caption === this.next) return;
      [this.caption, this.next, this.important] = [this.next, this.newest, false];
      this.say();
      this.reading = setTimeout(() => {
        this.reading = null;
        this.write();
      }, READ_MS);
    },
    // The newest sentence, at most every few seconds: a listener could not follow more.
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
    [this.last, this.newest, this.next, this.important] = [0, "", "", false];
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.$refs.room);
    this.fit();
    this.off = [
      player.on((moves) => this.follow(moves)),
      on("run", (run) => {
        this.ended = run.state === "open" ? "" : run.state;
        player.heardRun(run);
      }),
      on("events", (message) => player.heard(message.events)),
      on("people", ({ people }) => {
        this.people = people.filter((one) => one.alive).map((one) => one.name);
        player.heardPeople(people);
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
