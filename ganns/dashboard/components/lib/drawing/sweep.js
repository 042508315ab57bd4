// The points of a sweep: their order, their updates, and the ECharts options for both charts.

import { judged } from "../distance.js";
import { decimal } from "../format.js";
import { color } from "./lines.js";

// The distances in the order in which the runs ended, each with the lowest so far: [{ run, distance, best }].
export function soFar(points) {
  let best = Infinity;
  return points
    .filter((one) => one.distance != null && one.state !== "open")
    .sort((a, b) => a.finished_at - b.finished_at || a.run - b.run)
    .map((one) => ({ run: one.run, distance: one.distance, best: (best = Math.min(best, one.distance)) }));
}

// The best points first, points without a distance last.
export const ranked = (points) =>
  [...points].sort((a, b) => (a.distance ?? Infinity) - (b.distance ?? Infinity) || a.run - b.run);

// The points with the changes since the page was opened, from rows of "runs".
export function updated(points, runs) {
  const rows = new Map(runs.map((one) => [one.run, one]));
  const now = points.map((one) => {
    const row = rows.get(one.run);
    if (!row) return one;
    const { state, wording, version, images, best_version, best_fid, best_swd, finished_at } = row;
    return { ...one, state, wording, version, images, best_version, best_fid, best_swd, finished_at };
  });
  return judged(now);
}

const font = () => ({ fontFamily: getComputedStyle(document.body).fontFamily });

// Parallel coordinates: an axis for each setting, the distance last; a line for each run, the best ones on top.
export function parallel(axes, points, narrow) {
  const [ink, soft, card] = ["ink", "soft", "card"].map(color);
  const there = points.filter((one) => one.distance != null).sort((a, b) => b.distance - a.distance);
  const distances = there.map((one) => one.distance);
  const label = { color: ink, fontSize: narrow ? 12 : 14, textBorderColor: card, textBorderWidth: 4 };
  const common = { nameTextStyle: label, nameGap: 14, axisLabel: label, axisLine: { lineStyle: { color: soft, width: 1.5 } }, axisTick: { show: false } };
  const dimensions = axes.map((axis, dim) => {
    const values = [...new Set(there.map((one) => one.settings[dim]))].sort((a, b) => (a < b ? -1 : 1));
    // A category for each value: tried learning rates are seldom evenly spaced.
    return { ...common, dim, name: axis.name, type: "category", data: values.map(String) };
  });
  const last = { ...common, dim: axes.length, name: narrow ? "distance" : "best distance", scale: true, axisLabel: { ...label, formatter: decimal } };
  return {
    animation: false,
    textStyle: font(),
    parallel: { left: narrow ? 30 : 60, right: narrow ? 44 : 70, top: 44, bottom: 18, axisExpandable: false },
    parallelAxis: [...dimensions, last],
    visualMap: {
      show: false,
      dimension: axes.length,
      min: Math.min(...distances),
      max: Math.max(...distances, Math.min(...distances) + 1e-9),
      inRange: { color: [color("orange"), color("blue"), soft] },
    },
    series: [
      {
        type: "parallel",
        lineStyle: { width: 2.5, opacity: 0.85 },
        data: there.map((one) => ({ name: `run ${one.run}`, value: [...one.settings.map(String), one.distance] })),
      },
    ],
  };
}

// The distance of each run, in the order in which they ended, and the lowest so far.
export function bestSoFar(points) {
  const [ink, soft, line, blue, orange] = ["ink", "soft", "line", "blue", "orange"].map(color);
  const found = soFar(points);
  const label = { color: soft, fontSize: 14 };
  return {
    animation: false,
    textStyle: font(),
    grid: { left: 4, right: 18, top: 24, bottom: 4, containLabel: true },
    xAxis: {
      type: "category",
      data: found.map((one) => `run ${one.run}`),
      axisLabel: { ...label, hideOverlap: true },
      axisTick: { show: false },
      axisLine: { lineStyle: { color: line } },
    },
    yAxis: { type: "value", scale: true, splitNumber: 4, splitLine: { lineStyle: { color: line } }, axisLabel: { ...label, formatter: decimal } },
    series: [
      { type: "line", step: "end", data: found.map((one) => one.best), symbol: "none", lineStyle: { color: orange, width: 3 } },
      {
        type: "scatter",
        data: found.map((one) => one.distance),
        symbolSize: 12,
        itemStyle: { color: blue },
        label: { show: found.length <= 12, position: "top", color: ink, formatter: ({ value }) => decimal(value) },
      },
    ],
  };
}
