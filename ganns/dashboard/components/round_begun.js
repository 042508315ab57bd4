// Where there was no run when the page was made: a link to the newest one as soon as there is one.

import { on } from "ganns-live";

export default {
  template: `<p class="learn-begun" role="status">
    <a v-if="run !== null" :href="'?run=' + run">Run {{ run }} is there: watch it</a></p>`,
  data: () => ({ run: null }),
  mounted() {
    this.off = on("runs", ({ runs }) => (this.run = runs[0]?.run ?? null));
  },
  unmounted() {
    this.off();
  },
};
