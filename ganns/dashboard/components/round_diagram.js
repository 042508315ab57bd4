// One round as a picture: what stands in it can be asked what it is, what happens moves.

import { on } from "ganns-live";
import { player } from "ganns-round";
import { EXAMPLE } from "ganns-round/example.js";
import { layout, place, seated } from "ganns-round/layout.js";
import { parts, squares, work } from "ganns-round/parts.js";

const MAX_TOKENS = 48;
const SAY_EVERY_MS = 5000; // for those who listen to the page: a sentence at a time
const lessMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
const short = (text, num) => (text.length > num ? text.slice(0, num - 1) + "…" : text);

export default {
  template: `
<div class="learn" :class="{ 'is-paused': paused, 'is-narrow': !plan.wide }">
  <div class="learn-main">
    <div class="learn-buttons">
      <button type="button" @click="pause(!paused)">{{ paused ? "Go on" : "Pause" }}</button>
      <button type="button" :aria-pressed="slow" @click="slowly(!slow)">Slow motion</button>
      <button type="button" v-if="mode === 'live'" @click="playExample">Play an example round</button>
      <button type="button" v-else @click="stopExample">{{ run === null ? "End the example" : "Back to run " + run }}</button>
      <span class="soft" v-if="slow && mode === 'live'">One round at a time; those in between are left out.</span>
      <span class="soft" v-else-if="mode === 'example'">This is an example, nobody computes.</span>
    </div>
    <div ref="room" class="learn-room">
      <svg :viewBox="'0 0 ' + plan.width + ' ' + plan.height" role="group" aria-label="One round: the coordinator, PostgreSQL, and the workers. Each part explains itself.">
        <path v-for="wire in plan.wires" :key="wire" :d="wire" class="learn-wire" />
        <g v-for="part in standing" :key="part.key" class="learn-part" :class="['is-' + (part.style ?? 'drawer'), { 'is-chosen': chosen === part.key }]"
           :data-part="part.key" role="button" tabindex="0" :aria-label="label(part)" :aria-pressed="chosen === part.key"
           @click="choose(part.key)" @keydown.enter.prevent="choose(part.key)" @keydown.space.prevent="choose(part.key)">
          <rect :x="part.box.x" :y="part.box.y" :width="part.box.w" :height="part.box.h" rx="10" />
          <text class="learn-title" :x="part.at.x" :y="part.at.y" :text-anchor="part.at.anchor">{{ part.title }}</text>
          <text class="learn-line" v-if="part.line" :x="part.under.x" :y="part.under.y" :text-anchor="part.under.anchor">{{ part.line }}</text>
          <rect v-for="(one, i) in part.row" :key="i" class="learn-unit" :class="'is-' + one.state" :x="one.x" :y="one.y" :width="one.size" :height="one.size" rx="2" />
          <template v-if="part.bar !== undefined">
            <rect class="learn-bar" :x="part.box.x + 12" :y="part.box.y + part.box.h - 22" :width="part.box.w - 24" height="10" rx="5" />
            <rect class="learn-bar is-full" :x="part.box.x + 12" :y="part.box.y + part.box.h - 22" :width="(part.box.w - 24) * part.bar" height="10" rx="5" />
          </template>
        </g>
        <g v-for="(one, i) in workers" :key="'w' + i" class="learn-part is-worker" :class="{ 'is-chosen': chosen === 'worker', 'is-busy': one.busy }" data-part="worker"
           v-bind="i ? {} : { role: 'button', tabindex: 0, 'aria-pressed': chosen === 'worker', 'aria-label': 'Worker ' + one.name + ': ' + one.line }"
           @click="choose('worker')" @keydown.enter.prevent="choose('worker')" @keydown.space.prevent="choose('worker')">
          <rect :x="one.box.x" :y="one.box.y" :width="one.box.w" :height="one.box.h" rx="10" />
          <text class="learn-title" :x="one.box.x + 14" :y="one.box.y + 23">{{ one.short }}</text>
          <text class="learn-line" :x="one.box.x + 14" :y="one.box.y + 43">{{ one.line }}</text>
        </g>
        <text v-if="more" class="learn-line" text-anchor="middle" :x="plan.boxes.more.x + plan.boxes.more.w / 2" :y="plan.boxes.more.y + 28">+{{ more }} more</text>
        <text v-if="!workers.length" class="learn-line" text-anchor="middle" :x="nobody.x" :y="nobody.y">no workers yet</text>
        <g v-for="token in tokens" :key="token.id" class="learn-token" :class="['is-' + token.kind, { 'is-around': token.around }]" :style="token.style" aria-hidden="true" @animationend="arrived(token)">
          <rect :x="-token.half" y="-15" :width="2 * token.half" height="30" :rx="token.kind === 'job' ? 5 : 15" />
          <text text-anchor="middle" y="6">{{ token.text }}</text>
        </g>
      </svg>
    </div>
    <p class="learn-caption">{{ caption || (mode === "live" && run === null ? "Nothing is trained here at the moment." : "Waiting for what happens next.") }}</p>
    <p class="learn-unseen" role="status" aria-live="polite">{{ said }}</p>
    <p class="learn-legend">
      <span>What moves:</span>
      <button type="button" v-for="one in legend" :key="one.key" :aria-pressed="chosen === one.key" :data-part="one.key" @click="choose(one.key)">
        <i :class="'is-' + one.key" aria-hidden="true"></i>{{ one.title }}</button>
    </p>
  </div>
  <div class="learn-side">
  <section ref="panel" class="learn-panel" aria-label="Explanation" aria-live="polite">
    <template v-if="explained">
      <h2>{{ explained.title }}</h2>
      <p>{{ explained.text }}</p>
      <p>In the code: <code>{{ explained.code }}</code>, <code>{{ explained.name }}</code></p>
      <p>To read: <a v-if="explained.link" :href="explained.link">{{ explained.doc }}</a><code v-else>{{ explained.doc }}</code></p>
    </template>
    <template v-else>
      <h2>What is what?</h2>
      <p>Choose a part of the picture: click it, or go to it with the Tab key and press Enter.</p>
    </template>
  </section>
    <slot></slot>
  </div>
</div>`,
  props: { run: Number, elements: Object, legend: Array },
  data: () => ({
    plan: layout(1200),
    state: player.state,
    mode: "live",
    paused: false,
    slow: false,
    caption: "",
    said: "",
    chosen: null,
    people: [],
    crew: [],
    tokens: [],
  }),
  computed: {
    explained() {
      return this.elements[this.chosen];
    },
    standing() {
      return parts(this.plan, this.state).map((part) => this.placed(part));
    },
    wanted() {
      if (this.mode === "example") return EXAMPLE.crew;
      const computing = this.state.units.map((unit) => unit.worker).filter((name) => name && name !== "a worker");
      return [...new Set([...computing, ...this.people])];
    },
    more() {
      return Math.max(0, this.wanted.length - this.workers.length);
    },
    workers() {
      const crew = this.crew.slice(0, this.plan.num);
      return crew.map((name, i) => ({ name, short: short(name, 18), box: this.plan.worker(i), ...work(this.state, name) }));
    },
    nobody() {
      const { x, y, w } = this.plan.worker(0);
      return { x: x + w / 2, y: y + 32 };
    },
  },
  watch: {
    wanted: { handler: "seat", immediate: true },
    plan: "seat",
  },
  methods: {
    // Where a part's texts are.
    placed(part) {
      const { x, y, w, h } = part.box;
      const middle = ["inner", "pill"].includes(part.style);
      const lift = part.bar === undefined ? 7 : -5;
      const at = middle ? { x: x + w / 2, y: y + h / 2 + lift, anchor: "middle" } : { x: x + 14, y: y + (this.plan.wide ? 30 : 23) };
      const under = part.beside
        ? { x: x + w - 12, y: at.y, anchor: "end" }
        : { x: x + 14, y: part.style === "actor" ? y + h - 34 : at.y + (this.plan.wide ? 24 : 21) };
      return { ...part, at, under, row: part.squares ? squares(this.plan, part) : [] };
    },
    label(part) {
      return [part.title, part.line].filter(Boolean).join(": ");
    },
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
      const { state, mode, paused, slow, caption } = player;
      Object.assign(this, { mode, paused, slow, caption, state: { ...state, units: state.units.map((unit) => ({ ...unit })) } });
      this.say();
      if (moves.length && !lessMotion.matches && !document.hidden) this.$nextTick(() => this.move(moves));
    },
    move(moves) {
      const tokens = moves.map((move, i) => {
        const [from, to] = [move.from, move.to].map((name) => place(this.plan, name, this.crew));
        const via = move.via ? place(this.plan, move.via, this.crew) : from;
        const style = {
          "--x0": `${from.x}px`, "--y0": `${from.y}px`,
          "--x1": `${via.x}px`, "--y1": `${via.y}px`,
          "--x2": `${to.x}px`, "--y2": `${to.y}px`,
          "--ms": `${player.moveMs}ms`, "--wait": `${i * 60}ms`,
        };
        const text = String(move.text);
        return { id: ++this.last, kind: move.kind, text, style, around: !!move.via, half: Math.max(15, 6 * text.length + 8) };
      });
      this.tokens = [...this.tokens, ...tokens].slice(-MAX_TOKENS);
    },
    arrived(token) {
      this.tokens = this.tokens.filter((one) => one !== token && one.id !== token.id);
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
    this.last = 0;
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.$refs.room);
    this.fit();
    this.off = [
      player.on((moves) => this.follow(moves)),
      on("run", (run) => player.heardRun(run)),
      on("events", (message) => player.heard(message.events)),
      on("people", ({ people }) => {
        this.people = people.filter((one) => one.alive).map((one) => one.name);
        player.heardPeople(people);
      }),
    ];
  },
  unmounted() {
    this.observer.disconnect();
    clearTimeout(this.speaking);
    this.off.forEach((stop) => stop());
  },
};
