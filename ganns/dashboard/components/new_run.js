// A link to a run that began after the page was opened. A page that follows runs loads itself again when its run is over.

import { base } from "ganns/ask.js";
import { on } from "ganns/live.js";

export default {
  template: `<div role="status"><p v-if="latest" class="newer">Run {{ latest }} has begun.
    <a :href="prefix + page + latest">Look at run {{ latest }}</a></p></div>`,
  props: { run: Number, follow: Boolean, page: String },
  data: () => ({ latest: null, prefix: base() }),
  mounted() {
    let first;
    this.off = [
      on("run", (run) => {
        if (run.run !== this.run || run.latest === undefined) return;
        first ??= run.latest;
        if (run.latest === first || run.latest === this.run) return (this.latest = null);
        if (this.follow && !(run.state === "open" && run.coordinated)) window.location.reload();
        this.latest = run.latest;
      }),
      on("runs", ({ runs }) => {
        if (this.run) return;
        if (this.follow && runs.length) window.location.reload();
        else this.latest = runs[0]?.run ?? null;
      }),
    ];
  },
  unmounted() {
    this.off.forEach((stop) => stop());
  },
};
