// The instructor's controls: pause, resume and stop runs, change a quorum, drain workers.

import { number } from "ganns/format.js";
import { on } from "ganns/live.js";
import { look, order } from "ganns/orders.js";
import { runPage, time } from "ganns/words.js";

const ORDERS = { pause: "pause", resume: "resume", stop: "stop" };

export default {
  template: `<div class="control">
    <p class="answer" role="status" aria-live="polite" :class="{ wrong: answer && !answer.good }" v-show="answer">{{ answer?.text }}</p>
    <section aria-labelledby="control-runs"><h2 id="control-runs">Runs</h2>
      <p v-if="runs && !runs.length" class="card empty">No run is open. Start one with <code>ganns train experiment=demo</code>.</p>
      <article v-for="run in runs ?? []" :key="run.run" class="card order-run" :aria-label="'Run ' + run.run">
        <h3><a :href="runPage(run.run)">{{ run.name }}</a> <span class="soft">run {{ run.run }}</span></h3>
        <p><strong>{{ run.wording.word }}</strong>, version {{ number(run.version) }}</p>
        <div class="buttons">
          <button type="button" :disabled="!may || run.wanted !== 'run'" @click="give(run, 'pause')">Pause</button>
          <button type="button" :disabled="!may || run.wanted === 'run'" @click="give(run, 'resume')">Resume</button>
          <button type="button" :disabled="!may || run.wanted === 'stop'" @click="confirm(run)">Stop…</button>
        </div>
        <form class="buttons" @submit.prevent="setQuorum(run)">
          <label :for="'quorum-' + run.run">Results that close a round</label>
          <input :id="'quorum-' + run.run" type="number" min="1" max="10000" required :disabled="!may"
            :value="quorum(run)" @input="typed[run.run] = $event.target.value">
          <button type="submit" :disabled="!may">Set</button>
          <button type="button" v-if="run.wanted_units" :disabled="!may" @click="reset(run)">As configured ({{ run.units }})</button>
        </form>
        <details v-if="asked[run.run]?.length"><summary>Orders so far</summary>
          <ul><li v-for="one in asked[run.run]" :key="one.number">{{ time(one.at) }} {{ one.asked_by }}:
            {{ words(one) }}</li></ul></details>
      </article>
    </section>
    <section aria-labelledby="control-workers"><h2 id="control-workers">Workers</h2>
      <p v-if="people && !people.length" class="card empty">No worker is connected. A worker joins with
        <code>ganns join 'postgresql://...'</code>, then <code>ganns worker</code>.</p>
      <p class="soft" v-if="people?.length">A draining worker finishes its unit, then takes no new one: you can switch it off then.</p>
      <ul class="order-workers" v-if="people?.length">
        <li v-for="one in people" :key="one.name" class="card"><span>{{ one.name }}
            <span class="soft">{{ one.draining ? "draining" : one.computes ? "computing" : one.preparing || "waiting" }}</span></span>
          <button type="button" :disabled="!may" @click="drain(one)" :aria-label="(one.draining ? 'Undrain ' : 'Drain ') + one.name">
            {{ one.draining ? "Undrain" : "Drain" }}</button></li>
      </ul>
    </section>
    <dialog ref="sure" aria-labelledby="control-sure" @close="closed">
      <form method="dialog"><h2 id="control-sure">Stop run {{ stopping?.run }}?</h2>
        <p>Its coordinator completes the open round, stores everything, and ends. Nothing is lost. To continue
        the run:</p><pre>ganns train resume={{ stopping?.run }}</pre>
        <div class="buttons"><button value="stop">Stop it</button><button value="" autofocus>Keep it running</button></div></form>
    </dialog>
  </div>`,
  props: { csrf: String, may: Boolean },
  data: () => ({ runs: null, people: null, answer: null, asked: {}, typed: {}, stopping: null }),
  methods: {
    number,
    runPage,
    time,
    words: (one) => (one.what === "quorum" ? `quorum ${one.units ?? "as configured"}` : ORDERS[one.what]),
    quorum(run) {
      return this.typed[run.run] ?? run.wanted_units ?? run.units;
    },
    async give(run, what) {
      await this.send(`/control/runs/${run.run}/${what}`, {}, run);
    },
    async setQuorum(run) {
      await this.send(`/control/runs/${run.run}/quorum`, { units: Number(this.quorum(run)) }, run);
    },
    async reset(run) {
      await this.send(`/control/runs/${run.run}/quorum`, { units: null }, run);
    },
    async drain(one) {
      await this.send("/control/workers", { name: one.name, draining: !one.draining });
    },
    async send(path, content, run) {
      this.answer = await order(path, this.csrf, content);
      if (!run) return;
      delete this.typed[run.run];
      await this.remember(run.run);
    },
    async remember(run) {
      this.asked[run] = (await look(`/control/runs/${run}`)) ?? this.asked[run];
    },
    confirm(run) {
      this.stopping = run;
      this.$refs.sure.returnValue = "";
      this.$refs.sure.showModal();
    },
    closed() {
      if (this.$refs.sure.returnValue === "stop") this.give(this.stopping, "stop");
    },
  },
  mounted() {
    this.off = [
      on("runs", (message) => {
        const before = this.runs;
        this.runs = message.runs.filter((run) => run.state === "open");
        for (const run of this.runs) {
          const old = before?.find((one) => one.run === run.run);
          if (old?.wanted !== run.wanted || old?.wanted_units !== run.wanted_units) this.remember(run.run);
        }
      }),
      on("people", (message) => (this.people = message.people.filter((one) => one.alive))),
    ];
  },
  unmounted() {
    this.off.forEach((stop) => stop());
  },
};
