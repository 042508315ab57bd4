// Tells of a run that begins while somebody looks at another one. The page `/` goes there by itself when its own is over.

import { on } from "ganns-live";

export default {
  template: `<div role="status"><p v-if="latest" class="newer">Run {{ latest }} has begun.
    <a :href="prefix + '/run/' + latest">Look at run {{ latest }}</a></p></div>`,
  props: { run: Number, follow: Boolean },
  data: () => ({ latest: null, prefix: window.path_prefix ?? "" }),
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
        if (!this.run && runs.length) window.location.reload();
      }),
    ];
  },
  unmounted() {
    this.off.forEach((stop) => stop());
  },
};
