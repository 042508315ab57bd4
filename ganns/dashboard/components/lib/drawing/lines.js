// ECharts options for lines over a run. The colours come from the style sheet, and change with the theme.

import { formats } from "../format.js";
import { AXES } from "./axis.js";
import { lines as markLines, near } from "./marks.js";

export const PALETTE = ["blue", "orange", "green", "pink", "ink", "warn"]; // a colour for each run, with several runs
const ROOMY = 420; // pixels: a narrower chart has no room for names beside its lines,
const SHARE = 0.4; // and names may not take more than this share of its width
const DASHES = ["solid", "dashed", "dotted"];

// A canvas needs the colour itself: the browser resolves the style sheet's `light-dark()` only in the style of an element.
const probe = document.createElement("span");

export function color(name) {
  if (!probe.isConnected) document.body.append(probe);
  [probe.hidden, probe.style.color] = [true, `var(--${name})`];
  return getComputedStyle(probe).color;
}

// The size of the letters in a chart, in pixels
const letters = () => 0.875 * parseFloat(getComputedStyle(document.documentElement).fontSize);
const family = () => getComputedStyle(document.body).fontFamily;
const pen = document.createElement("canvas").getContext("2d");

// How wide a line's name is, in pixels: fonts differ by a fifth.
function widthOf(name) {
  pen.font = `600 ${letters()}px ${family()}`;
  return pen.measureText(name).width;
}

// The width, in pixels, for the names at the ends of these lines; 0 if they do not fit, or there is no line yet.
export function roomForNames(lines, width) {
  const room = 14 + Math.max(0, ...lines.map((one) => widthOf(one.label)));
  return width >= ROOMY && room <= SHARE * width && lines.some((one) => one.points.length > 1) ? room : 0;
}

// lines: [{ id, label, color, dash, points, calm, best }]; marks: as `placed` returns them
export function option(lines, { axis, format, log, min, max, guess, marks, width }) {
  const [ink, soft, line, card, warn] = ["ink", "soft", "line", "card", "warn"].map(color);
  const [x, write] = [AXES[axis], formats[format]];
  const fontSize = letters();
  // ECharts makes room for the labels of this family and height; it does not look at `textStyle`, and guesses the height.
  const label = { color: soft, fontSize, fontFamily: family(), lineHeight: 1.2 * fontSize };
  const furthest = Math.max(0, ...lines.map((one) => one.points.at(-1)?.[0] ?? 0));
  const faint = 0.4 / Math.sqrt(lines.length); // for the lines of single rounds: they must not hide the means
  const names = roomForNames(lines, width);
  const common = { ink, card, fontSize, furthest, faint, write, named: names > 0 };
  const events = markLines(marks, { soft, warn, fontSize });
  return {
    animation: false,
    textStyle: { fontFamily: family() },
    grid: {
      left: 4,
      right: names || 18,
      top: marks.length ? 12 + 1.2 * fontSize : Math.max(12, 0.6 * fontSize), // half a label is above its line
      bottom: 4,
      containLabel: true,
    },
    tooltip: {
      trigger: "axis",
      confine: true,
      transitionDuration: 0,
      backgroundColor: card,
      borderColor: line,
      textStyle: { color: ink, fontSize },
      axisPointer: { lineStyle: { color: soft } },
      formatter: (found) => tip(found, x.say, write, near(marks, found[0]?.value[0], furthest)),
    },
    xAxis: {
      type: "value",
      min: 0,
      max: furthest || 1,
      interval: x.step?.(furthest),
      minInterval: axis === "seconds" ? undefined : 1,
      splitLine: { show: false },
      axisLine: { lineStyle: { color: line }, onZero: false },
      axisLabel: { ...label, hideOverlap: true, showMinLabel: axis !== "seconds", showMaxLabel: false, formatter: x.tick },
    },
    yAxis: {
      type: log ? "log" : "value",
      scale: true,
      min: min ?? undefined,
      max: max ?? undefined,
      interval: min != null && max != null ? (max - min) / 4 : undefined,
      splitNumber: 4,
      splitLine: { lineStyle: { color: line } },
      axisLabel: { ...label, formatter: write },
    },
    series: lines.flatMap((one) => drawn(one, { ...common, ...(one === lines[0] ? { guess, events } : { events: [] }) })),
  };
}

function drawn(line, { ink, card, fontSize, furthest, faint, guess, events, write, named }) {
  const stroke = color(line.color);
  const common = { type: "line", showSymbol: line.points.length < 2, sampling: "lttb", itemStyle: { color: stroke } };
  const style = { color: stroke, width: 2.5, type: DASHES[line.dash % DASHES.length] };
  const main = { ...common, id: line.id, name: line.label, data: line.calm ?? line.points, lineStyle: style, z: 3 };
  main.endLabel = { show: named, formatter: () => line.label, color: stroke, fontSize, fontWeight: 600 };
  main.labelLayout = { moveOverlap: "shiftY" };
  if (line.best) {
    main.showSymbol = true;
    main.symbolSize = 5;
    main.markPoint = {
      symbol: "circle",
      symbolSize: 14,
      itemStyle: { color: "transparent", borderColor: stroke, borderWidth: 3 },
      label: {
        position: "top",
        align: line.best[0] > 0.8 * furthest ? "right" : "center", // inside the chart
        color: ink,
        backgroundColor: card,
        padding: [1, 4],
        fontSize,
        formatter: `best ${write(line.best[1])}`,
      },
      data: [{ coord: line.best.slice(0, 2) }],
    };
  }
  const level = guess && {
    yAxis: guess.at,
    lineStyle: { color: ink, type: "dotted", width: 1.5 },
    label: { position: "insideStartTop", color: ink, fontSize, formatter: guess.label },
  };
  main.markLine = { silent: true, symbol: "none", data: level ? [level, ...events] : events };
  if (!line.calm) return [main];
  const raw = { ...common, id: `${line.id} raw`, data: line.points, symbol: "none", tooltip: { show: false }, z: 2 };
  return [main, { ...raw, lineStyle: { color: stroke, width: 1, opacity: faint } }];
}

// Elements instead of HTML: a label is text, not markup.
function tip(found, say, write, events) {
  const box = document.createElement("div");
  box.append(say(found[0]?.value[0]));
  for (const text of events) {
    const row = document.createElement("em");
    row.textContent = text;
    box.append(document.createElement("br"), row);
  }
  for (const one of found) {
    if (!one.seriesName || one.seriesId.endsWith(" raw")) continue;
    const row = document.createElement("div");
    const mark = document.createElement("span");
    mark.className = "swatch";
    mark.style.background = one.color;
    const value = document.createElement("strong");
    value.textContent = ` ${write(one.value[1])}`;
    row.append(mark, one.seriesName, value);
    box.append(row);
  }
  return box;
}
