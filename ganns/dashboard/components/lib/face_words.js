// D's answer to a face, in words, and where a face is in a picture. Pure functions.

import { number } from "./format.js";

// D's probability of "real" with two digits; "–" if D gives no number. D is never quite sure: 0.00 would not be true.
export function answer(value) {
  if (value === null) return "–";
  if (value < 0.005) return "< 0.01";
  return value > 0.995 ? "> 0.99" : value.toFixed(2);
}

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

// The background's position that shows the image at `place` of `of` images in a row (or column) of a grid. Beside each
// image is a white line; 1 % of the image is cut off, so that none of it shows. `now.css` has the sizes that belong to it.
export const percentOf = (place, of) => `${(100 * (place + 0.033)) / (of - 1 + 0.066)}%`;
