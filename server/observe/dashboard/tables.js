/* tables.js – what the pictures show, as tables: for who cannot see them, and for who wants figures.
 *
 * A table is filled when it is opened, and again every second while it is open and the view moves. */
import { make } from './dom.js';
import { requestsBetween } from './dots.js';
import { clockTime, duration, plural } from './format.js';
import { visibleRecords } from './lanes.js';
import { WAIT_BOUNDS } from './store.js';
import { waitText } from './waits.js';

const ROWS_MAX = 200;
const PERIOD_MS = 1000;

export class Tables {
  #parts;
  #last = -Infinity;

  constructor(parts) {
    this.#parts = parts; /* {view, store, clock, requests} */
    for (const details of document.querySelectorAll('details.data')) {
      const rows = details.querySelector('.rows');
      rows.tabIndex = 0; /* it scrolls: the keyboard must reach it */
      rows.setAttribute('role', 'region');
      rows.setAttribute('aria-label', details.querySelector('summary').textContent);
      details.addEventListener('toggle', () => details.open && this.#fill(details));
    }
  }

  draw() {
    if (performance.now() - this.#last < PERIOD_MS) return;
    this.#last = performance.now();
    for (const details of document.querySelectorAll('details.data[open]')) this.#fill(details);
  }

  #fill(details) {
    const picture = details.closest('figure').id;
    const [caption, heads, rows] = TABLES[picture](this.#parts);
    details.querySelector('.rows').replaceChildren(table(caption, heads, rows));
  }
}

const TABLES = {
  strip({ view, store, clock }) {
    const rows = [...store.stallsBetween(view.from, view.to)].map((s) => [
      clockTime(clock.date(s.began), true),
      duration((s.ended ?? view.end) - s.began),
      s.by,
      s.strategy,
      s.ended === null ? 'goes on' : String(s.waited ?? '–'),
      duration(s.longest_wait),
    ]);
    return [
      'Stalls in the picture',
      ['began', 'length', 'by', 'mode', 'requests that waited', 'longest wait'],
      rows,
    ];
  },
  gantt({ view, store, clock }) {
    const rows = visibleRecords(view, store).map((r) => [
      clockTime(clock.date(r.submitted), true),
      r.work,
      r.kernel ?? '–',
      r.lane ?? 'waiting',
      duration(r.started === null ? null : r.started - r.submitted),
      duration(r.finished === null || r.started === null ? null : r.finished - r.started),
      r.outcome ?? (r.started === null ? 'waits' : 'runs'),
    ]);
    return [
      'Jobs and queries in the picture',
      ['submitted', 'work', 'kernel', 'lane', 'waited', 'ran', 'outcome'],
      rows.reverse(),
    ];
  },
  dots({ view, requests, clock }) {
    const rows = requestsBetween(requests, clock, view.from, view.end).map((r) => [
      clockTime(clock.date(clock.at(r.due)), true),
      r.path,
      r.latency === null ? 'outstanding' : duration(r.latency),
      duration(r.queued),
      r.answer?.lane ?? '–',
      r.status ? String(r.status) : '–',
    ]);
    return [
      'Requests of this page in the picture',
      ['due', 'request', 'latency', 'of it in this page', 'lane', 'status'],
      rows.reverse(),
    ];
  },
  depth({ store }) {
    const rows = store.members.flatMap(({ member, works = [] }) =>
      works.map((w) => [
        String(member),
        w.name,
        String(w.waiting),
        String(w.running),
        duration(w.oldest_wait),
        duration(w.wait?.p50),
        duration(w.wait?.p99),
        String(w.submitted),
        String(w.succeeded),
        String(w.cancelled),
        String(w.refused),
        String(w.failed),
        String(w.lost),
        String(w.expired),
      ]),
    );
    return [
      'Queues now',
      [
        'member',
        'work',
        'waiting',
        'running',
        'oldest wait',
        'wait p50',
        'wait p99',
        'submitted',
        'succeeded',
        'cancelled',
        'refused',
        'failed',
        'lost',
        'expired',
      ],
      rows,
    ];
  },
  waits({ view, store }) {
    const sample = store.sampleAt(view.end);
    const rows = WAIT_BOUNDS.map((bound, i) => [
      waitText(bound),
      String(sample?.waitsHeavy[i] ?? 0),
      String(sample?.waitsSlow[i] ?? 0),
    ]);
    return ['Waits of ten seconds', ['wait', '/heavy', '/slow'], rows];
  },
};

export function table(caption, heads, rows) {
  const element = document.createElement('table');
  element.createCaption().textContent =
    rows.length > ROWS_MAX ? `${caption}: the first ${ROWS_MAX} of ${rows.length}` : caption;
  const head = element.createTHead().insertRow();
  for (const text of heads) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = text;
    head.append(cell);
  }
  const body = element.createTBody();
  for (const row of rows.slice(0, ROWS_MAX)) {
    const line = body.insertRow();
    for (const text of row) line.insertCell().textContent = text;
  }
  if (rows.length === 0) {
    const cell = body.insertRow().insertCell();
    cell.colSpan = heads.length;
    cell.textContent = 'nothing in the picture';
  }
  return element;
}

/** The settings of the server, what each means, and where it comes from. */
export function settingsTable({ options = [], version, cores }) {
  const settings = table(`offloop ${version}, ${plural(cores, 'core')}`, ['option', 'value'], []);
  settings.tBodies[0].replaceChildren(...options.map(settingRow));
  return settings;
}

function settingRow({ name, value, origin, help }) {
  const note = (textContent) => make('small', { textContent });
  return make(
    'tr',
    {},
    make('td', {}, `--${name} `, note(help)),
    make('td', {}, `${value === '' ? '–' : value} `, note(origin)),
  );
}
