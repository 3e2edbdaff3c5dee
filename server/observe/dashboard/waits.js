/* waits.js – how long jobs and queries waited for a lane: a histogram of the last ten seconds.
 *
 * The only picture with an axis of its own: waits, in steps of 1-2-5, whose bounds stand between the
 * bars. Two lumps far apart mean two populations (those that found a free lane, those that did not), and
 * no average says that. */
import { WAIT_BOUNDS } from './store.js';
import { fillHatched } from './surface.js';

const GAP = 3;

export class Waits {
  constructor(surface) {
    this.surface = surface;
  }

  draw(view, store, theme) {
    const { surface } = this;
    const context = surface.begin();
    const sample = store.sampleAt(view.end);
    const { em } = surface;
    const base = surface.height - em * 1.3;
    const width = surface.width / WAIT_BOUNDS.length;
    const total = (i) => (sample ? sample.waitsHeavy[i] + sample.waitsSlow[i] : 0);
    const most = Math.max(1, ...WAIT_BOUNDS.map((_, i) => total(i)));
    const scale = (base - em * 1.1) / most;
    context.fillStyle = theme.colours.line;
    context.fillRect(0, Math.round(base), surface.width, 1);
    surface.label('count', 'count', -8, base / 2, 'right', 'name');
    surface.label('wait', 'wait', -8, base + em * 0.75, 'right', 'name');
    if (WAIT_BOUNDS.every((_, i) => total(i) === 0))
      surface.label('empty', 'Nothing waited.', surface.width / 2, base / 2, 'centre', 'name');
    WAIT_BOUNDS.forEach((bound, i) => {
      if (bound < Infinity && (width > em * 4 || i % 3 === 0))
        surface.label(`b ${i}`, short(bound), (i + 1) * width, base + em * 0.75, 'centre', 'tick');
      if (total(i) === 0) return;
      const top = base - total(i) * scale;
      this.#drawBar(context, theme, i * width, width, base, sample.waitsHeavy[i] * scale, top);
      surface.label(`n ${i}`, String(total(i)), (i + 0.5) * width, top - em * 0.55, 'centre', 'value');
    });
    surface.end();
  }

  #drawBar(context, theme, left, width, base, heavy, top) {
    const x = left + GAP;
    const bar = { x, width: width - 2 * GAP };
    fillHatched(context, { ...bar, y: base - heavy, height: heavy }, theme.colours.queue, theme.hatch.heavy);
    fillHatched(context, { ...bar, y: top, height: base - heavy - top }, theme.colours.slow, theme.hatch.slow);
  }

  describe(store, view) {
    const sample = store.sampleAt(view.end);
    const told = WAIT_BOUNDS.map((bound, i) => [waitText(bound), sample?.waitsHeavy[i] + sample?.waitsSlow[i]])
      .filter(([, n]) => n > 0)
      .map(([text, n]) => `${n} ${text}`);
    this.surface.describe(
      told.length > 0
        ? `Waits of the last ten seconds: ${told.join(', ')}.`
        : 'Nothing waited in the last ten seconds.',
    );
  }
}

const short = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);

/** "up to 5 ms"; of the last bar, which has no bound, "longer". */
export const waitText = (bound) => (bound < Infinity ? `up to ${short(bound)}` : 'longer');
