// The projector's view of the phones' GAN: the picture, the open round, and each phone. With a token, the instructor's orders.

import { base } from "ganns/ask.js";
import { number } from "ganns/format.js";
import { order } from "ganns/orders.js";
import { covered, decode, draw, points } from "ganns/phones/picture.js";

const MAX_NAMES = 12; // with more phones, names in the picture would hide it
const FEW = 4; // as many places or fewer, for a while: collapse
const EARLY = 100; // versions in which few places are no sign yet

export default {
  template: `<div class="phones-board">
  <section class="card phones-picture" aria-label="The picture">
    <canvas ref="picture" role="img" :aria-label="summary"></canvas>
    <ul class="phones-key">
      <li><span class="swatch is-real"></span>D says real</li><li><span class="swatch is-fake"></span>D says generated</li>
      <li><span class="swatch is-made"></span>G's points</li><li>○ real places</li>
      <li>→ where a phone's gradient would move its point (dashed: too late)</li>
    </ul>
  </section>
  <div class="phones-side">
    <section class="card" aria-label="The run">
      <p class="trouble-here" role="status" aria-live="polite">{{ trouble }}</p>
      <div class="figures">
        <div class="figure"><strong>{{ now ? number(now.version) : "–" }}</strong><span>version</span></div>
        <div class="figure"><strong>{{ now ? now.phones.length : "–" }}</strong><span>phones</span></div>
        <div class="figure"><strong>{{ now ? now.speed.toFixed(1) : "–" }}</strong><span>rounds/s</span></div>
        <div class="figure"><strong>{{ now ? places : "–" }} of 8</strong><span>places found</span></div>
      </div>
      <p class="phones-health" :class="health.kind">{{ health.text }}</p>
      <p class="soft" v-if="now">Run {{ now.run }}, {{ title }}.<template v-if="now.losses.length">
        Losses: D {{ now.losses[0].toFixed(2) }}, G {{ now.losses[1].toFixed(2) }}.</template></p>
    </section>
    <section class="card" aria-labelledby="phones-round"><h2 id="phones-round">The open round</h2>
      <template v-if="now?.round">
        <progress :max="now.round.quorum" :value="Math.min(now.round.results, now.round.quorum)" aria-label="Results of the open round"></progress>
        <p>{{ now.round.results }} of {{ now.round.units }} results; {{ now.round.quorum }} close it.</p>
      </template>
      <form v-if="csrf" class="buttons" @submit.prevent>
        <label for="phones-wait">Wait for</label>
        <select id="phones-wait" :value="now?.waitPercent" @change="send('wait', { percent: Number($event.target.value) })">
          <option v-for="one in [50, 80, 100]" :key="one" :value="one">{{ one === 100 ? "all phones" : one + " % of the phones" }}</option>
        </select>
        <button v-for="one in recipes" :key="one.key" type="button" @click="send('begin', { recipe: one.key })">New run, {{ one.title }}</button>
      </form>
      <p v-if="answer" role="status" :class="{ wrong: !answer.good }">{{ answer.text }}</p>
    </section>
    <section class="card" aria-labelledby="phones-list"><h2 id="phones-list">Phones</h2>
      <p v-if="now && !now.phones.length" class="soft">No phone has joined yet.</p>
      <ul class="phones-list"><li v-for="one in phones" :key="one.id" :class="one.kind">
        <span class="sign" aria-hidden="true">{{ one.sign }}</span><span class="who">{{ one.name }}</span>
        <span class="soft">{{ one.words }}</span></li></ul>
    </section>
  </div>
</div>`,
  props: { csrf: String, recipes: Array },
  data: () => ({ now: null, places: 0, link: true, answer: null }),
  computed: {
    title() { return this.recipes.find((one) => one.key === this.now?.recipe)?.title ?? ""; },
    trouble() { return this.link ? (this.now?.trouble ?? "") : "The connection to the dashboard is lost; this page reconnects by itself."; },
    summary() {
      return this.now ? `The generator's points are at ${this.places} of 8 places at version ${this.now.version}.` : "Nothing yet.";
    },
    health() {
      if (!this.now?.phones.length) return { kind: "", text: "Scan the code to join." };
      if (this.places === 8) return { kind: "good", text: "G has points at all eight places." };
      if (this.places <= FEW && this.now.version >= EARLY) {
        const cure = this.now.recipe === "plain" ? " The cure: a penalty on D's slope." : "";
        return { kind: "warn", text: `Collapse: the points are at ${this.places} of 8 places, and go on to others together.${cure}` };
      }
      return { kind: "", text: "G is learning where the real points are." };
    },
    phones() {
      return (this.now?.phones ?? []).map((one) => {
        const [accepted, late] = one.credit;
        const counts = `${number(accepted)} in time, ${number(late)} late`;
        if (one.behind) return { ...one, kind: "late", sign: "!", words: `${one.behind} behind · ${counts}` };
        if (one.held !== null) return { ...one, kind: "computing", sign: "▸", words: one.held > 2 ? `${Math.round(one.held)} s · ${counts}` : counts };
        return { ...one, kind: "", sign: "✓", words: counts };
      });
    },
  },
  methods: {
    number,
    async send(what, content) {
      this.answer = await order(`/phones/order/${what}`, this.csrf, content);
    },
    connect() {
      const address = new URL(base() + "/phones/watch", window.location.href);
      address.protocol = address.protocol.replace("http", "ws");
      this.socket = new WebSocket(address);
      this.socket.onopen = () => { this.link = true; };
      this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
      this.socket.onclose = () => {
        if (this.gone) return;
        this.link = false;
        this.timer = setTimeout(() => this.connect(), 1000 + 1000 * Math.random());
      };
    },
    take(message) {
      const isNew = message.run !== this.now?.run || message.version !== this.now?.version;
      this.now = message;
      if (isNew || !this.weights) {
        this.weights = decode(message.weights);
        this.made = points(this.weights);
        this.places = covered(this.made);
      }
      this.paint();
    },
    paint() {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => {
        if (!this.weights || !this.$refs.picture) return;
        const named = this.now.phones.length <= MAX_NAMES;
        const arrows = this.now.phones.filter((one) => one.arrow.length).map(({ arrow: [x, y, toX, toY], name, late }) => (
          { from: [x, y], to: [toX, toY], name: named ? name : "", faint: late }));
        draw(this.$refs.picture, this.weights, this.made, arrows);
      });
    },
  },
  mounted() {
    this.repaint = () => this.paint();
    window.addEventListener("ganns-theme", this.repaint);
    this.ruler = new ResizeObserver(this.repaint);
    this.ruler.observe(this.$refs.picture);
    this.connect();
  },
  unmounted() {
    this.gone = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.ruler.disconnect();
    window.removeEventListener("ganns-theme", this.repaint);
  },
};
