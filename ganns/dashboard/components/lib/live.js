// The page's one WebSocket. Components subscribe to types of messages, and never use the socket itself.

import { base } from "./ask.js";

const handlers = new Map(); // type -> set of functions
const newest = new Map(); // type -> Map(run or "" -> message)
let query = null;
let socket = null;
let tries = 0;

// Call `fn` with the newest message of `type`, if there is one, and with each new one; return a function that stops this.
// On a page that watches several runs, `message.run` is the run of a message.
export function on(type, fn) {
  if (!handlers.has(type)) handlers.set(type, new Set());
  handlers.get(type).add(fn);
  for (const message of newest.get(type)?.values() ?? []) fn(message);
  return () => handlers.get(type).delete(fn);
}

// Start to watch, as in /live?<query>. The address has the page's own prefix, for proxies that add one.
export function open(what) {
  query = what;
  connect();
}

function connect() {
  const address = new URL(base() + "/live?" + query, window.location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.onopen = () => {
    tries = 0;
    say({ type: "link", open: true });
  };
  socket.onmessage = (event) => JSON.parse(event.data).forEach(say);
  socket.onclose = () => {
    say({ type: "link", open: false });
    tries += 1;
    setTimeout(connect, Math.min(500 * 2 ** tries, 10000) * (0.5 + Math.random()));
  };
}

// A phone that wakes up should reconnect soon.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && socket?.readyState === WebSocket.CLOSED) tries = 0;
});

function say(message) {
  if (message.type === "history") message = merged(message);
  const run = message.run ?? "";
  if (message.type !== "events") {
    if (!newest.has(message.type)) newest.set(message.type, new Map());
    newest.get(message.type).set(run, message);
  }
  for (const fn of handlers.get(message.type) ?? []) {
    try {
      fn(message);
    } catch (error) {
      console.error(error); // the other components must still get the message
    }
  }
}

// The server sends a run's history once, and then only new rounds; a subscriber always gets the whole history.
function merged(message) {
  const before = newest.get("history")?.get(message.run);
  if (message.whole || !before) return message;
  const columns = {};
  const [old, more] = [before.columns.round.length, message.columns.round.length];
  for (const key of new Set([...Object.keys(before.columns), ...Object.keys(message.columns)])) {
    const missing = (n) => Array(n).fill(null);
    columns[key] = [...(before.columns[key] ?? missing(old)), ...(message.columns[key] ?? missing(more))];
  }
  return { ...message, columns };
}
