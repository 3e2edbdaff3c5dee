/* verdict.js – what the pictures mean, in words, and the alarm while a loop is blocked.
 *
 * The words come from the observer. Only the stop-watch is the page's own: it has to run smoothly
 * between two batches. Assistive technology hears a summary in a live region of its own, when
 * something has changed and at most every five seconds. */
import { get, write } from './dom.js';
import { duration, plural } from './format.js';

const SUMMARY_MS = 5000;
const LOST = {
  level: 'none',
  title: 'Observer lost, reconnecting',
  advice: '',
  text: 'The pictures stand still until it is back; what it still remembers will be filled in.',
};
const MARKS = { good: '✓', notice: 'i', warning: '!', bad: '!!', none: '…' };

export class Verdict {
  #part = {};
  #told = '';
  #lastTold = -Infinity;

  constructor() {
    for (const id of [
      'verdict',
      'verdict-mark',
      'verdict-title',
      'verdict-text',
      'verdict-advice',
      'watch',
      'watch-value',
      'summary',
    ]) {
      this.#part[id] = get(id);
    }
  }

  draw(view, store, lost) {
    const sample = store.sampleAt(view.end);
    if (!sample) return;
    const stall = lost ? undefined : [...sample.blocked].sort((a, b) => a.since - b.since)[0];
    this.#drawWords(lost ? LOST : sample.verdict, stall);
    this.#drawWatch(view, stall);
    if (view.live) this.#tell(store, stall, sample.verdict);
  }

  #drawWords(verdict, stall) {
    const part = this.#part;
    const level = stall ? 'bad' : (verdict?.level ?? 'none');
    if (part.verdict.dataset.level !== level) part.verdict.dataset.level = level;
    write(part['verdict-mark'], MARKS[level] ?? MARKS.none);
    write(part['verdict-title'], stall ? titleOf(stall, verdict) : (verdict?.title ?? ''));
    write(part['verdict-text'], unbroken(verdict?.text ?? ''));
    write(part['verdict-advice'], unbroken(verdict?.advice ?? ''));
  }

  #drawWatch(view, stall) {
    const { watch } = this.#part;
    const blocked = String(Boolean(stall));
    if (document.body.dataset.blocked !== blocked) {
      document.body.dataset.blocked = blocked;
      document.title = stall ? '■ blocked: offloop' : 'offloop: the event loop that you can see';
    }
    if (watch.hidden === Boolean(stall)) watch.hidden = !stall;
    if (stall) write(this.#part['watch-value'], (Math.max(0, view.end - stall.since) / 1000).toFixed(1));
  }

  #tell(store, stall, verdict) {
    const text = stall ? `The loop is blocked by ${stall.by}` : (verdict?.title ?? '');
    if (text === this.#told || performance.now() - this.#lastTold < SUMMARY_MS) return;
    this.#told = text;
    this.#lastTold = performance.now();
    const { lag, inFlight } = store.latest;
    const more = stall ? '' : (verdict?.text ?? '');
    write(
      this.#part.summary,
      `${text}. ${more} Loop delay ${duration(lag)}, ${plural(inFlight, 'request')} in flight.`,
    );
  }
}

/* The observer's title may be a moment behind, or be about the last ten seconds. */
const titleOf = (stall, verdict) =>
  / (is|are) blocked$/.test(verdict?.title ?? '') ? verdict.title : `The loop is blocked by ${stall.by}`;

/* A number and its unit stay in one line. */
const unbroken = (text) => text.replace(/(\d) (%|ms|s)(?!\w)/g, '$1\u00a0$2');
