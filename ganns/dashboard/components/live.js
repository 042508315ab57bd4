import { open } from "ganns-live";

export default {
  template: "<span hidden></span>",
  props: { query: String },
  mounted() {
    open(this.query);
  },
};
