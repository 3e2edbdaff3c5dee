/* export.js – what a class wants to take home: the pictures as PNG, the figures as CSV.
 *
 * The trace for Perfetto comes from the observer (/trace.json). The PNG is composed of the canvases and
 * the texts above them, as they stand on the page. */
import { fillHatched } from './surface.js';

const SCALE = 2;

export function exportPng(pictures, theme) {
  const area = pictures.getBoundingClientRect();
  const canvas = document.createElement('canvas');
  canvas.width = area.width * SCALE;
  canvas.height = area.height * SCALE;
  const context = canvas.getContext('2d');
  context.scale(SCALE, SCALE);
  context.translate(-area.left, -area.top);
  context.fillStyle = theme.colours.card;
  context.fillRect(area.left, area.top, area.width, area.height);
  for (const source of pictures.querySelectorAll('canvas')) {
    const box = source.getBoundingClientRect();
    context.drawImage(source, box.left, box.top, box.width, box.height);
  }
  for (const label of pictures.querySelectorAll('.layer span, figcaption h2, .legend > span'))
    drawText(context, label);
  for (const key of pictures.querySelectorAll('.legend :is(.key, svg)')) drawKey(context, key, theme);
  canvas.toBlob((blob) => save(blob, 'png'), 'image/png');
}

function drawText(context, label) {
  const box = label.getBoundingClientRect();
  const style = getComputedStyle(label);
  const padding = parseFloat(style.paddingLeft);
  context.fillStyle = style.backgroundColor;
  context.fillRect(box.left, box.top, box.width, box.height);
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textBaseline = 'middle';
  const key = label.querySelector('.key, svg')?.getBoundingClientRect();
  context.fillText(label.textContent, (key ? key.right + 5 : box.left) + padding, box.top + box.height / 2);
}

function drawKey(context, key, theme) {
  const box = key.getBoundingClientRect();
  if (key.matches('.key')) {
    const [colour, hatch] = KEYS[[...key.classList].at(-1)];
    const dotted = key.matches('.gantt .queue'); /* waits are drawn as dots, their number as an area */
    fillHatched(
      context,
      box,
      dotted ? null : theme.colours[colour],
      theme.hatch[dotted ? 'queue' : hatch] ?? null,
    );
    return;
  }
  const shape = new Path2D();
  shape.addPath(
    new Path2D(SHAPES[key.classList[0]]),
    new DOMMatrix([box.width / 10, 0, 0, box.height / 10, box.left, box.top]),
  );
  context.fillStyle = getComputedStyle(key).color;
  context.fill(shape);
}

/* The keys of the legends: colour and hatching. */
const KEYS = {
  idle: ['idle', null],
  busy: ['busy', null],
  stall: ['stall', 'heavy'],
  heavy: ['heavy', 'heavy'],
  slow: ['slow', 'slow'],
  queue: ['queue', 'heavy'],
  'queue-slow': ['slow', 'slow'],
};

/* Those of the dots, in a square of ten by ten. */
const SHAPES = {
  fast: 'M5 1a4 4 0 1 0 .001 0z',
  slow: 'M1 1h8v8H1z',
  heavy: 'M5 .5 9.7 9.3H.3z',
};

/** A row per request of this page; times in ms, latency from the moment when it was due. */
export function exportRequests(requests, clock) {
  const rows = [...requests].map((r) => [
    clock.date(clock.at(r.due)).toISOString(),
    clock.at(r.due),
    r.kind,
    r.path,
    r.pulse,
    r.queued,
    r.latency,
    r.status,
    r.answer?.lane,
  ]);
  saveCsv(
    'requests',
    ['due', 'due_ms', 'kind', 'path', 'pulse', 'queued_in_page_ms', 'latency_ms', 'status', 'lane'],
    rows,
  );
}

/** A row per job or query; times in ms since the recording began. */
export function exportWork(records) {
  const rows = [...records].map((r) => [
    r.member,
    r.id,
    r.work,
    r.kernel,
    r.size,
    r.lane,
    r.outcome,
    r.submitted,
    r.started,
    r.finished,
    r.delivered,
  ]);
  saveCsv(
    'work',
    [
      'member',
      'id',
      'work',
      'kernel',
      'size',
      'lane',
      'outcome',
      'submitted_ms',
      'started_ms',
      'finished_ms',
      'delivered_ms',
    ],
    rows,
  );
}

function saveCsv(name, heads, rows) {
  const field = (value) => {
    if (typeof value === 'number') return String(Math.round(value * 1000) / 1000);
    const text = String(value ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [heads, ...rows].map((row) => `${row.map(field).join(',')}\r\n`);
  save(new Blob(lines, { type: 'text/csv' }), 'csv', name);
}

function save(blob, ending, name = 'picture') {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `offloop-${name}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
