/* cursor.js – a line through all pictures at the pointer, and what happened there.
 *
 * The pictures share their axis, so one line shows what belonged together. Dragging a picture moves
 * through the past. Without a pointer the tables and the arrow keys do the same. */
import { requestsBetween } from './dots.js';
import { clockTime, duration } from './format.js';

const REACH_PX = 8;

export class Cursor {
  #parts;
  #lines = [];
  #readout;
  #x = null;
  #hidden = null;
  #drag = null;

  /** parts: {view, store, clock, requests}; surfaces: those on the shared axis; axis: where the words go */
  constructor(parts, surfaces, axis) {
    this.#parts = parts;
    this.#readout = axis.layer.appendChild(document.createElement('p'));
    this.#readout.className = 'readout';
    for (const surface of surfaces) {
      const line = surface.layer.appendChild(document.createElement('div'));
      line.className = 'cursor';
      this.#lines.push(line);
      this.#listen(surface.canvas);
    }
    this.width = () => axis.width;
  }

  #listen(canvas) {
    canvas.addEventListener('pointermove', (event) => this.#move(event, canvas));
    canvas.addEventListener('pointerleave', () => (this.#x = null));
    canvas.addEventListener('pointerdown', (event) => {
      this.#drag = { x: event.clientX, end: this.#parts.view.end };
      canvas.setPointerCapture(event.pointerId);
    });
    for (const name of ['pointerup', 'pointercancel'])
      canvas.addEventListener(name, () => (this.#drag = null));
  }

  #move(event, canvas) {
    const box = canvas.getBoundingClientRect();
    this.#x = event.clientX - box.left;
    const { view } = this.#parts;
    if (!this.#drag || Math.abs(event.clientX - this.#drag.x) < 4) return;
    view.seek(this.#drag.end - ((event.clientX - this.#drag.x) / box.width) * view.windowMs);
  }

  draw() {
    const hidden = this.#x === null || this.#x < 0;
    if (hidden !== this.#hidden)
      for (const element of [...this.#lines, this.#readout]) element.hidden = hidden;
    this.#hidden = hidden;
    if (hidden) return;
    const width = this.width();
    for (const line of this.#lines) line.style.transform = `translateX(${Math.round(this.#x)}px)`;
    const anchor = this.#x > width / 2 ? '-100%' : '0';
    this.#readout.textContent = this.#words(width);
    this.#readout.style.transform = `translateX(${Math.round(this.#x)}px) translateX(${anchor})`;
  }

  #words(width) {
    const { view, store, clock, requests } = this.#parts;
    const t = view.time(this.#x, width);
    const words = [clockTime(clock.date(t), true)];
    const cells = store.cells.values().next().value;
    const share = cells?.get(Math.max(0, Math.floor(t / store.cellMs)));
    if (share >= 0) words.push(`loop ${Math.round(share * 100)} % busy`);
    const reach = (REACH_PX / width) * view.windowMs;
    const near = requestsBetween(requests, clock, t - reach, t + reach);
    const slowest = near.reduce((most, r) => ((r.latency ?? 1e9) > (most?.latency ?? -1) ? r : most), null);
    if (slowest)
      words.push(`/${slowest.kind} ${slowest.latency === null ? 'outstanding' : duration(slowest.latency)}`);
    return words.join(' · ');
  }
}
