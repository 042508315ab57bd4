// The quorum and the spares with which a run does not wait for harmed workers. A pure function.

// run: the message "run"; harmed: how many workers a harm takes. Returns { text, command, quorum }, or null: nothing to say.
export function advice(run, harmed) {
  if (!run || run.state !== "open" || !harmed) return null;
  const [units, spares, alive] = [run.wanted_units ?? run.quorum.units, run.quorum.spares, run.workers_alive];
  const whom = harmed === 1 ? "one harmed worker" : `${harmed} harmed workers`;
  const now = `A round waits for ${units} of ${units + spares} results, from ${alive === 1 ? "one worker" : `${alive} workers`}`;
  const left = alive - harmed; // each can take one unit at once
  if (left < 1) return { text: `${now}: start more workers, or none is left for the rounds.`, command: "", quorum: null };
  if (spares >= harmed && units <= left) return { text: `${now}: it need not wait for ${whom}.`, command: "", quorum: null };
  const better = Math.min(units, left);
  const quorum = better < units ? better : null;
  if (spares >= harmed) return { text: `${now}. So that it need not wait for ${whom}, lower the quorum.`, command: "", quorum };
  const text = `${now}: it will wait for ${whom}. So that it need not, stop the run, and start it with ${harmed === 1 ? "one spare" : `${harmed} spares`}:`;
  return { text, command: `ganns train resume=${run.run} quorum.units=${better} quorum.spares=${harmed}`, quorum };
}
