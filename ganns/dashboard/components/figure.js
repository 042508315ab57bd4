import { on } from "ganns-live";
import { at, formats } from "ganns-live/format.js";

export default {
  template: `<div class="figure"><strong>{{ shown }}</strong><span>{{ label }}</span></div>`,
  props: { label: String, of: String, path: String, format: String },
  data: () => ({ shown: "–" }),
  mounted() {
    this.off = on(this.of, (message) => (this.shown = formats[this.format](at(message, this.path))));
  },
  unmounted() {
    this.off();
  },
};
