/* waits.js – how long jobs and queries waited for a lane: a histogram of the last ten seconds.
 *
 * The only picture with an axis of its own: waits, in steps of 1-2-5. Two lumps far apart mean two
 * populations (those that found a free lane, those that did not), and no average says that. */
import { duration } from './format.js';
import { WAIT_BOUNDS } from './store.js';

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
    const most = WAIT_BOUNDS.reduce((max, _, i) => Math.max(max, total(i)), 1);
    context.fillStyle = theme.colours.line;
    context.fillRect(0, Math.round(base), surface.width, 1);
    surface.label('count', 'count', -8, base / 2, 'right', 'name');
    surface.label('wait', 'wait ≤', -8, base + em * 0.75, 'right', 'name');
    WAIT_BOUNDS.forEach((bound, i) => {
      const x = i * width;
      const scale = (base - em * 1.1) / most;
      if (total(i) > 0)
        this.#drawBar(
          context,
          theme,
          x + GAP,
          base,
          width - 2 * GAP,
          sample.waitsHeavy[i] * scale,
          sample.waitsSlow[i] * scale,
        );
      if (total(i) > 0)
        surface.label(
          `n ${i}`,
          String(total(i)),
          x + width / 2,
          base - total(i) * scale - em * 0.55,
          'centre',
          'value',
        );
      if (width > em * 4 || i % 3 === 0)
        surface.label(`b ${i}`, short(bound), x + width / 2, base + em * 0.75, 'centre', 'tick');
    });
    surface.end();
  }

  #drawBar(context, theme, x, base, width, heavy, slow) {
    context.fillStyle = theme.colours.queue;
    context.fillRect(x, base - heavy, width, heavy);
    context.fillStyle = theme.colours.slow;
    context.fillRect(x, base - heavy - slow, width, slow);
    context.globalAlpha = 0.38;
    context.fillStyle = theme.hatch.heavy;
    context.fillRect(x, base - heavy, width, heavy);
    context.fillStyle = theme.hatch.slow;
    context.fillRect(x, base - heavy - slow, width, slow);
    context.globalAlpha = 1;
  }

  describe(store, view) {
    const sample = store.sampleAt(view.end);
    const counts = sample
      ? WAIT_BOUNDS.map((bound, i) => [bound, sample.waitsHeavy[i] + sample.waitsSlow[i]])
      : [];
    const told = counts.filter(([, n]) => n > 0).map(([bound, n]) => `${n} up to ${duration(bound)}`);
    this.surface.describe(
      told.length
        ? `Waits of the last ten seconds: ${told.join(', ')}.`
        : 'Nothing waited in the last ten seconds.',
    );
  }
}

const short = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);
