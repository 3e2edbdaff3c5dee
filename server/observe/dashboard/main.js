/* main.js – puts the page together: events in, one frame after the other out.
 *
 *     feed ──batch──▶ store ◀──reads── strip, gantt, dots, depth, waits, numbers, verdict, tables
 *     controls, predict ──fire──▶ patient ──latencies──▶ dots
 *
 * Between two batches (100 ms) the pictures go on, because "now" is extrapolated from the clock: what
 * runs grows, what is blocked stays blocked. A frame is drawn only if something moved by a visible
 * amount, and 40 times a second at the most: where no graphics processor does it, drawing takes the
 * CPU from the lanes that it shows. Who prefers reduced motion gets five steps a second.
 *
 * For tests: <body data-state="connecting|live|paused|lost" data-blocked="true|false">, #verdict
 * [data-level], #verdict-title, #verdict-text, #verdict-advice, #watch-value, #number-delay,
 * #number-utilization, #number-in-flight, #number-rate, #number-threads, #number-memory, #state-text,
 * #lessons button, #prediction[data-stage="question|running|right|wrong"], #prediction-outcome
 * .measured strong, #fire-heavy, #fire-slow, #fire-fast, #strategy, #kernel, #size, #via, #count,
 * #rate, #ask, #pulse, #slots, #pause, #scrub, #window, #big, #theme, #help, #scale, #export-png,
 * #export-requests, #export-work, #export-trace, and per picture (#strip #gantt #dots #depth #waits)
 * canvas[aria-label], details.data table. */
import { Clock } from './clock.js';
import { Controls } from './controls.js';
import { Cursor } from './cursor.js';
import { Depth } from './depth.js';
import { get, write } from './dom.js';
import { Dots } from './dots.js';
import { exportPng, exportRequests, exportWork } from './export.js';
import { Feed, fetchConfig } from './feed.js';
import { clockTime } from './format.js';
import { Gantt } from './gantt.js';
import { bindKeys } from './keys.js';
import { Numbers } from './numbers.js';
import { Patient, Pulse, reachable } from './patient.js';
import { Prediction } from './predict.js';
import { Store } from './store.js';
import { Strip } from './strip.js';
import { Surface } from './surface.js';
import { settingsTable, Tables } from './tables.js';
import { Theme } from './theme.js';
import { Transport } from './transport.js';
import { Verdict } from './verdict.js';
import { View } from './view.js';
import { Waits } from './waits.js';

const VISIBLE_PX = 0.4;
const FLOW_MS = 25;
const REDUCED_MS = 200;
const DESCRIBE_MS = 4000;
const TICK_EM = 7;

const config = await fetchConfig();
const reduced = matchMedia('(prefers-reduced-motion: reduce)');
const clock = new Clock();
const store = new Store();
const view = new View();
const theme = new Theme();
const patient = new Patient(reachable(config.patient));
const pulse = new Pulse(patient);
const { requests } = patient;
store.cellMs = config.cell_ms ?? store.cellMs;

const surfaces = ['strip', 'gantt', 'dots', 'depth', 'waits'].map(
  (id) => new Surface(get(id).querySelector('.plot')),
);
const axis = new Surface(get('axis'));
const [strip, gantt, dots, depth, waits] = [Strip, Gantt, Dots, Depth, Waits].map(
  (Picture, i) => new Picture(surfaces[i]),
);
const numbers = new Numbers(get('numbers'));
const verdict = new Verdict();
const tables = new Tables({ view, store, clock, requests });
const transport = new Transport(view);
const cursor = new Cursor({ view, store, clock, requests }, surfaces.slice(0, 4), axis);

const pulseControl = {
  get: () => pulse.perSecond,
  set(perSecond) {
    pulse.set(perSecond);
    get('pulse').value = String(perSecond);
  },
};
const controls = new Controls(config, patient, pulseControl, new Prediction(patient, pulseControl));

let changed = true; /* something other than time and events */
let arrived = false; /* events */
let drawnEnd = 0;
let dueAt = 0; /* the next picture, if only time passes */
let describedAt = 0;

