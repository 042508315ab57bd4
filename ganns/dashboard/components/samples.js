// The grids of samples in the database: the newest one, or any other by slider, by arrow keys, or as a film.

import Face, { faceAt, SIDE } from "ganns/face.js";
import { number } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { grid } from "ganns/words.js";

const FILM_MS = 200;
const KEYS = { ArrowLeft: -1, ArrowRight: 1 };

export default {
  template: `<section class="samples" aria-labelledby="samples-title">
    <h2 id="samples-title" class="visually-hidden">Samples</h2>
    <div v-if="!versions.length" class="nothing">
      <p><strong>No samples yet.</strong></p>
      <p class="soft">The coordinator draws a grid of the untrained model first, and then one every few rounds:
        the setting <code>sample_every</code> is their number.</p>
    </div>
    <template v-else>
      <div class="picture">
        <img ref="picture" :src="shown" :alt="alt" :class="{ enlarged }" @load="measure" @click="pick"
          title="Click a face to see it through the versions, and what D says of it">
        <span v-if="face !== null" class="frame" aria-hidden="true" :style="frame"></span>
      </div>
      <div class="controls">
        <button type="button" @click="toggle" :aria-label="playing ? 'Pause the film' : 'Play all grids as a film'">
          <icon :sign="playing ? '⏸' : '▶'" /></button>
        <div class="slide">
          <input type="range" min="0" :max="versions.length - 1" :value="index" :disabled="versions.length < 2"
            aria-label="Version" :aria-valuetext="said" @input="slide(+$event.target.value)">
          <span v-if="best !== null && versions.length > 1" class="star" aria-hidden="true"
            :style="{ '--at': best / (versions.length - 1) }"><icon sign="★" /></span>
        </div>
        <button type="button" :aria-pressed="following" @click="slide(versions.length - 1)">newest</button>
        <button v-if="best !== null" type="button" :aria-pressed="index === best" @click="slide(best)"><icon sign="★" /> best</button>
        <button type="button" :aria-pressed="face !== null" @click="face = face === null ? 0 : null">one face</button>
      </div>
      <p class="caption">version <strong>{{ number(version) }}</strong><span class="soft">{{ remark }}</span></p>
      <one-face v-if="face !== null" :run="run" :versions="versions" :version="version" :newest="newest" :face="face"
        @close="face = null" @choose="face = $event" />
    </template>
  </section>`,
  components: { icon: Icon, "one-face": Face },
  props: { run: Number },
  data: () => ({ versions: [], index: 0, following: true, playing: false, shown: "", enlarged: false, bestVersion: null, newest: 0, face: null }),
  computed: {
    version() {
      return this.versions[this.index];
    },
    // The slider's position of the best version, or of the nearest version that has a grid.
    best() {
      if (this.bestVersion === null || !this.versions.length) return null;
      const far = (version) => Math.abs(version - this.bestVersion);
      return this.versions.reduce((at, version, i, all) => (far(version) < far(all[at]) ? i : at), 0);
    },
    said() {
      return `version ${number(this.version)}`;
    },
    alt() {
      return `Images of version ${number(this.version)} of the model, always from the same noise`;
    },
    remark() {
      const words = this.index === this.versions.length - 1 ? ["the newest grid"] : [];
      if (this.version === 0) words.push("untrained");
      if (this.version === this.bestVersion) words.push("the best so far");
      else if (this.index === this.best) words.push(`nearest to the best version, ${number(this.bestVersion)}`);
      return words.length ? ` · ${words.join(" · ")}` : "";
    },
    // Around the chosen face.
    frame() {
      const part = (place) => `${(100 * place) / SIDE}%`;
      return { left: part(this.face % SIDE), top: part(Math.floor(this.face / SIDE)), width: part(1), height: part(1) };
    },
  },
  mounted() {
    this.gone = new Set(); // deleted between two messages
    this.off = on("run", (run) => {
      if (run.run === this.run) this.take(run);
    });
    this.key = (event) => this.typed(event);
    document.addEventListener("keydown", this.key);
  },
  unmounted() {
    this.off();
    document.removeEventListener("keydown", this.key);
    clearTimeout(this.timer);
  },
  methods: {
    number,
    take(run) {
      this.bestVersion = run.best_version ?? null;
      this.newest = run.version;
      const found = run.samples.filter((version) => !this.gone.has(version));
      if (found.join() === this.versions.join()) return;
      const before = this.version;
      this.versions = found;
      if (this.following || before === undefined) this.show(found.length - 1);
      else this.show(Math.max(0, found.findLastIndex((version) => version <= before)));
    },
    slide(index) {
      this.stop();
      this.following = index === this.versions.length - 1;
      this.show(index);
    },
    // The old picture stays until the new one is loaded.
    async show(index) {
      this.index = index;
      const version = this.version;
      if (version === undefined) return;
      const source = this.address(version);
      try {
        await loaded(source);
      } catch {
        return this.skip(version);
      }
      if (version !== this.version) return;
      this.shown = source;
      for (const near of [1, -1, 2]) if (index + near in this.versions) new Image().src = this.address(this.versions[index + near]);
    },
    async skip(version) {
      // Leave out a grid only if it was deleted, not if the dashboard does not answer.
      const answer = await fetch(this.address(version)).catch(() => null);
      if (answer?.status !== 404) return;
      this.gone.add(version);
      const before = this.version;
      this.versions = this.versions.filter((one) => one !== version);
      if (before === version) this.show(Math.min(this.index, this.versions.length - 1));
      else this.index = this.versions.indexOf(before);
    },
    address(version) {
      return grid(this.run, version);
    },
    pick({ offsetX, offsetY, target }) {
      this.face = faceAt(offsetX / target.clientWidth, offsetY / target.clientHeight);
    },
    toggle() {
      if (this.playing) return this.stop();
      this.playing = true;
      this.following = false;
      if (this.index === this.versions.length - 1) this.index = -1;
      this.step();
    },
    async step() {
      if (!this.playing) return;
      if (this.index + 1 < this.versions.length) await this.show(this.index + 1);
      if (!this.playing) return;
      if (this.index >= this.versions.length - 1) return this.slide(this.versions.length - 1);
      this.timer = setTimeout(() => this.step(), FILM_MS);
    },
    stop() {
      this.playing = false;
      clearTimeout(this.timer);
    },
    // Arrow keys work wherever no other element uses them.
    typed(event) {
      if (!(event.key in KEYS) || event.altKey || event.ctrlKey || event.metaKey || !this.versions.length) return;
      if (event.target !== document.body && event.target.id !== "main") return;
      event.preventDefault();
      this.slide(Math.min(this.versions.length - 1, Math.max(0, this.index + KEYS[event.key])));
    },
    // An enlarged grid shows its pixels; a smaller one is smoothed.
    measure() {
      const picture = this.$refs.picture;
      if (picture) this.enlarged = picture.clientWidth * window.devicePixelRatio > picture.naturalWidth;
    },
  },
};

function loaded(source) {
  const image = new Image();
  image.src = source;
  return image.decode();
}
