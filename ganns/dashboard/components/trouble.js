import { on } from "ganns-live";

export default {
  template: `<div class="trouble" role="status" aria-live="polite" v-show="text">{{ text }}</div>`,
  data: () => ({ link: true, database: "" }),
  computed: {
    text() {
      return this.link ? this.database : "This page lost the dashboard; it tries again by itself.";
    },
  },
  mounted() {
    this.off = [on("link", (link) => (this.link = link.open)), on("trouble", (said) => (this.database = said.text))];
  },
  unmounted() {
    this.off.forEach((stop) => stop());
  },
};
