// What ECharts is told to draw of a sweep. Colours are those of the style sheet, read anew when the theme changes.

import { decimal } from "ganns-live/format.js";
import { color } from "ganns-charts/option.js";
import { soFar } from "./sweep.js";

const font = () => ({ fontFamily: getComputedStyle(document.body).fontFamily });

// An axis a setting, the distance last; a line a run. The best are drawn last and in the strongest colour.
export function parallel(axes, points, narrow) {
  const [ink, soft, card] = ["ink", "soft", "card"].map(color);
  const there = points.filter((one) => one.best_swd != null).sort((a, b) => b.best_swd - a.best_swd);
  const distances = there.map((one) => one.best_swd);
  const label = { color: ink, fontSize: narrow ? 12 : 14, textBorderColor: card, textBorderWidth: 4 };
  const common = { nameTextStyle: label, nameGap: 14, axisLabel: label, axisLine: { lineStyle: { color: soft, width: 1.5 } }, axisTick: { show: false } };
  const dimensions = axes.map((axis, dim) => {
    const values = [...new Set(there.map((one) => one.settings[dim]))].sort((a, b) => (a < b ? -1 : 1));
    // As many places as values: learning rates that were tried are seldom evenly spread.
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
        data: there.map((one) => ({ name: `run ${one.run}`, value: [...one.settings.map(String), one.best_swd] })),
      },
    ],
  };
}

// The distance of each run in the order in which they ended, and the lowest so far.
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
        data: found.map((one) => one.swd),
        symbolSize: 12,
        itemStyle: { color: blue },
        label: { show: found.length <= 12, position: "top", color: ink, formatter: ({ value }) => decimal(value) },
      },
    ],
  };
}
