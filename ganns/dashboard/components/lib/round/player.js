// Plays events, beat by beat: live, slowly, or those of the example. It handles time, not drawing.

import { beats, grouped, KNOWN } from "./beats.js";
import { EXAMPLE } from "./example.js";
import { sentence } from "./sentences.js";
import { apply, fresh, Interpreter, show } from "./state.js";

const FIRST_MS = 50; // the message "run" comes right after the events
const BEAT_MS = 350;
const WITHIN_MS = 1200; // play waiting beats faster, so that all are shown within this time
const TOO_OLD_MS = 1800; // a beat that waited longer changes the state without motion
const EXAMPLE_MS = 900;
const SLOWER = 4;
const AFTER_EXAMPLE_MS = 3000;
const WRONG = ["requeued", "refused", "skipped"];

export class Player {
  state = fresh();
  step = null;
  caption = "";
  important = false; // whether the caption is about a fault
  mode = "live"; // or "example"
  paused = false;
  slow = false;
  #queue = [];
  #timer = null;
  #run = null;
  #interpreter = new Interpreter();
  #people = new Map(); // worker -> name
  #follow = null; // the round that slow motion shows; it shows whole rounds, and leaves out the rounds in between
  #wants = false;
  #told = new Set();

  // Call `fn(moves)` after each change; return a function that stops this.
  on(fn) {
    this.#told.add(fn);
    fn([]);
    return () => this.#told.delete(fn);
  }

  get moveMs() {
    return (this.mode === "example" ? 1300 : 900) * (this.slow ? SLOWER / 2 : 1);
  }

  // -------------------------------------------------------------------------------------------- messages

  heardRun(run) {
    this.#run = run;
    if (!this.#queue.length && this.mode === "live" && !this.paused) this.#sync();
  }

  heardPeople(people) {
    const before = new Set(this.#people.values());
    for (const one of people) if (one.worker !== undefined) this.#people.set(one.worker, one.name);
    if (!before.size) return;
    const joined = people.filter((one) => one.worker !== undefined && !before.has(one.name));
    this.heard(joined.map((one) => ({ event: "joined", who: one.name })));
  }

  heard(said) {
    const events = this.#interpreter.read(said);
    if (this.mode !== "live" || this.paused) return;
    const known = events.filter((one) => KNOWN.has(one.event) && (one.event !== "joined" || one.who));
    const wanted = this.slow ? known.filter((one) => this.#follows(one)) : known;
    const at = performance.now();
    for (const group of grouped(wanted)) this.#queue.push(...beats(group).map((beat) => ({ ...beat, at })));
    this.#schedule(FIRST_MS);
  }

  #follows(event) {
    if (event.round === undefined) return false;
    const busy = this.#queue.length > 0;
    if (this.#follow === null || (!busy && event.round > this.#follow + 1)) {
      if (busy || (this.#wants && event.event !== "opened")) return false;
      this.#follow = event.round;
    }
    if (event.round !== this.#follow) return false;
    if (event.event === "closed") [this.#follow, this.#wants] = [null, true];
    return true;
  }

  // --------------------------------------------------------------------------------------------- buttons

  pause(paused) {
    this.paused = paused;
    const now = performance.now();
    for (const beat of this.#queue) beat.at = now; // a pause makes no beat too old
    if (!paused) this.#schedule(0);
    this.#tell([]);
  }

  slowly(slow) {
    [this.slow, this.#follow, this.#wants] = [slow, null, false];
    const now = performance.now();
    for (const beat of this.#queue) beat.at = now;
    this.#tell([]);
  }

  playExample() {
    this.#clear();
    [this.mode, this.paused, this.step, this.caption] = ["example", false, null, ""];
    this.state = fresh();
    show(this.state, EXAMPLE.run);
    for (const group of EXAMPLE.groups) this.#queue.push(...beats(group));
    this.#tell([]);
    this.#schedule(FIRST_MS);
  }

  stopExample() {
    this.#clear();
    [this.mode, this.paused, this.step, this.caption, this.state] = ["live", false, null, "", fresh()];
    this.#sync();
  }

  // ------------------------------------------------------------------------------------------------- beats

  #clear() {
    clearTimeout(this.#timer);
    [this.#timer, this.#queue, this.#follow, this.#wants] = [null, [], null, false];
  }

  #schedule(ms) {
    if (this.#timer === null && !this.paused) this.#timer = setTimeout(() => this.#tick(), ms);
  }

  #tick() {
    this.#timer = null;
    if (this.paused) return;
    const live = this.mode === "live";
    const oldest = live && !this.slow ? performance.now() - TOO_OLD_MS : -Infinity;
    while (this.#queue[0]?.at < oldest) this.#perform(this.#queue.shift(), false);
    const beat = this.#queue.shift();
    if (beat) {
      this.#perform(beat, true);
      this.#schedule(this.#queue.length || live ? this.#gapMs() : AFTER_EXAMPLE_MS);
    } else if (live) {
      this.#sync();
    } else if (this.#run) {
      this.stopExample();
    }
  }

  #gapMs() {
    if (this.mode === "example") return EXAMPLE_MS * (this.slow ? SLOWER / 2 : 1);
    if (this.slow) return BEAT_MS * SLOWER;
    return Math.min(BEAT_MS, WITHIN_MS / Math.max(1, this.#queue.length));
  }

  #perform(beat, moving) {
    const names = beat.group.map((event) => this.#name(event));
    const moves = moving ? beat.moves(this.state, names) : [];
    if (beat.applies) {
      const run = this.mode === "live" ? this.#run : EXAMPLE.run;
      beat.group.forEach((event, i) => apply(this.state, event, names[i], run));
      this.caption = sentence(beat.group, names, this.state) || this.caption;
      this.important = WRONG.includes(beat.group[0].event);
    }
    if (beat.step) this.step = beat.step;
    this.#tell(moves);
  }

  #name(event) {
    const of = (units) => units?.find((unit) => unit.unit === event.unit)?.worker;
    return (
      event.who ??
      this.#people.get(event.worker) ??
      ((event.round === this.state.round && of(this.state.units)) ||
        of(this.#run?.rounds.find((round) => round.round === event.round)?.units) ||
        "a worker")
    );
  }

  #sync() {
    if (this.#run) show(this.state, this.#run);
    this.#tell([]);
  }

  #tell(moves) {
    for (const fn of this.#told) fn(moves);
  }
}
