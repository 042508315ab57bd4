// The head of every page: links, the theme button, and a warning when the connection is lost. It opens the page's WebSocket.

import Icon from "ganns/icon.js";
import { on, open } from "ganns/live.js";

const NEXT = { system: "dark", dark: "light", light: "system" };
const system = window.matchMedia("(prefers-color-scheme: dark)");

// The style sheet has the colours of both themes.
function apply(choice) {
  const dark = choice === "dark" || (choice === "system" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  window.Quasar?.Dark?.set(dark);
  window.dispatchEvent(new CustomEvent("ganns-theme"));
}

export default {
  template: `<div>
    <header class="top"><slot></slot>
      <button type="button" class="theme" :aria-label="'Theme: ' + choice + '. Change it'" @click="change">
        <icon :sign="{ system: '◐', dark: '☾', light: '☀' }[choice]" /></button></header>
    <div class="trouble" role="status" aria-live="polite" v-show="trouble">{{ trouble }}</div>
  </div>`,
  components: { icon: Icon },
  props: { query: String },
  data: () => ({ choice: localStorage.getItem("ganns-theme") ?? "system", link: true, database: "" }),
  computed: {
    trouble() {
      return this.link ? this.database : "The connection to the dashboard is lost; this page reconnects by itself.";
    },
  },
  methods: {
    change() {
      this.choice = NEXT[this.choice];
      localStorage.setItem("ganns-theme", this.choice);
      apply(this.choice);
    },
  },
  mounted() {
    apply(this.choice);
    system.addEventListener("change", () => apply(this.choice));
    this.off = [on("link", (link) => (this.link = link.open)), on("trouble", (said) => (this.database = said.text))];
    if (this.query) open(this.query);
  },
  unmounted() {
    this.off.forEach((stop) => stop());
  },
};
