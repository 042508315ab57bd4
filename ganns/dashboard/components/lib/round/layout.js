// The place of everything, in the units of the picture: side by side, or one below the other on a phone.

const DRAWERS = ["versions", "rounds", "jobs", "results", "ledger"];

const box = (x, y, w, h) => ({ x, y, w, h });

const WIDE = {
  wide: true,
  width: 1200,
  height: 562,
  num: 8,
  boxes: {
    coordinator: box(8, 92, 290, 340),
    version: box(26, 150, 254, 64),
    quorum: box(26, 228, 254, 92),
    notify: box(318, 356, 132, 46),
    database: box(470, 8, 330, 546),
    ...Object.fromEntries(DRAWERS.map((name, i) => [name, box(486, 62 + 98 * i, 298, 88)])),
    more: box(960, 504, 232, 48),
  },
  worker: (i) => box(960, 8 + 62 * i, 232, 54),
  wires: ["M298 200H470", "M298 379H318", "M450 379H470", "M800 180H960", "M800 379H960"],
};

const NARROW = {
  wide: false,
  width: 360,
  height: 800,
  num: 6,
  boxes: {
    coordinator: box(4, 4, 352, 142),
    version: box(14, 46, 150, 64),
    quorum: box(174, 46, 172, 64),
    notify: box(115, 158, 130, 38),
    database: box(4, 208, 352, 354),
    ...Object.fromEntries(DRAWERS.map((name, i) => [name, box(14, 250 + 62 * i, 332, 54)])),
    more: box(4, 758, 352, 38),
  },
  worker: (i) => box(4 + 180 * (i % 2), 586 + 58 * Math.floor(i / 2), 172, 52),
  wires: ["M60 146V208", "M180 146V158", "M180 196V208", "M90 562V586", "M270 562V586"],
};

export const layout = (width) => (width < 760 ? NARROW : WIDE);

const centre = ({ x, y, w, h }) => ({ x: x + w / 2, y: y + h / 2 });

// The centre of a part or of a worker's box; of the text "more" for a worker without a box.
export function place(plan, name, crew) {
  if (!name.startsWith("worker:")) return centre(plan.boxes[name]);
  const at = crew.indexOf(name.slice("worker:".length));
  return centre(at < 0 ? plan.boxes.more : plan.worker(at));
}

// Choose the workers with a box. A worker keeps its box as long as it is wanted. `wanted`: names, computing workers first.
export function seated(before, wanted, num) {
  const crew = before.filter((name) => wanted.includes(name)).slice(0, num);
  for (const name of wanted) if (crew.length < num && !crew.includes(name)) crew.push(name);
  return crew;
}
