/* view.js – which stretch of time the pictures show: the one axis that they share.
 *
 * Live, the right edge is now. Paused, it stands still while the store goes on remembering, and can
 * be scrubbed back as far as the history reaches. */
import { HISTORY_MS } from './store.js';

const WINDOWS = [5000, 15000, 30000, 60000, 120000, 300000];
const STEPS = [1000, 2000, 5000, 10000, 15000, 30000, 60000];
const MARGIN = 0.012; /* share of the window right of now, so that the newest dot is whole */

export class View {
  windowMs = 15000;
  live = true;
  now = 0;
  zero = 0; /* the wall clock (ms, as in Date) when the recording began */
  #end = 0;
  #listeners = [];

  onChange(listener) {
    this.#listeners.push(listener);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }

  tick(now) {
    this.now = now;
    if (this.live) this.#end = now;
    else this.#end = Math.max(this.#end, now - HISTORY_MS);
  }

  /** The moment that the numbers and the verdict are about. */
  get end() {
    return this.#end;
  }
  get to() {
    return this.#end + this.windowMs * MARGIN;
  }
  get from() {
    return this.to - this.windowMs;
  }

  x(t, width) {
    return ((t - this.from) / this.windowMs) * width;
  }

  time(x, width) {
    return this.from + (x / width) * this.windowMs;
  }

  toggle() {
    this.live = !this.live;
    this.#tell();
  }

  /** Right edge at `end`; the present or later means live. */
  seek(end) {
    this.live = end >= this.now - 50;
    this.#end = Math.max(Math.min(end, this.now), this.now - HISTORY_MS, 0);
    this.#tell();
  }

  pan(share) {
    this.seek(this.#end + share * this.windowMs);
  }

  setWindow(ms) {
    this.windowMs = ms;
    this.#tell();
  }

  /** step -1: a shorter window, 1: a longer one. */
  zoom(step) {
    const at = WINDOWS.findIndex((ms) => ms >= this.windowMs);
    this.setWindow(WINDOWS[Math.max(0, Math.min(WINDOWS.length - 1, at + step))]);
  }

  /** Round times of the wall clock in the window, at least `gap` pixels apart: [{t, wall}], wall as in Date. */
  ticks(width, gap) {
    const step = STEPS.find((ms) => (ms / this.windowMs) * width >= gap) ?? STEPS.at(-1);
    const ticks = [];
    for (
      let wall = Math.ceil((this.from + this.zero) / step) * step;
      wall - this.zero <= this.#end;
      wall += step
    ) {
      ticks.push({ t: wall - this.zero, wall });
    }
    return ticks;
  }
}
