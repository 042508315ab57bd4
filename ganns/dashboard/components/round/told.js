// What a run's events mean. A dead worker's job is queued again inside the task framework, where no event tells of it:
// what is seen is that somebody takes a unit that another one had. And a refused unit's new job is no news of its own.

const MAX_UNITS = 500; // a few rounds

export class Told {
  #last = new Map(); // "round:unit" -> {event, worker}

  // Return the events to show, in order.
  heard(events) {
    return events.flatMap((event) => {
      if (event.unit === undefined) return [event];
      const key = `${event.round}:${event.unit}`;
      const before = this.#last.get(key);
      this.#last.delete(key); // to the end: the oldest ones are forgotten
      this.#last.set(key, event);
      if (this.#last.size > MAX_UNITS) this.#last.delete(this.#last.keys().next().value);
      if (event.event === "requeued" && before?.event === "refused") return [];
      if (event.event === "requeued" && before?.event === "claimed") return [{ ...event, worker: before.worker }];
      if (event.event !== "claimed" || before?.event !== "claimed") return [event];
      const { round, unit } = event;
      return [{ event: "requeued", round, unit, worker: before.worker }, event];
    });
  }
}
