/* controls.js – the panel: lessons, what to fire, the pulse, and the connections in use.
 *
 * The buttons say what they will do ("Fire 1 × /heavy: 3 s on none"), so a class can read along. */
import { get, make, write } from './dom.js';
import { run } from './experiment.js';
import { duration, plural } from './format.js';
import { possibleLessons } from './lessons.js';
import { CONNECTIONS } from './patient.js';

const FOLLOWERS = 10; /* /fast that go along with a question about them */

export class Controls {
  #config;
  #patient;
  #pulse;
  #prediction;

  constructor(config, patient, pulse, prediction) {
    this.#config = config;
    this.#patient = patient;
    this.#pulse = pulse;
    this.#prediction = prediction;
    this.#fillChoices();
    this.#addLessons();
    for (const kind of ['heavy', 'slow', 'fast'])
      get(`fire-${kind}`).addEventListener('click', () => this.fire(kind));
    get('fire').addEventListener('input', () => this.#name());
    get('fire').addEventListener('submit', (event) => event.preventDefault());
    get('pulse').addEventListener('change', () => this.#pulse.set(Number(get('pulse').value)));
    this.#name();
  }

  #fillChoices() {
    const { strategies = [], kernels = [], sources = [], options = [] } = this.#config;
    fill(get('strategy'), strategies);
    fill(get('kernel'), kernels);
    fill(get('via'), sources);
    const server = options.find(({ name }) => name === 'offload')?.value;
    if (strategies.some(({ name }) => name === server)) get('strategy').value = server;
  }

  #addLessons() {
    for (const lesson of possibleLessons(this.#config)) {
      const button = make(
        'button',
        { type: 'button' },
        `${lesson.name} `,
        make('small', { textContent: lesson.hint }),
      );
      button.addEventListener('click', () => {
        get('strategy').value = lesson.strategy;
        this.#name();
        this.#prediction.ask(lesson);
      });
      get('lessons').append(button);
    }
  }

  #wish(kind) {
    const count = whole(get('count'), 1, 200);
    return {
      strategy: get('strategy').value,
      kernel: get('kernel').value,
      ms: whole(get('size'), 1, 60000),
      via: get('via').value,
      rate: Number(get('rate').value),
      asks: kind === 'slow' ? 'slow' : 'fast',
      shots: [{ kind, count }],
    };
  }

  /** Fires what the panel says, after asking if that is wished. */
  fire(kind) {
    const wish = this.#wish(kind);
    if (!get('ask').checked) return void run(wish, this.#patient);
    if (kind === 'heavy') wish.shots.push({ kind: 'fast', count: FOLLOWERS, after: 50 });
    this.#prediction.ask(wish);
  }

  #name() {
    for (const kind of ['heavy', 'slow', 'fast']) {
      const { shots, ms, strategy, via } = this.#wish(kind);
      const detail = { heavy: `${short(ms)} on ${strategy}`, slow: `via ${via}`, fast: '' }[kind];
      get(`fire-${kind}`).replaceChildren(
        `Fire ${shots[0].count} × /${kind} `,
        make('small', { textContent: detail }),
      );
    }
    const strategy = this.#config.strategies?.find(({ name }) => name === get('strategy').value);
    get('strategy-help').textContent = strategy?.help ?? '';
  }

  /** Which connections are in use, and what waits for one. */
  draw() {
    const { busy, inUse, waiting } = this.#patient;
    const marks = '♥'.repeat(busy.pulse) + '▲'.repeat(busy.heavy) + '■'.repeat(busy.other);
    const places = `${marks.padEnd(CONNECTIONS, '○')}  ${inUse} of ${CONNECTIONS} in use`;
    const queued = plural(waiting.pulse.length + waiting.fired.length, 'request waits', 'requests wait');
    write(get('slots'), `${places}, ${queued} in this page`);
  }
}

/* "3 s", not "3.00 s" */
const short = (ms) => duration(ms).replace(/\.?0+ s/, ' s');

function fill(select, rows) {
  for (const { name } of rows) select.add(new Option(name, name));
}

/* What a number field means while somebody types in it. */
function whole(input, min, max) {
  const value = Math.round(Number(input.value));
  return Number.isFinite(value) && value >= min ? Math.min(value, max) : Number(input.defaultValue);
}
