// A run's state in words, and what to type where something has to be done; how far it is.

import { on } from "ganns-live";
import { number, percent, seconds } from "ganns-live/format.js";

// [sign, kind, word, sentence, command]
function told(run) {
  const by = run.wanted_by ? ` by ${run.wanted_by}` : "";
  const goOn = `ganns train resume=${run.run}`;
  if (run.state === "finished") return ["✓", "good", "finished", "It reached its end."];
  if (run.state === "diverged") {
    const next = "Its numbers made no sense any more. Try a smaller learning rate, or begin with a good version of it:";
    return ["✕", "bad", "diverged", next, `ganns train start_from=${run.run}@best`];
  }
  if (!run.coordinated && run.wanted === "pause") {
    return ["⏸", "warn", "paused", `Paused${by}, and its coordinator has left. Go on with:`, `ganns runs resume ${run.run} && ${goOn}`];
  }
  if (!run.coordinated) return ["■", "warn", "stopped", "No coordinator trains it. Go on with:", goOn];
  const open = run.rounds.some((round) => round.open);
  if (run.wanted === "stop") return ["■", "warn", "stopping", `Asked to stop${by}; the open round is completed before.`];
  if (run.wanted === "pause" && open) return ["⏸", "warn", "pausing", `Paused${by} as soon as the open round is complete.`];
  if (run.wanted === "pause") return ["⏸", "warn", "paused", `Paused${by}. Go on with:`, `ganns runs resume ${run.run}`];
  if (!run.workers_alive) {
    const join = "GANNS_DATABASE_URL=postgresql://... ganns worker";
    return ["…", "warn", "waiting for workers", "Nobody computes. The address is in the coordinator's terminal; join with:", join];
  }
  return ["●", "good", "training", ""];
}

export default {
  template: `<div class="state" :class="kind">
    <p class="word" role="status"><span aria-hidden="true">{{ sign }}</span> <strong>{{ word }}</strong></p>
    <p v-if="sentence">{{ sentence }} <code v-if="command">{{ command }}</code></p>
    <template v-if="now">
      <progress v-if="ends.length" max="1" :value="now.done" aria-label="How far the run is"></progress>
      <p class="soft far">{{ far }}</p>
      <p v-if="now.went_back_at_version" class="soft">At version {{ number(now.went_back_at_version) }} it went back to a
        good version, because the model broke.</p>
    </template>
  </div>`,
  props: { run: Number },
  data: () => ({ now: null, gone: false }),
  computed: {
    parts() {
      if (this.gone) return ["✕", "bad", "deleted", "This run was deleted from the database."];
      return this.now ? told(this.now) : ["…", "", "looking", ""];
    },
    sign() { return this.parts[0]; },
    kind() { return this.parts[1]; },
    word() { return this.parts[2]; },
    sentence() { return this.parts[3]; },
    command() { return this.parts[4]; },
    // Where the run ends: by one of these, whichever comes first.
    ends() {
      const { rounds, epochs, minutes } = this.now.config.stop;
      return Object.entries({ rounds, epochs, minutes }).flatMap(([what, num]) => (num ? `${number(num)} ${what}` : []));
    },
    far() {
      const { done, seconds: passed, images, num_images: each, coordinator } = this.now;
      const until = this.ends.length ? `${percent(done)} of ${this.ends.join(" or ")}` : "no end is set";
      const by = coordinator ? ` · coordinated by ${coordinator}` : "";
      return `${until} · epoch ${number(images / each, 1)} · ${seconds(passed)} of training${by}`;
    },
  },
  methods: { number },
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
