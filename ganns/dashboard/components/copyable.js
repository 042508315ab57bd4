// A command, and a button that copies it.

const SAID_MS = 2000;

export default {
  template: `<div class="copyable"><pre ref="text">{{ text }}</pre>
    <button type="button" @click="copy" :aria-label="'Copy: ' + text"><span role="status">{{ said || "Copy" }}</span></button></div>`,
  props: { text: String },
  data: () => ({ said: "" }),
  methods: {
    async copy() {
      this.said = (await copied(this.text, this.$refs.text)) ? "Copied" : "Press Ctrl+C";
      clearTimeout(this.timer);
      this.timer = setTimeout(() => (this.said = ""), SAID_MS);
    },
  },
  unmounted() {
    clearTimeout(this.timer);
  },
};

// Without encryption, a browser has no clipboard for pages of other machines: there the text is selected, and copied the old way.
async function copied(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    window.getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}
