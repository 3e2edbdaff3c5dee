/* transport.js – pause, scrub, window, and the state of the page: live, paused, or observer lost.
 *
 * A control answers at once. The state is said together with the pictures and the verdict, so that no
 * two parts of the page ever tell of different moments. */
import { get, write } from './dom.js';
import { HISTORY_MS } from './store.js';

const STATES = {
  connecting: 'connecting',
  lost: 'Observer lost, reconnecting',
  live: 'Live',
  paused: 'Paused',
};

export class Transport {
  #view;
  #lost = null; /* not known yet */
  #held = false; /* somebody has the slider in hand: do not move it under them */

  constructor(view) {
    this.#view = view;
    const scrub = get('scrub');
    get('pause').addEventListener('click', () => view.toggle());
    get('window').addEventListener('change', () => view.setWindow(Number(get('window').value)));
    scrub.min = String(-HISTORY_MS / 1000);
    scrub.addEventListener('pointerdown', () => (this.#held = true));
    for (const name of ['pointerup', 'pointercancel']) addEventListener(name, () => (this.#held = false));
    scrub.addEventListener('input', () => view.seek(view.now + Number(scrub.value) * 1000));
    view.onChange(() => this.#answer());
  }

  get lost() {
    return this.#lost;
  }

  setLost(lost) {
    this.#lost = lost;
  }

  #answer() {
    get('pause').textContent = this.#view.live ? 'Pause' : 'Go on';
    get('window').value = String(this.#view.windowMs);
  }

  get #state() {
    if (this.#lost === null) return 'connecting';
    if (this.#lost) return 'lost';
    return this.#view.live ? 'live' : 'paused';
  }

  draw() {
    const state = this.#state;
    if (document.body.dataset.state !== state) document.body.dataset.state = state;
    write(get('state-text'), STATES[state]);
    const scrub = get('scrub');
    const back = Math.round(Math.max(0, this.#view.now - this.#view.end) / 100) / 10;
    const text = back === 0 ? 'now' : `${back.toFixed(1)} s ago`;
    if (!this.#held && scrub.value !== String(-back)) scrub.value = String(-back);
    if (scrub.getAttribute('aria-valuetext') !== text) scrub.setAttribute('aria-valuetext', text);
  }
}
