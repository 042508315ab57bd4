// A run's state in words, the command to type if there is one, its progress, and its numbers.

import { formats, number, percent, seconds } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { isResting } from "ganns/words.js";

const UNKNOWN = { sign: "…", kind: "", word: "loading" };
const DELETED = { sign: "✕", kind: "bad", word: "deleted", sentence: "This run was deleted from the database." };

export default {
  template: `<div class="state" :class="words.kind">
    <p class="word" role="status"><icon :sign="words.sign" /> <strong>{{ words.word }}</strong></p>
    <p v-if="words.sentence">{{ words.sentence }} <code v-if="words.command">{{ words.command }}</code></p>
    <template v-if="now">
      <progress v-if="now.ends.length" max="1" :value="now.done" aria-label="Progress of the run"></progress>
      <p class="soft far">{{ far }}</p>
      <p v-if="now.went_back_at_version" class="soft">At version {{ number(now.went_back_at_version) }} the model broke, so the
        run went back to a good version.</p>
      <ul v-if="now.health?.length" class="health" aria-label="Health of the run"><li v-for="one in now.health" :key="one.kind + one.text"
        :class="one.kind"><strong>{{ one.text }}</strong> {{ one.remedy }}</li></ul>
      <p v-for="one in now.incidents" :key="one.number" class="soft">{{ one.text }}</p>
    </template>
    <div class="figures"><div v-for="one in figures" :key="one.key" class="figure" :class="{ resting: rests(one) }"
      :title="one.title || null"><strong>{{ now ? shown(one) : "–" }}</strong>
      <span>{{ one.label }}</span></div></div>
  </div>`,
  components: { icon: Icon },
  props: { run: Number, figures: Array, speeds: Array },
  data: () => ({ now: null, gone: false }),
  computed: {
    words() {
      return this.gone ? DELETED : (this.now?.wording ?? UNKNOWN);
    },
    far() {
      const { done, ends, seconds: passed, images, num_images: each, coordinator } = this.now;
      const until = ends.length ? `${percent(done)} of ${ends.join(" or ")}` : "no end is set";
      const by = coordinator ? ` · coordinated by ${coordinator}` : "";
      return `${until} · epoch ${number(images / each, 1)} · ${seconds(passed)} of training${by}`;
    },
  },
  methods: {
    number,
    shown(one) {
      return this.rests(one) ? "–" : formats[one.format](this.now[one.key]);
    },
    // A run that no one trains has no speed: the last one would look like the present one.
    rests(one) {
      return this.speeds.includes(one.key) && this.now !== null && isResting(this.now);
    },
  },
  mounted() {
    const mine = (fn) => (message) => message.run === this.run && fn(message);
    this.off = [
      on("run", mine((run) => { this.now = run; this.gone = false; })),
      on("gone", mine(() => { this.gone = true; this.now = null; })),
    ];
  },
  unmounted() {
    this.off.forEach((stop) => stop());
  },
};
