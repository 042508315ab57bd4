// Signs as pictures: a font without a sign would show an empty box. The text beside a picture says the same.

const CIRCLE = "M3 8a5 5 0 1 0 10 0a5 5 0 1 0-10 0";

// sign -> what is filled, and what is drawn as a line, in a square of 16 by 16
const SHAPES = {
  "●": { fill: `${CIRCLE}z` },
  "○": { line: CIRCLE },
  "◐": { fill: "M8 3a5 5 0 0 0 0 10z", line: CIRCLE },
  "◷": { line: `${CIRCLE}M8 5v3h2.5` },
  "■": { fill: "M3.5 3.5h9v9h-9z" },
  "▶": { fill: "M4 2.5v11l9-5.5z" },
  "⏸": { fill: "M4 3h3v10H4zM9 3h3v10H9z" },
  "✓": { line: "M3 8.5L6.5 12L13 4.5" },
  "✕": { line: "M4 4l8 8M12 4l-8 8" },
  "↑": { line: "M8 13V3.5M4 7l4-4l4 4" },
  "…": { fill: "M2 8a1.3 1.3 0 1 0 2.6 0a1.3 1.3 0 1 0-2.6 0zM6.7 8a1.3 1.3 0 1 0 2.6 0a1.3 1.3 0 1 0-2.6 0zM11.4 8a1.3 1.3 0 1 0 2.6 0a1.3 1.3 0 1 0-2.6 0z" },
  "⤳": { line: "M2.5 11.5a5 5 0 0 1 10-1M13.5 6.5l-1 4.5l-4-1.5" },
  "–": { line: "M4 8h8" },
  "▴": { fill: "M4 10.5h8L8 5.5z" },
  "▾": { fill: "M4 5.5h8L8 10.5z" },
  "★": { fill: "M8 1.5l1.9 4.3l4.7.5l-3.5 3.1l1 4.6L8 11.6L3.9 14l1-4.6L1.4 6.3l4.7-.5z" },
  "☾": { fill: "M12.8 10.3A5.6 5.6 0 0 1 6.2 2.6a5.6 5.6 0 1 0 6.6 7.7z" },
  "☀": { fill: "M5.2 8a2.8 2.8 0 1 0 5.6 0a2.8 2.8 0 1 0-5.6 0z", line: "M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" },
};

export default {
  template: `<svg v-if="shape" class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false" :data-sign="sign">
    <path v-if="shape.fill" :d="shape.fill" fill="currentColor" />
    <path v-if="shape.line" :d="shape.line" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"
      stroke-linejoin="round" /></svg>`,
  props: { sign: String },
  computed: {
    shape() {
      return SHAPES[this.sign];
    },
  },
};
