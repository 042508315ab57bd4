// The x axis of all charts of a page; the browser remembers the choice.

import { number, seconds } from "../format.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400]; // seconds
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const AXES = {
  round: { name: "round", say: (value) => `round ${number(value)}`, tick: (value) => compact.format(value) },
  images: { name: "images", say: (value) => `${number(value)} images`, tick: (value) => compact.format(value) },
  seconds: { name: "time", say: seconds, tick: short, step: (max) => STEPS.find((step) => max / step <= 6) },
};

function short(value) {
  if (value < 60) return `${value} s`;
  return value < 3600 ? `${value / 60} min` : `${+(value / 3600).toFixed(1)} h`;
}

const listeners = new Set();
const stored = localStorage.getItem("ganns-axis");
let chosen = stored in AXES ? stored : "round";

export const axis = () => chosen;

export function choose(key) {
  chosen = key;
  localStorage.setItem("ganns-axis", key);
  for (const fn of listeners) fn(key);
}

// Call `fn` after each choice; return a function that stops this.
export function onAxis(fn) {
  listeners.add(fn);
  return () => listeners.delete(fn);
}
