// What can go wrong, and how often it did since this page was opened. The example does not count.

import { on } from "ganns-live";
import { Told } from "ganns-round/told.js";

export default {
  template: `<ul class="learn-faults">
    <li v-for="one in faults" :key="one[0]" :data-fault="one[0]"><strong>{{ counts[one[0]] ?? 0 }}</strong>
      <span><b>{{ one[1] }}</b> {{ one[2] }}</span></li></ul>`,
  props: { faults: Array },
  data: () => ({ counts: {} }),
  mounted() {
    const meaning = new Told();
    this.off = on("events", ({ events }) => {
      for (const { event } of meaning.heard(events)) this.counts[event] = (this.counts[event] ?? 0) + 1;
    });
  },
  unmounted() {
    this.off();
  },
};
