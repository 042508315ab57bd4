// Orders of the instructor: POST requests that answer in words.

export async function order(path, csrf, content = {}) {
  try {
    const answer = await fetch((window.path_prefix ?? "") + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify(content),
    });
    return { good: answer.ok, text: await words(answer) };
  } catch {
    return { good: false, text: "The dashboard does not answer. Nothing is known about the order: look whether it was obeyed." };
  }
}

// What only an instructor may see; null where it cannot be had.
export async function look(path) {
  try {
    const answer = await fetch((window.path_prefix ?? "") + path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function words(answer) {
  try {
    const said = await answer.json();
    if (said.text) return said.text;
    if (typeof said.detail === "string") return said.detail;
  } catch {
    // No JSON: something before us answered.
  }
  return answer.status === 422 ? "That number cannot be used." : `That was refused (${answer.status}). Load the page again.`;
}

export const time = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
