/* transport.js – pause, scrub, window, and the state of the page: live, paused, or observer lost. */
import { get } from './dom.js';
import { HISTORY_MS } from './store.js';

export class Transport {
  #view;
  #lost = true;
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
    view.onChange(() => this.#show());
  }

  get lost() {
    return this.#lost;
  }

  setLost(lost) {
    this.#lost = lost;
    this.#show();
  }

  #show() {
    const { live, windowMs } = this.#view;
    const state = this.#lost ? 'lost' : live ? 'live' : 'paused';
    document.body.dataset.state = state;
    get('state-text').textContent = { lost: 'Observer lost, reconnecting', live: 'Live', paused: 'Paused' }[
      state
    ];
    get('pause').textContent = live ? 'Pause' : 'Go on';
    get('window').value = String(windowMs);
  }

  draw() {
    const scrub = get('scrub');
    const back = Math.round(Math.max(0, this.#view.now - this.#view.end) / 100) / 10;
    const text = back === 0 ? 'now' : `${back.toFixed(1)} s ago`;
    if (!this.#held && scrub.value !== String(-back)) scrub.value = String(-back);
    if (scrub.getAttribute('aria-valuetext') !== text) scrub.setAttribute('aria-valuetext', text);
  }
}
