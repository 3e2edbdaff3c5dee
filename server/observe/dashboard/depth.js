/* depth.js – how many jobs and queries wait for a lane: the queue's depth over time.
 *
 * A step per sample (ten a second), the queries of /slow stacked upon the jobs of /heavy. The scale
 * doubles when it must, so a queue that grows without bound looks like one. */
import { drawGrid } from './surface.js';

const LEAST = 4;

export class Depth {
  constructor(surface) {
    this.surface = surface;
  }

  draw(view, store, theme, gap) {
    const { surface } = this;
    const context = surface.begin();
    const steps = stepsBetween(store, view);
    let top = LEAST;
    for (const step of steps) while (step.heavy + step.slow > top) top *= 2;
    const y = (n) => surface.height - 3 - (n / top) * (surface.height - 10);
    drawGrid(context, view, surface, theme.colours, gap);
    context.fillStyle = theme.colours.grid;
    for (const n of [0, top / 2, top]) context.fillRect(0, Math.round(y(n)), surface.width, 1);
    for (const n of [0, top]) surface.label(`n ${n > 0}`, String(n), -8, y(n), 'right', 'name');
    this.#drawArea(context, steps, view, (s) => [y(0), y(s.heavy)], theme.colours.queue, theme.hatch.heavy);
    this.#drawArea(
      context,
      steps,
      view,
      (s) => [y(s.heavy), y(s.heavy + s.slow)],
      theme.colours.slow,
      theme.hatch.slow,
    );
    surface.end();
  }

  #drawArea(context, steps, view, edges, colour, hatch) {
    context.beginPath();
    for (const step of steps) {
      const [bottom, top] = edges(step);
      if (bottom === top) continue;
      const x = view.x(step.from, this.surface.width);
      context.rect(x, top, view.x(step.to, this.surface.width) - x + 0.3, bottom - top);
    }
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 0.38;
    context.fillStyle = hatch;
    context.fill();
    context.globalAlpha = 1;
  }

  describe(store, view) {
    const deepest = stepsBetween(store, view).reduce((most, s) => Math.max(most, s.heavy + s.slow), 0);
    const now = store.sampleAt(view.end);
    this.surface.describe(
      `Jobs and queries that wait: ${(now?.waitingHeavy ?? 0) + (now?.waitingSlow ?? 0)}; ` +
        `the most within the picture: ${deepest}.`,
    );
  }
}

/* A sample holds from the batch before it to its own; the newest one up to the end of the view. */
function stepsBetween(store, view) {
  const steps = [];
  const { samples } = store;
  for (let i = samples.lowerBound(view.from, (s) => s.t); i < samples.length; i++) {
    const sample = samples.at(i);
    const from = samples.at(i - 1 >= 0 ? i - 1 : i).t;
    if (from > view.end) break;
    steps.push({
      from,
      to: Math.min(sample.t, view.end),
      heavy: sample.waitingHeavy,
      slow: sample.waitingSlow,
    });
  }
  if (view.live && steps.length > 0) steps.at(-1).to = view.end;
  return steps;
}
