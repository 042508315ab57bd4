// What a run has sent through the database so far.

import { on } from "ganns-live";
import { bytes } from "ganns-live/format.js";
import { column } from "ganns-charts/points.js";

export default {
  template: `<p class="soft traffic" v-if="up !== null">In all, <strong>{{ up }}</strong> of results went up to the coordinator, and
    <strong>{{ down }}</strong> of weights down to the workers.</p>`,
  props: { run: Number },
  data: () => ({ up: null, down: null }),
  mounted() {
    this.off = on("history", ({ run, columns }) => {
      if (run !== this.run || !columns.round.length) return;
      this.up = bytes(column(columns, "bytes_up_total").at(-1));
      this.down = bytes(column(columns, "bytes_down_total").at(-1));
    });
  },
  unmounted() {
    this.off();
  },
};
