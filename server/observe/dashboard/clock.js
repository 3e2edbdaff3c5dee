/* clock.js – the observer's clock, as far as this page can know it.
 *
 * All times in the events are milliseconds since the recording began. A batch tells when it was
 * made, and it arrives a little later: on one machine less than a millisecond, sometimes more when
 * the page is busy. The smallest difference seen lately is the best guess of the offset, because
 * nothing can arrive before it was made. That needs no wall clock, which may be set back. */
const REMEMBERED = 300; /* batches: about 30 s, so that a drift between the clocks is followed */

export class Clock {
  #differences = [];
  #offset = null;
  #next = 0;

  get known() {
    return this.#offset !== null;
  }

  /** A batch made at `t` (observer's ms) has arrived now. While the pictures stand still, so does the
   * guess: a better one would move what is drawn. */
  observe(t, still = false) {
    this.#differences[this.#next] = performance.now() - t;
    this.#next = (this.#next + 1) % REMEMBERED;
    if (!still || !this.known) this.#offset = Math.min(...this.#differences);
  }

  reset() {
    this.#differences = [];
    this.#offset = null;
    this.#next = 0;
  }

  /** Observer's time now, extrapolated between batches; 0 before the first one. */
  now() {
    return this.at(performance.now());
  }

  /** Observer's time of a performance.now() stamp. */
  at(stamp) {
    return this.known ? stamp - this.#offset : 0;
  }

  /** Date of an observer's time. */
  date(t) {
    return new Date(performance.timeOrigin + t + (this.#offset ?? 0));
  }
}
