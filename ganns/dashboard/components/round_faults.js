// The kinds of faults, each with its number since this page was opened. The example does not count.

import { on } from "ganns/live.js";
import { Interpreter } from "ganns/round/state.js";

export default {
  template: `<ul class="learn-faults">
    <li v-for="one in faults" :key="one[0]" :data-fault="one[0]"><strong>{{ counts[one[0]] ?? 0 }}</strong>
      <span><b>{{ one[1] }}</b> {{ one[2] }}</span></li></ul>`,
  props: { faults: Array },
  data: () => ({ counts: {} }),
  mounted() {
    const interpreter = new Interpreter();
    this.off = on("events", ({ events }) => {
      for (const { event } of interpreter.read(events)) this.counts[event] = (this.counts[event] ?? 0) + 1;
    });
  },
  unmounted() {
    this.off();
  },
};
