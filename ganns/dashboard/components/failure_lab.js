// The failure lab: its workers, the harms, the actions so far, and the reaction of the class.

import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { look, order } from "ganns/orders.js";
import Prediction from "ganns/prediction.js";
import { advice } from "ganns/spares.js";
import { time } from "ganns/words.js";

const SIGNS = { running: "●", slow: "◐", stopped: "⏸", killed: "✕", left: "○" };
const WORDS = {
  requeued: "A unit was queued again",
  late: "A result came too late",
  refused: "A result was refused",
  skipped: "A unit was set aside",
  joined: "A worker joined",
};
const MAX_EVENTS = 12;

export default {
  template: `<div class="lab">
    <p class="answer" role="status" aria-live="polite" :class="{ wrong: answer && !answer.good }" v-show="answer">{{ answer?.text }}</p>
    <section class="card" aria-labelledby="lab-workers"><h2 id="lab-workers">The lab's workers</h2>
      <form class="buttons" @submit.prevent="give('start', num)">
        <label for="lab-num">Number of workers</label>
        <input id="lab-num" type="number" min="1" :max="most" required v-model.number="num">
        <button type="submit" :disabled="busy">Start</button>
        <button type="button" :disabled="busy || !living" @click="give('end')">End all</button>
      </form>
      <div class="wide" v-if="state.workers.length"><table class="lab-workers">
        <thead><tr><th scope="col">worker</th><th scope="col">state</th><th scope="col">processes</th></tr></thead>
        <tbody><tr v-for="one in state.workers" :key="one.name"><td>{{ one.name }}</td>
          <td><icon :sign="SIGNS[one.state]" /> {{ one.state }}</td><td>{{ one.pids.join(", ") || "none" }}</td></tr>
        </tbody></table></div>
      <p v-else class="soft">No workers yet. They need some seconds to start.</p>
    </section>
    <prediction :ballot="state.ballot" />
    <p v-if="state.quiz" class="card">The votes of {{ state.quiz }} as a quiz: <a :href="'/lab/quiz/' + state.quiz + '/questions.md'" download>questions</a>
      for the class, <a :href="'/lab/quiz/' + state.quiz + '/answers.md'" download>answers</a> with the votes and the reasons.</p>
    <section aria-labelledby="lab-harms"><h2 id="lab-harms">Kinds of harm</h2>
      <div class="harms"><article v-for="harm in harms" :key="harm.key" class="card">
        <h3>{{ harm.title }}</h3><p>{{ harm.text }}</p>
        <form class="buttons" v-if="harm.key === 'latency'" @submit.prevent="give('latency', delay)">
          <label for="lab-delay">ms</label>
          <input id="lab-delay" type="number" min="0" :max="longest" step="10" required v-model.number="delay">
          <button type="submit" :disabled="busy">{{ harm.button }}</button>
          <button type="button" :disabled="busy || !living" @click="ask(harm)" :aria-label="'Ask the class first: ' + harm.title">Ask the class first</button>
          <span class="soft">now {{ state.delay_ms }} ms</span></form>
        <div class="buttons" v-else><button type="button" :disabled="busy || !can(harm.key)" @click="give(harm.key)">
          {{ harm.button }}</button>
          <button type="button" v-if="harm.is_harm" :disabled="busy || !can(harm.key)" @click="ask(harm)"
            :aria-label="'Ask the class first: ' + harm.title">Ask the class first</button></div>
        <p class="soft" v-if="asked(harm)">The class votes on this. "{{ harm.button }}" ends the vote, and shows what was expected.</p>
        <template v-if="needs(harm)"><p class="soft">{{ needs(harm).text }} <code v-if="needs(harm).command">{{ needs(harm).command }}</code></p>
          <div class="buttons" v-if="needs(harm).quorum"><button type="button" :disabled="busy" @click="setQuorum(needs(harm).quorum)">
            Set the quorum to {{ needs(harm).quorum }}</button></div></template>
        <p class="soft" v-if="harm.key === 'restart' && !canRestart">This is not the embedded database, so other programs may
          use it: restart it on its own machine. (Without GANNS_DATABASE_URL, the dashboard uses the embedded database.)</p>
      </article></div>
    </section>
    <section class="card" aria-labelledby="lab-done" v-if="state.done.length"><h2 id="lab-done">Actions, and what should happen now</h2>
      <ul><li v-for="one in state.done" :key="one.at">{{ time(one.at) }} <strong>{{ one.what }}</strong> {{ one.then }}
        <span class="soft" v-if="one.tests.length">Tested by <template v-for="(test, i) in one.tests"><template v-if="i">, </template><code>{{ test }}</code></template>.</span>
      </li></ul></section>
    <section class="card" aria-labelledby="lab-events"><h2 id="lab-events">Reaction of the class</h2>
      <p v-if="rounds"><strong>{{ rounds }}</strong> {{ rounds === 1 ? "round has" : "rounds have" }} closed since this page was opened.</p>
      <ul v-if="events.length"><li v-for="one in events" :key="one.key">{{ one.at }} {{ one.text }}</li></ul>
      <p v-else class="soft">Units that are queued again and results that come too late appear here.</p>
      <p><a href="/docs/explain/faults.md">All faults and their tests</a></p></section>
  </div>`,
  components: { icon: Icon, prediction: Prediction },
  props: { csrf: String, canRestart: Boolean, harms: Array, most: Number, longest: Number },
  data: () => ({ SIGNS, state: { workers: [], delay_ms: 0, done: [], harmed: {}, ballot: null, quiz: "" }, run: null, answer: null, busy: false, num: 3, delay: 200, events: [], rounds: 0 }),
  computed: {
    living() {
      return this.state.workers.some((one) => one.pids.length);
    },
  },
  methods: {
    time,
    can(key) {
      const some = (state) => this.state.workers.some((one) => one.state === state);
      if (key === "restart") return this.canRestart;
      if (key === "continue") return some("stopped");
      if (key === "fast") return some("slow");
      return this.living;
    },
    // The quorum and the spares that a harm needs, and how to get them.
    needs(harm) {
      return advice(this.run, this.state.harmed[harm.key] ?? 0);
    },
    asked(harm) {
      return this.state.ballot?.state === "open" && this.state.ballot.harm === harm.key;
    },
    async ask(harm) {
      await this.send(`/lab/ask/${harm.key}`, { number: harm.key === "latency" ? this.delay : 0 });
    },
    async setQuorum(units) {
      await this.send(`/control/runs/${this.run.run}/quorum`, { units });
    },
    async give(what, number = 0) {
      await this.send(`/lab/${what}`, { number });
    },
    async send(path, content) {
      this.busy = true;
      this.answer = await order(path, this.csrf, content);
      await this.refresh();
      this.busy = false;
    },
    async refresh() {
      this.state = (await look("/lab/state")) ?? this.state;
    },
    note(message) {
      this.rounds += message.events.filter((event) => event.event === "closed").length;
      for (const one of message.events.filter((event) => event.event in WORDS)) {
        const where = [one.unit !== undefined && `unit ${one.unit}`, one.round !== undefined && `round ${one.round}`];
        const text = [WORDS[one.event], where.filter(Boolean).join(" of ")].filter(Boolean).join(": ");
        this.events.unshift({ key: (this.last = (this.last ?? 0) + 1), at: time(Date.now() / 1000), text });
      }
      this.events.splice(MAX_EVENTS);
    },
  },
  mounted() {
    this.off = [on("events", this.note), on("run", (run) => (this.run = run))];
    this.refresh();
    this.timer = setInterval(() => document.visibilityState === "visible" && this.refresh(), 1000);
  },
  unmounted() {
    this.off.forEach((stop) => stop());
    clearInterval(this.timer);
  },
};
