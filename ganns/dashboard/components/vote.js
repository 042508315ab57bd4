// The vote on a phone: two questions, and afterwards what happened.

import { look, order } from "ganns/orders.js";
import Prediction from "ganns/prediction.js";

const EVERY_MS = 2000;

export default {
  template: `<div class="vote">
    <p v-if="loaded && !ballot" class="card">There is no vote now. It appears here when the instructor asks.</p>
    <form v-if="ballot?.state === 'open'" class="card" @submit.prevent="send">
      <h2>{{ ballot.title }}</h2><p>{{ ballot.text }}</p>
      <fieldset v-for="one in questions" :key="one.key"><legend>{{ one.title }}</legend>
        <label v-for="(option, i) in ballot[one.options]" :key="i"><input type="radio" :name="one.key" :value="i" required
          v-model="chosen[one.key]"><span>{{ option.label }}</span></label></fieldset>
      <button type="submit" class="primary">Vote</button>
      <p role="status" :class="{ wrong: answer && !answer.good }">{{ answer?.text }}</p>
    </form>
    <prediction :ballot="ballot" />
  </div>`,
  components: { prediction: Prediction },
  data: () => ({
    ballot: null,
    loaded: false,
    chosen: { wait: null, lost: null },
    answer: null,
    questions: [
      { key: "wait", options: "waits", title: "How long will the longest wait for a new version be?" },
      { key: "lost", options: "losses", title: "What will be lost?" },
    ],
  }),
  methods: {
    async send() {
      const content = { number: this.ballot.number, voter: voter(), ...this.chosen };
      this.answer = await order("/vote", "", content);
    },
    async refresh() {
      const found = await look("/vote/state");
      if (!found) return;
      if (found.ballot?.number !== this.ballot?.number) [this.chosen, this.answer] = [{ wait: null, lost: null }, null];
      [this.ballot, this.loaded] = [found.ballot, true];
    },
  },
  mounted() {
    this.refresh();
    this.timer = setInterval(() => document.visibilityState === "visible" && this.refresh(), EVERY_MS);
  },
  unmounted() {
    clearInterval(this.timer);
  },
};

// A number that this browser makes up once: so a second vote replaces the first.
function voter() {
  let known = localStorage.getItem("ganns-voter");
  if (!/^[0-9a-f]{32}$/.test(known ?? "")) {
    known = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem("ganns-voter", known);
  }
  return known;
}
