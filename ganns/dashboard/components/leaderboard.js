// The people of a run: the contribution of each, ranked by accepted images, and arrivals and departures.

import { number, seconds } from "ganns/format.js";
import Icon from "ganns/icon.js";
import { on } from "ganns/live.js";
import { ago, computes, device, mbit, personPage, presence, speed, streak } from "ganns/words.js";

const MAX_ARRIVALS = 6;
const ORDER = ["here", "draining", "silent", "left"];
const COLUMNS = [
  { key: "rank", label: "Rank", of: (one) => one.rank },
  { key: "name", label: "Name", of: (one) => one.name.toLowerCase() },
  { key: "images", label: "Images", of: (one) => -one.images, number: true },
  { key: "units", label: "Units", of: (one) => -one.units, number: true },
  { key: "streak", label: "Streak", of: (one) => -one.streak, number: true },
  { key: "late", label: "Extra effort", of: (one) => -one.late, number: true },
  { key: "device", label: "Device", of: (one) => device(one.machine) },
  { key: "speed", label: "Speed", of: (one) => -(speed(one) ?? -1), number: true },
  { key: "link", label: "Link", of: (one) => one.link_s ?? Infinity, number: true },
  { key: "here", label: "Heartbeat", of: (one) => ORDER.indexOf(presence(one).key) },
  { key: "now", label: "Computes now", of: (one) => one.computes?.unit ?? Infinity },
];

export default {
  template: `<div class="people">
    <section class="card figures" aria-label="The whole class">
      <div class="figure" v-for="one in totals" :key="one.label"><strong>{{ one.value }}</strong><span>{{ one.label }}</span></div>
    </section>
    <p v-if="people && !people.length" class="card">No worker has joined yet. On each machine: <code>ganns worker</code>,
      with the address that <code>ganns db serve</code> printed.</p>
    <div v-if="people?.length" class="top3">
      <p v-if="!best.length" class="card soft">No unit of this run has been credited yet: a round credits its units when it
        closes.</p>
      <ol v-else class="podium" aria-label="Most images">
        <li v-for="one in best" :key="one.name" class="card" :class="'place' + one.rank">
          <span class="medal" aria-hidden="true">{{ one.rank }}</span>
          <a :href="personPage(one.name)">{{ one.name }}</a>
          <strong>{{ number(one.images) }} images</strong>
          <span class="soft">{{ device(one.machine) }}<template v-if="one.streak > 1"> · {{ streak(one.streak) }} rounds in a row</template></span>
        </li>
      </ol>
      <section class="card arrivals" aria-labelledby="arrivals">
        <h2 id="arrivals">Arrivals and departures</h2>
        <ul><li v-for="one in arrivals" :key="one.name + one.what + one.at">
          <a :href="personPage(one.name)">{{ one.name }}</a> {{ one.what }} <span class="soft">{{ ago(one.at, now) }}</span></li></ul>
        <p v-if="!arrivals.length" class="soft">Workers that join or leave appear here.</p>
      </section>
    </div>
    <section v-if="people?.length" class="card">
      <table class="rows sorts board" role="table" aria-label="All people">
        <thead role="rowgroup"><tr role="row"><th v-for="column in columns" :key="column.key" role="columnheader" scope="col"
          :class="{ number: column.number }" :aria-sort="column.key === by ? (down ? 'descending' : 'ascending') : 'none'">
          <button type="button" @click="sort(column.key)">{{ column.label }}<span class="mark" aria-hidden="true"><icon
            v-if="column.key === by" :sign="down ? '▾' : '▴'" /></span></button></th></tr></thead>
        <tbody role="rowgroup"><tr v-for="one in sorted" :key="one.name" role="row" :class="[presence(one).key, { me: isMe(one) }]">
          <td role="cell" class="first">{{ one.images ? one.rank : "–" }}</td>
          <th role="rowheader" scope="row"><a :href="personPage(one.name)">{{ one.name }}</a> <span
            v-if="isMe(one)" class="you">you</span></th>
          <td role="cell" class="number" data-label="images">{{ number(one.images) }}</td>
          <td role="cell" class="number" data-label="units">{{ number(one.units) }}</td>
          <td role="cell" class="number" data-label="streak">{{ streak(one.streak) }}</td>
          <td role="cell" class="number" data-label="extra effort">{{ one.late ? "+" + number(one.late) : "–" }}</td>
          <td role="cell" data-label="device">{{ device(one.machine) }}</td>
          <td role="cell" class="number" data-label="speed">{{ speed(one) === null ? "–" : number(speed(one)) + " images/s" }}</td>
          <td role="cell" class="number" data-label="link">{{ one.link_s === null ? "–" : link(one.link_s) }}
            <template v-if="mbit(one)"><br><span class="soft">{{ mbit(one) }}</span></template></td>
          <td role="cell" data-label="heartbeat"><span class="beat"><icon :sign="signs[presence(one).key]" /></span>
            {{ presence(one).text }}</td>
          <td role="cell" class="broad" data-label="computes now">{{ computes(one, run) || "–" }}</td>
        </tr></tbody>
      </table>
    </section>
  </div>`,
  components: { icon: Icon },
  props: { run: Number, follow: Boolean, me: String },
  data: () => ({
    columns: COLUMNS,
    signs: { here: "●", draining: "◐", silent: "○", left: "–" },
    people: null,
    arrivals: [],
    now: Date.now() / 1000,
    reader: null,
    by: "rank",
    down: false,
  }),
  computed: {
    best() {
      return (this.people ?? []).filter((one) => one.images).slice(0, 3);
    },
    sorted() {
      const of = COLUMNS.find((column) => column.key === this.by).of;
      const found = [...this.people].sort((a, b) => compare(of(a), of(b)) || compare(a.rank, b.rank));
      return this.reversed ? found.reverse() : found;
    },
    // Columns of numbers start with the largest: their `of` is negative.
    reversed() {
      return this.down !== this.falling(this.by);
    },
    totals() {
      const people = this.people ?? [];
      const sum = (key) => people.reduce((all, one) => all + (one[key] ?? 0), 0);
      const here = people.filter((one) => one.alive);
      const speed = here.reduce((all, one) => all + (one.speed ?? 0), 0);
      return [
        { label: "images together", value: number(sum("images")) },
        { label: "units", value: number(sum("units")) },
        { label: "people contributed", value: people.filter((one) => one.units || one.late).length },
        { label: "here now", value: here.length },
        { label: "images/s, all workers together", value: speed ? number(Math.round(speed)) : "–" },
        { label: "units of extra effort", value: number(sum("late")) },
      ];
    },
  },
  methods: {
    isMe(one) {
      return one.name === this.reader;
    },
    ago, computes, device, number, personPage, presence, streak,
    mbit, speed,
    link: (value) => (value < 1 ? `${Math.round(1000 * value)} ms` : seconds(value)),
    falling: (key) => ["images", "units", "streak", "late", "speed"].includes(key),
    sort(key) {
      this.down = this.by === key ? !this.down : this.falling(key);
      this.by = key;
    },
  },
  mounted() {
    this.reader = known(this.me);
    const changes = new Arrivals();
    this.off = on("people", (message) => {
      if (message.run !== this.run) return;
      if (this.follow && message.latest !== null && message.latest !== this.run) return window.location.reload();
      this.now = Date.now() / 1000;
      const people = message.people.map((one) => Object.freeze({ ...one }));
      this.people = people.map((one) => ({ ...one, rank: 1 + people.filter((other) => other.images > one.images).length }));
      this.arrivals = [...changes.update(people, this.now)];
    });
    this.clock = setInterval(() => (this.now = Date.now() / 1000), 10000);
  },
  unmounted() {
    this.off();
    clearInterval(this.clock);
  },
};

