// Dark, light, or as the system has it; remembered in this browser.

const NEXT = { system: "dark", dark: "light", light: "system" };
const system = window.matchMedia("(prefers-color-scheme: dark)");

function apply(choice) {
  const dark = choice === "dark" || (choice === "system" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  window.Quasar?.Dark?.set(dark);
  window.dispatchEvent(new CustomEvent("ganns-theme", { detail: { dark } }));
}

export default {
  template: `<button type="button" class="theme" :aria-label="'Theme: ' + choice + '. Change it'" @click="change">
    {{ { system: "◐", dark: "☾", light: "☀" }[choice] }}</button>`,
  data: () => ({ choice: localStorage.getItem("ganns-theme") ?? "system" }),
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
  },
};
