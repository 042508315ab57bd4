// D's answer to a face, in words. Pure functions.

import { number } from "./format.js";

// D's probability of "real" with two digits; "–" if D gives no number.
export const answer = (value) => (value === null ? "–" : value.toFixed(2));

export function verdict(value) {
  if (value === null) return "D gives no number: this version is broken.";
  const said = `D answers ${answer(value)}`;
  if (value < 0.45) return `${said}: it takes this face for drawn.`;
  return value > 0.55 ? `${said}: it takes this face for real.` : `${said}: it cannot tell whether this face is drawn or real.`;
}

// Which version draws and answers, if the one whose grid is shown cannot.
export function standIn(shown, drawn) {
  if (shown === drawn) return "";
  return `The weights of version ${number(shown)} are not kept any more. Version ${number(drawn)} answers and draws: of those that are kept, it is the newest.`;
}
