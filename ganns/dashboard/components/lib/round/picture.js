// The picture of a round at one moment as SVG: its parts are buttons, and tokens move over it.

import { parts, placed, work } from "./parts.js";

const short = (text, num) => (text.length > num ? text.slice(0, num - 1) + "…" : text);

export default {
  template: `
<svg :viewBox="'0 0 ' + plan.width + ' ' + plan.height" role="group"
     aria-label="One round: the coordinator, PostgreSQL, and the workers. Each part is a button with an explanation.">
  <path v-for="wire in plan.wires" :key="wire" :d="wire" class="learn-wire" />
  <g v-for="part in standing" :key="part.key" v-bind="asked(part.key, part.label)" :class="'is-' + part.style"
     @click="$emit('choose', part.key)" @keydown.enter.prevent="$emit('choose', part.key)"
     @keydown.space.prevent="$emit('choose', part.key)">
    <rect v-bind="part.outline" rx="10" />
    <text class="learn-title" v-bind="part.at">{{ part.title }}</text>
    <text class="learn-line" v-if="part.line" v-bind="part.under">{{ part.line }}</text>
    <rect v-for="(one, i) in part.row" :key="i" class="learn-unit" :class="'is-' + one.state"
          :x="one.x" :y="one.y" :width="one.size" :height="one.size" rx="2" />
    <rect v-for="(one, i) in part.bars" :key="'bar' + i" class="learn-bar" :class="{ 'is-full': i }"
          v-bind="one" rx="5" />
  </g>
  <g v-for="(one, i) in workers" :key="'worker' + i" v-bind="asked('worker', 'Worker ' + one.name + ': ' + one.line, i)"
     class="is-worker" :class="{ 'is-busy': one.busy }" @click="$emit('choose', 'worker')"
     @keydown.enter.prevent="$emit('choose', 'worker')" @keydown.space.prevent="$emit('choose', 'worker')">
    <rect :x="one.x" :y="one.y" :width="one.w" :height="one.h" rx="10" />
    <text class="learn-title" :x="one.x + 14" :y="one.y + 23">{{ one.short }}</text>
    <text class="learn-line" :x="one.x + 14" :y="one.y + 43">{{ one.line }}</text>
  </g>
  <text v-if="below" class="learn-line" text-anchor="middle" :x="below.x" :y="below.y">{{ below.text }}</text>
  <g v-for="token in tokens" :key="token.id" class="learn-token" :style="token.style" aria-hidden="true"
     :class="['is-' + token.kind, { 'is-around': token.around }]"
     @animationend="$emit('arrived', token.id)" @animationcancel="$emit('arrived', token.id)">
    <rect :x="-token.half" y="-15" :width="2 * token.half" height="30" :rx="token.kind === 'job' ? 5 : 15" />
    <text text-anchor="middle" y="6">{{ token.text }}</text>
  </g>
</svg>`,
  props: { plan: Object, state: Object, crew: Array, more: Number, tokens: Array, chosen: String },
  emits: ["choose", "arrived"],
  computed: {
    standing() {
      return parts(this.plan, this.state).map((part) => placed(this.plan, part));
    },
    workers() {
      const room = this.plan.wide ? 18 : 13;
      return this.crew.map((name, i) => ({
        name,
        short: short(name, room),
        ...this.plan.worker(i),
        ...work(this.state, name),
      }));
    },
    // "+22 more", or "no workers yet".
    below() {
      const { x, y, w } = this.crew.length ? this.plan.boxes.more : this.plan.worker(0);
      const text = this.crew.length ? this.more && `+${this.more} more` : "no workers yet";
      return text && { x: x + w / 2, y: y + 28, text };
    },
  },
  methods: {
    // A part is a button. Only the first worker is one, because all workers have the same explanation.
    asked(key, label, again = 0) {
      const pressed = this.chosen === key;
      const button = { role: "button", tabindex: 0, "aria-label": label, "aria-pressed": pressed };
      return { class: ["learn-part", { "is-chosen": pressed }], "data-part": key, ...(again ? {} : button) };
    },
  },
};
