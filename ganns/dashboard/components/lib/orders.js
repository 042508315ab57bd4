// The instructor's orders: POST requests that answer in words.

import { ask, base } from "./ask.js";

export async function order(path, csrf, content = {}) {
  try {
    const answer = await fetch(base() + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify(content),
    });
    return { good: answer.ok, text: await words(answer) };
  } catch {
    return { good: false, text: "The dashboard does not answer. Check whether the order took effect." };
  }
}

// Data for instructors only; null if the request fails.
export async function look(path) {
  const { response } = await ask(base() + path);
  return (await response?.json().catch(() => null)) ?? null;
}

async function words(answer) {
  try {
    const said = await answer.json();
    if (said.text) return said.text;
    if (typeof said.detail === "string") return said.detail;
  } catch {
    // No JSON: a proxy answered.
  }
  return answer.status === 422 ? "This number is not allowed." : `The dashboard refused this (${answer.status}). Load the page again.`;
}
