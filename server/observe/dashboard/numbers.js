/* numbers.js – the row of numbers: how the server is, at the right edge of the pictures.
 *
 * Written ten times a second at most, because nobody reads faster, and only where the text changed. The
 * delay of a blocked loop is extrapolated: it grows by one millisecond per millisecond. */
import { write } from './dom.js';
import { bytes, count, duration, percent, plural } from './format.js';

const PERIOD_MS = 100;

const TILES = [
  ['delay', 'Loop delay now', (s, lag) => duration(lag), (s) => `max ${duration(s.lagMax)} in 10 s`],
  ['utilization', 'Loop utilization', (s) => percent(s.utilization), () => 'busy share of time'],
  [
    'in-flight',
    'In flight',
    (s) => count(s.inFlight),
    (s) => `${s.running} run, ${s.waitingHeavy + s.waitingSlow} wait`,
  ],
  ['rate', 'Requests / s', (s) => count(s.perSecond), (s) => `${count(s.total)} since the start`],
  ['threads', 'Threads', (s) => count(s.threads), (s) => plural(s.connections, 'connection')],
  ['memory', 'Memory', (s) => bytes(s.rss), () => 'resident set'],
];

export class Numbers {
  #list;
  #tiles = [];
  #last = -Infinity;
  #share = '';

  constructor(list) {
    this.#list = list;
    for (const [name, title, value, note] of TILES) {
      const tile = document.createElement('div');
      tile.className = 'tile';
      tile.dataset.number = name;
      const parts = ['dt', 'dd', 'dd'].map((tag) => tile.appendChild(document.createElement(tag)));
      parts[0].textContent = title;
      parts[1].className = 'value';
      parts[1].id = `number-${name}`;
      parts[2].className = 'note';
      list.append(tile);
      this.#tiles.push({ tile, value, note, parts });
    }
  }

  draw(view, store) {
    const sample = store.sampleAt(view.end);
    if (!sample || performance.now() - this.#last < PERIOD_MS) return;
    this.#last = performance.now();
    const lag = delayAt(sample, view.end);
    for (const { tile, value, note, parts } of this.#tiles) {
      write(parts[1], value(sample, lag));
      write(parts[2], note(sample));
      const alarm = tile.dataset.number === 'delay' && lag > 50;
      if (tile.classList.contains('alarm') !== alarm) tile.classList.toggle('alarm', alarm);
    }
    const share = sample.utilization.toFixed(2);
    if (share !== this.#share)
      this.#list.style.setProperty('--share', share); /* the bar in one of the tiles */
    this.#share = share;
  }
}

function delayAt(sample, t) {
  const since = Math.min(...sample.blocked.map((stall) => stall.since));
  return sample.blocked.length > 0 ? Math.max(sample.lag, t - since) : sample.lag;
}
