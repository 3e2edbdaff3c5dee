/* dots.js – the latency of this page's own requests, each at the moment when it was due.
 *
 * A percentile says how bad it was, this picture says what happened: whoever asks at the beginning of
 * a freeze waits longest, whoever asks at its end hardly at all, and so a freeze is a saw-tooth. A
 * request that has no answer yet is hollow and rises: the tooth is seen while it grows. Latency counts
 * from the moment when a request was due; the part of it that was spent in this page's own queue for a
 * connection is drawn as a tail: it ends where the dot would be without that part. */
import { duration, plural } from './format.js';
import { drawGrid } from './surface.js';

const LOWEST = 0.1;
const HIGHEST = 10000; /* ms */
const LINES = [
  [0.1, '0.1 ms'],
  [1, '1 ms'],
  [10, '10 ms'],
  [100, '100 ms'],
  [1000, '1 s'],
  [10000, '10 s'],
];
const SIZE = { fast: 0.22, slow: 0.34, heavy: 0.44 }; /* em, half of it: they grow with the type */
const TAIL_MS = 5;
const MANY = 1000;
const GRAIN = 2; /* px */
const LINEAR_LEAST = 100;

export class Dots {
  linear = false;
  #top = LINEAR_LEAST; /* of the linear scale, ms */

  constructor(surface) {
    this.surface = surface;
  }

  #y(ms) {
    if (this.linear)
      return this.surface.height - 7 - Math.min(1, ms / this.#top) * (this.surface.height - 14);
    const share = Math.log(Math.max(LOWEST, Math.min(HIGHEST, ms)) / LOWEST) / Math.log(HIGHEST / LOWEST);
    return this.surface.height - 7 - share * (this.surface.height - 14);
  }

  draw(view, requests, theme, gap, clock) {
    const { surface } = this;
    const context = surface.begin();
    drawGrid(context, view, surface, theme.colours, gap);
    context.fillStyle = theme.colours.grid;
    const seen = requestsBetween(requests, clock, view.from, view.end);
    for (const [ms, text] of this.linear ? this.#linearLines(seen, view, clock) : LINES) {
      context.fillRect(0, Math.round(this.#y(ms)), surface.width, 1);
      surface.label(text, text, -8, this.#y(ms), 'right', 'name');
    }
    for (const request of this.#thin(seen, view, clock)) {
      this.#drawTail(context, view, request, theme, clock);
      this.#drawDot(context, view, request, theme, clock);
    }
    surface.end();
  }

  /* The least of 100, 200, 500, 1000 … ms that all dots fit below, in quarters. */
  #linearLines(seen, view, clock) {
    const slowest = seen.reduce((most, request) => Math.max(most, this.#latency(request, view, clock).ms), 0);
    this.#top = LINEAR_LEAST;
    for (let i = 0; this.#top < slowest; i++) this.#top *= i % 3 === 1 ? 2.5 : 2;
    return [0, 0.25, 0.5, 0.75, 1].map((part) => [part * this.#top, round(part * this.#top)]);
  }

  /* Of ten thousand dots most lie upon each other: one per small square is drawn, and looks the same. */
  #thin(seen, view, clock) {
    if (seen.length < MANY) return seen;
    const columns = Math.ceil(this.surface.width / GRAIN);
    const squares = new Set();
    return seen.filter((request) => {
      const { due, ms } = this.#latency(request, view, clock);
      const column = Math.floor(view.x(due, this.surface.width) / GRAIN);
      const square = Math.floor(this.#y(ms) / GRAIN) * columns + column;
      return request.kind !== 'fast' || (!squares.has(square) && squares.add(square));
    });
  }

  /* Hollow while the answer is out: its latency is at least what has passed. Scrubbed back, what had
   * no answer at that moment is hollow again. */
  #latency(request, view, clock) {
    const due = clock.at(request.due);
    const answered = request.latency !== null && due + request.latency <= view.end;
    return { due, answered, ms: answered ? request.latency : view.end - due };
  }

  #drawTail(context, view, request, theme, clock) {
    const { due, answered, ms } = this.#latency(request, view, clock);
    if (!answered || request.queued < TAIL_MS || request.latency === null) return;
    const x = view.x(due, this.surface.width);
    context.fillStyle = theme.colours.line;
    const top = this.#y(ms);
    context.globalAlpha = 0.5;
    context.fillRect(x - 0.5, top, 1, this.#y(ms - request.queued) - top);
    context.globalAlpha = 1;
  }

  #drawDot(context, view, request, theme, clock) {
    const { due, answered, ms } = this.#latency(request, view, clock);
    const x = view.x(due, this.surface.width);
    const y = this.#y(ms);
    const colour = theme.colours[request.kind];
    const size = SIZE[request.kind] * this.surface.em;
    context.beginPath();
    if (answered && request.failed) cross(context, x, y, size + 1);
    else SHAPES[request.kind](context, x, y, size);
    if (answered && !request.failed) {
      context.fillStyle = colour;
      context.fill();
    } else {
      context.strokeStyle = request.failed ? theme.colours.text : colour;
      context.lineWidth = 1.4;
      context.stroke();
    }
  }

  describe(requests, view, clock) {
    const fast = requestsBetween(requests, clock, view.from, view.end).filter((r) => r.kind === 'fast');
    const times = fast.map((r) => r.latency ?? view.end - clock.at(r.due)).sort((a, b) => a - b);
    this.surface.describe(
      times.length === 0
        ? 'No request of this page is in the picture.'
        : `${plural(times.length, 'request')} for /fast: half of them within ${duration(times[times.length >> 1])}, ` +
            `the slowest ${duration(times.at(-1))}.`,
    );
  }
}

/** Requests that were due between two times of the observer. */
export function requestsBetween(requests, clock, from, to) {
  const found = [];
  for (let i = requests.lowerBound(from - clock.at(0), (request) => request.due); i < requests.length; i++) {
    const request = requests.at(i);
    if (clock.at(request.due) > to) break;
    found.push(request);
  }
  return found;
}

const round = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);

const SHAPES = {
  fast(context, x, y, size) {
    context.arc(x, y, size, 0, 2 * Math.PI);
  },
  slow(context, x, y, size) {
    context.rect(x - size, y - size, 2 * size, 2 * size);
  },
  heavy(context, x, y, size) {
    context.moveTo(x, y - size);
    context.lineTo(x + size, y + size * 0.8);
    context.lineTo(x - size, y + size * 0.8);
    context.closePath();
  },
};

function cross(context, x, y, size) {
  context.moveTo(x - size, y - size);
  context.lineTo(x + size, y + size);
  context.moveTo(x + size, y - size);
  context.lineTo(x - size, y + size);
}
