// The page of a phone: it joins, computes units, and shows what the class has made so far. No framework: a phone loads three
// small files.

import { computeUnit } from "./gan.js";
import { decode, draw, points } from "./picture.js";

const [form, room, picture] = ["join", "room", "picture"].map((id) => document.getElementById(id));
const slow = document.getElementById("slow");
const say = (id, text) => {
  const place = document.getElementById(id);
  if (place.textContent !== String(text)) place.textContent = text; // a screen reader reads what changed
};
const KEY = "ganns-phone"; // this browser's secret: with it, it comes back as the same phone
let socket = null;
let wanted = false; // whether this phone takes part
let tries = 0;
let arrows = [];

form.addEventListener("submit", (event) => {
  event.preventDefault();
  wanted = true;
  form.hidden = true;
  room.hidden = false;
  connect();
});
document.getElementById("leave").addEventListener("click", () => {
  wanted = false;
  socket?.close();
  room.hidden = true;
  form.hidden = false;
});
slow.addEventListener("input", () => say("slowness", `${slow.value} s`));

function connect() {
  const address = new URL("/phones/join", window.location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const mine = (socket = new WebSocket(address));
  mine.onopen = () => mine.send(JSON.stringify({ type: "hello", name: document.getElementById("name").value, key: localStorage.getItem(KEY) ?? "" }));
  mine.onmessage = (event) => take(mine, JSON.parse(event.data));
  mine.onclose = () => {
    if (!wanted || socket !== mine) return;
    say("says", "The connection is lost; this phone tries again.");
    tries += 1;
    setTimeout(() => wanted && socket === mine && connect(), Math.min(500 * 2 ** tries, 10000) * (0.5 + Math.random()));
  };
}

function take(mine, message) {
  if (message.type === "welcome") {
    tries = 0;
    localStorage.setItem(KEY, message.key);
    say("who", message.name);
    say("says", "You have joined. The next round is yours, too.");
  } else if (message.type === "unit") {
    compute(mine, message);
  } else if (message.type === "judged") {
    const [x, y, toX, toY] = message.arrow;
    arrows = [{ from: [x, y], to: [toX, toY], name: "", faint: !message.inTime }];
    say("says", message.inTime ? "In time: your result counts." : "Too late: the round was closed without you. It is credited as effort.");
  } else if (message.type === "refused") {
    say("says", message.text);
  }
}

function compute(mine, unit) {
  const weights = decode(unit.weights);
  say("version", unit.version);
  say("accepted", unit.accepted);
  say("late", unit.late);
  say("phones", unit.phones);
  const { gradient, lossD, lossG } = computeUnit(weights, unit.seed, unit.points, unit.r1);
  const bytes = new Uint8Array(Float32Array.from(gradient).buffer);
  const result = { type: "result", unit: unit.unit, gradient: btoa(String.fromCharCode(...bytes)), lossD, lossG };
  const send = () => mine.readyState === WebSocket.OPEN && mine.send(JSON.stringify(result));
  if (Number(slow.value)) setTimeout(send, 1000 * Number(slow.value));
  else send();
  requestAnimationFrame(() => draw(picture, weights, points(weights), arrows));
}
