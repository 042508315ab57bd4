// The example round: four workers, four units and a spare. chloe's laptop falls asleep, and deniz is too slow.

const ROUND = 41;
const unit = (number) => ({ unit: number, state: "waiting", worker: "" });
const units = [0, 1, 2, 3, 4].map(unit);

const about = (event, ...pairs) => pairs.map(([who, number]) => ({ event, round: ROUND, unit: number, who }));

export const EXAMPLE = {
  run: {
    version: ROUND,
    images: 10496,
    rounds: [{ round: ROUND, open: false, quorum: 4, units }],
  },
  crew: ["anna", "ben", "chloe", "deniz"],
  groups: [
    [{ event: "opened", round: ROUND }],
    about("claimed", ["anna", 0], ["ben", 1], ["chloe", 2], ["deniz", 3]),
    about("submitted", ["anna", 0]),
    about("claimed", ["anna", 4]),
    about("requeued", ["chloe", 2]),
    about("submitted", ["ben", 1]),
    about("claimed", ["ben", 2]),
    about("submitted", ["anna", 4]),
    about("submitted", ["ben", 2]),
    [{ event: "closed", round: ROUND }],
    about("late", ["deniz", 3]),
    [{ event: "opened", round: ROUND + 1 }],
  ],
};