// The reader's name: of the page's address, which this browser remembers; an empty one is forgotten.
function known(me) {
  if (me) localStorage.setItem("ganns-me", me);
  else if (me === "") localStorage.removeItem("ganns-me");
  return localStorage.getItem("ganns-me");
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// Arrivals and departures, from the differences between "people" messages. About the time before the page was opened, only
// the time of joining is known.
class Arrivals {
  constructor() {
    this.before = null; // name -> [presence, times joined]
    this.list = []; // newest first: { name, what, at }
  }

  update(people, now) {
    const found = new Map(people.map((one) => [one.name, { key: presence(one).key, times: one.times_joined ?? 0 }]));
    if (this.before === null) this.list = people.filter((one) => one.alive && one.joined_at).map(arrival);
    else
      for (const one of people) {
        const what = change(this.before.get(one.name), found.get(one.name));
        if (what) this.list.push({ name: one.name, what, at: what === "joined" ? one.joined_at : now });
      }
    this.before = found;
    this.list = this.list.sort((a, b) => b.at - a.at).slice(0, MAX_ARRIVALS);
    return this.list;
  }
}

const arrival = (one) => ({ name: one.name, what: "joined", at: one.joined_at });
const there = (one) => one?.key === "here" || one?.key === "draining";

function change(before, after) {
  if (there(after) && (!before || after.times > before.times)) return "joined";
  if (there(after) && !there(before)) return "is back";
  if (before && after.key !== before.key && after.key === "left") return "left";
  return there(before) && after.key === "silent" ? "became silent" : null;
}
