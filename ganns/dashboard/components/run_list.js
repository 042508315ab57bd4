// All runs, newest first. Some can be chosen for a comparison, with the keyboard too.

import { decimal, number, seconds } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { comparison, runPage, sweepPage, when } from "ganns/words.js";

const MAX = 6; // more curves in one chart are hard to distinguish

export default {
  template: `<div class="runs">
    <section v-if="runs && !runs.length" class="card">
      <h2>No run yet</h2>
      <p>A run is one training job. Start one on the machine with the database:</p><pre>ganns train experiment=demo</pre>
      <p>Or start several at once, to compare settings:</p><pre>ganns train -m experiment=demo seed=0,1 optimizer.lr_g=0.0001,0.0002</pre>
    </section>
    <form v-if="runs?.length" @submit.prevent="compare" class="card">
      <div class="bar-of-choice">
        <button type="submit" :disabled="chosen.length < 2" class="primary">Compare</button>
        <span role="status">{{ hint }}</span>
        <button type="button" v-if="chosen.length" @click="chosen = []">Clear the choice</button>
      </div>
      <table class="rows list" role="table" aria-label="Runs, newest first">
        <thead role="rowgroup"><tr role="row"><th v-for="head in heads" :key="head[0]" role="columnheader" scope="col"
          :class="head[1]">{{ head[0] }}</th></tr></thead>
        <tbody role="rowgroup"><tr v-for="one in runs" :key="one.run" role="row" :class="{ chosen: chosen.includes(one.run) }">
          <td role="cell" class="first"><input type="checkbox" name="run" :value="one.run" v-model="chosen"
            :aria-label="'Choose run ' + one.run" :disabled="chosen.length >= max && !chosen.includes(one.run)"></td>
          <th role="rowheader" scope="row"><a :href="runPage(one.run)">Run {{ one.run }}</a> <span class="name">{{ one.name }}</span></th>
          <td role="cell" :class="'state-' + one.wording.kind" data-label="state"><icon :sign="one.wording.sign" />
            {{ one.wording.word }}</td>
          <td role="cell" class="number" data-label="version">{{ number(one.version) }}</td>
          <td role="cell" class="number" data-label="images">{{ number(one.images) }}</td>
          <td role="cell" class="number" data-label="trained for">{{ seconds(one.seconds) }}</td>
          <td role="cell" class="number" data-label="best FID, SWD">{{ decimal(one.best_fid) }}, {{ decimal(one.best_swd) }}</td>
          <td role="cell" class="number" data-label="loss D, G">{{ decimal(one.metrics?.d_loss) }}, {{ decimal(one.metrics?.g_loss) }}</td>
          <td role="cell" data-label="sweep"><template v-for="key in one.sweeps" :key="key"><a :href="sweepPage(key)">{{
            key.slice(0, 6) }}</a> </template><template v-if="!one.sweeps.length">–</template></td>
          <td role="cell" class="broad" data-label="begun">{{ when(one.created_at) }}</td>
        </tr></tbody>
      </table>
      <p class="soft" v-if="runs.length >= 500">Only the newest 500 runs are listed.</p>
    </form>
  </div>`,
  components: { icon: Icon },
  data: () => ({
    runs: null,
    chosen: [],
    max: MAX,
    heads: [
      ["Compare", "first"], ["Run"], ["State"], ["Version", "number"], ["Images", "number"], ["Trained for", "number"],
      ["Best FID, SWD", "number"], ["Loss D, G", "number"], ["Sweep"], ["Begun"],
    ],
  }),
  computed: {
    hint() {
      if (!this.chosen.length) return `Choose two to ${MAX} runs.`;
      const left = this.chosen.length === 1 ? ". Choose at least one more." : "";
      return `Chosen: ${[...this.chosen].sort((a, b) => a - b).join(", ")}${left}`;
    },
  },
  methods: {
    decimal, number, seconds, runPage, sweepPage, when,
    compare() {
      if (this.chosen.length > 1) window.location.href = comparison([...this.chosen].sort((a, b) => a - b));
    },
  },
  mounted() {
    this.off = on("runs", ({ runs }) => {
      this.runs = runs;
      this.chosen = this.chosen.filter((run) => runs.some((one) => one.run === run));
    });
  },
  unmounted() {
    this.off();
  },
};
