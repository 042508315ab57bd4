// The steps of a round; the one that is happening now is marked.

import { player } from "ganns-round";

export default {
  template: `<ol class="learn-steps">
    <li v-for="(one, i) in steps" :key="i" :aria-current="step === i + 1 ? 'step' : null">
      <strong>{{ one[0] }}</strong> <span>{{ one[1] }}</span></li></ol>`,
  props: { steps: Array },
  data: () => ({ step: null }),
  mounted() {
    this.off = player.on(() => (this.step = player.step));
  },
  unmounted() {
    this.off();
  },
};