function draw() {
  requestAnimationFrame(draw);
  if (!clock.known) return transport.draw(); /* there is nothing else to tell yet */
  cursor.draw();
  if (!transport.lost) view.tick(clock.now()); /* of what is not known no picture is drawn */
  const stamp = performance.now();
  const moved = (Math.abs(view.end - drawnEnd) / view.windowMs) * axis.width >= VISIBLE_PX;
  const resized = axis.resized || surfaces.some((surface) => surface.resized);
  const flows = (moved || arrived) && stamp >= dueAt;
  if (!changed && !resized && !flows) return;
  const fresh = changed || resized || arrived;
  changed = arrived = false;
  drawnEnd = view.end;
  const rest = reduced.matches ? REDUCED_MS : FLOW_MS;
  dueAt = Math.min(Math.max(dueAt + rest, stamp), stamp + rest); /* on average, whatever the screen's rate */
  view.zero = clock.date(0).getTime();
  drawPictures(fresh);
  numbers.draw(view, store);
  verdict.draw(view, store, transport.lost);
  transport.draw();
  controls.draw();
  tables.draw();
  if (stamp - describedAt > DESCRIBE_MS) describePictures(stamp);
}

/* fresh: something is new, time has not only passed */
function drawPictures(fresh) {
  const gap = axis.em * TICK_EM;
  strip.draw(view, store, theme, gap);
  gantt.draw(view, store, theme, gap);
  dots.draw(view, requests, theme, gap, clock);
  depth.draw(view, store, theme, gap);
  if (fresh) waits.draw(view, store, theme);
  drawAxis(gap);
}

function drawAxis(gap) {
  axis.begin(view);
  const end = view.x(view.end, axis.width);
  const last = transport.lost ? 'lost' : view.live ? 'now' : clockTime(clock.date(view.end), true);
  const room = (TICK_EM + last.length) * 0.6; /* half of a tick, and what stands at the end */
  for (const { t, wall } of view.ticks(axis.width, gap)) {
    const x = view.x(t, axis.width);
    if (end - x > axis.em * room && x > 4)
      axis.drifting(wall, clockTime(new Date(wall)), x, axis.height / 2, 'centre', 'tick');
  }
  axis.label('end', last, end, axis.height / 2, 'right', 'tick end');
  axis.end();
}

function describePictures(stamp) {
  describedAt = stamp;
  strip.describe(store, view);
  gantt.describe(store, view);
  dots.describe(requests, view, clock);
  depth.describe(store, view);
  waits.describe(store, view);
}

const feed = {
  onBatch(batch) {
    const continued = store.apply(batch);
    if (!continued) clock.reset();
    clock.observe(batch.t, !view.live);
    document.documentElement.classList.toggle('cluster', store.members.length > 1);
    get('missed').hidden = store.missed === 0;
    write(get('missed'), `${store.missed} records came too fast and are missing`);
    arrived = true;
  },
  onState(state) {
    transport.setLost(state === 'lost');
    changed = true;
  },
};

/* The focus does not stay behind in a menu that is closed. */
function closeExport() {
  const menu = get('export');
  if (menu.open && menu.contains(document.activeElement)) menu.querySelector('summary').focus();
  menu.open = false;
}

get('settings').append(settingsTable(config));
get('export-png').addEventListener('click', () => exportPng(get('pictures'), theme));
get('export-requests').addEventListener('click', () => exportRequests(requests, clock));
get('export-work').addEventListener('click', () => exportWork(store.work.records));
get('export').addEventListener('click', (event) => event.target.closest('.sheet') && closeExport());
addEventListener('pointerdown', (event) => get('export').contains(event.target) || closeExport());
get('theme').addEventListener('click', () => theme.toggleDark());
get('big').addEventListener('click', () => theme.toggleBig());
get('help').addEventListener('click', () => get('help-dialog').showModal());
get('scale').addEventListener('click', () => {
  dots.linear = !dots.linear;
  get('scale').setAttribute('aria-pressed', String(dots.linear));
  changed = true;
});
view.onChange(() => (changed = true));
theme.onChange(() => {
  changed = true;
  get('big').setAttribute('aria-pressed', String(theme.big));
  get('theme').textContent = theme.dark ? 'Light' : 'Dark';
});
bindKeys({
  ' ': () => view.toggle(),
  f: () => controls.fire('fast'),
  s: () => controls.fire('slow'),
  h: () => controls.fire('heavy'),
  ArrowLeft: () => view.pan(-0.1),
  ArrowRight: () => view.pan(0.1),
  '+': () => view.zoom(-1),
  '-': () => view.zoom(1),
  b: () => theme.toggleBig(),
  t: () => theme.toggleDark(),
  End: () => view.seek(Infinity),
  Escape: closeExport,
  '?': () => get('help-dialog').showModal(),
});
new Feed(feed);
pulseControl.set(Number(get('pulse').value));
requestAnimationFrame(draw);
