// The events of a run on its charts: where they are, which of them have room for a label, and their words.

import { reached } from "./points.js";

const ROOM = 0.1; // of the width: the shortest distance between two labels
const NEAR = 0.012; // of the width: what the pointer rests on
const MAX_TOLD = 5;

// The marks with their place `x`; `labelled` where there is room. Orders and findings come before workers that joined.
export function placed(marks, axis, columns, until) {
  const found = marks.map((one) => ({ ...one, x: Math.min(until, axis === "round" ? one.round : reached(columns, one.round, axis)) }));
  const taken = [];
  for (const mark of [...found.filter((one) => one.kind !== "joined"), ...found.filter((one) => one.kind === "joined")]) {
    mark.labelled = taken.every((x) => Math.abs(x - mark.x) > ROOM * until);
    if (mark.labelled) taken.push(mark.x);
  }
  return found;
}

// The last events, for a text that stands for the picture.
export function told(marks) {
  if (!marks.length) return "";
  return ` Events: ${marks.slice(-MAX_TOLD).map((one) => `round ${one.round}, ${one.text}`).join("; ")}.`;
}

// The texts of the events at the pointer.
export const near = (marks, x, furthest) =>
  marks.filter((one) => Math.abs(one.x - x) <= NEAR * furthest).map((one) => one.text);

// Lines for ECharts, from the bottom to the top of the chart.
export function lines(marks, { soft, warn, fontSize }) {
  return marks.map((one) => {
    const bad = one.kind === "health" || one.kind === "back";
    return {
      xAxis: one.x,
      lineStyle: { color: bad ? warn : soft, type: one.kind === "joined" ? "dotted" : "solid", width: bad ? 2 : 1 },
      label: { show: one.labelled, position: "end", rotate: 0, color: bad ? warn : soft, fontSize, formatter: () => one.label },
    };
  });
}
