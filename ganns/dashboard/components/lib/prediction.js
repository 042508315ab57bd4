// A vote of the class beside what happened: counts, the time before and after, and why.

import { number, seconds } from "./format.js";
import Icon from "./icon.js";

const QUESTIONS = [
  { key: "waits", answer: "wait", title: "The longest wait for a new version" },
  { key: "losses", answer: "lost", title: "What is lost" },
];
const HEADINGS = { open: "the class votes", running: "it happens now", done: "expected, and observed" };

export default {
  template: `<section v-if="ballot" class="card prediction" aria-labelledby="prediction-title">
    <h2 id="prediction-title">{{ ballot.title }}: {{ headings[ballot.state] }}</h2>
    <p v-if="ballot.state === 'open'" role="status"><strong>{{ ballot.num_votes }}</strong>
      {{ ballot.num_votes === 1 ? "vote" : "votes" }}. The counts appear when it happens.</p>
    <p v-else>{{ ballot.said }} <span class="soft" v-if="ballot.state === 'running'">The run is watched for {{ ballot.left_s }} s more.</span></p>
    <div v-if="ballot.state !== 'open'" class="prediction-questions">
      <div v-for="one in questions" :key="one.key"><h3>{{ one.title }}</h3>
        <ul><li v-for="(option, i) in ballot[one.key]" :key="i" :class="{ observed: isObserved(one, i) }">
          <span>{{ option.label }}</span><span class="meter" aria-hidden="true"><i :style="{ width: share(option) }"></i></span>
          <strong>{{ option.votes }}</strong><span class="was"><template v-if="isObserved(one, i)"><icon sign="✓" /> observed</template></span></li></ul>
      </div>
    </div>
    <template v-if="result">
      <div class="wide" tabindex="0" role="region" aria-label="Before and after"><table class="lab-workers">
        <thead><tr><th scope="col">in {{ number(result.window_s) }} s</th><th scope="col">before</th><th scope="col">after</th></tr></thead>
        <tbody><tr v-for="row in rows" :key="row.label"><th scope="row">{{ row.label }}</th><td>{{ row.before }}</td><td>{{ row.after }}</td></tr></tbody>
      </table></div>
      <h3>Why</h3>
      <ul><li v-for="sentence in [...result.why, ...result.compared]" :key="sentence">{{ sentence }}</li></ul>
    </template>
    <p v-else-if="ballot.state === 'done'" class="soft">The database did not answer, so what happened is not known.</p>
  </section>`,
  components: { icon: Icon },
  props: { ballot: Object },
  data: () => ({ questions: QUESTIONS, headings: HEADINGS }),
  computed: {
    result() {
      return this.ballot?.outcome;
    },
    rows() {
      const row = (label, of) => ({ label, before: of(this.result.before), after: of(this.result.after) });
      return [
        row("rounds closed", (span) => number(span.rounds)),
        row("longest wait for one", (span) => seconds(span.longest_s)),
        row("images", (span) => number(span.images)),
        row("results too late", (span) => number(span.late)),
      ];
    },
  },
  methods: {
    number,
    isObserved(question, i) {
      return this.result?.[question.answer] === i;
    },
    share(option) {
      return `${(100 * option.votes) / Math.max(1, this.ballot.num_votes)}%`;
    },
  },
};
