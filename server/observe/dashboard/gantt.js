/* gantt.js – who does what: a lane per thread or process that computes, and one for what waits.
 *
 * A bar is a run, from the first step to the last; a run that goes on grows to now. On the lane
 * "waiting" a bar is a wait, from submission to start. What awaits a timer of the loop occupies nobody:
 * it stands on a lane of its own, "timers", and not on the loop's. A thin line behind a bar is a result
 * that waits for the loop. While a loop is blocked its lane
 * is solid, whatever is known of the work that blocks it. */
import { duration } from './format.js';
import { drawGrid, fillHatched } from './surface.js';
import { hasWaited } from './work.js';

const ORDER = { loop: 0, timers: 1, waiting: 2, pool: 3, worker: 4, child: 5 };
const PAD = 2;
const TEXT_ROOM = 7.5; /* em */
const ROWS_MAX = 8;
const LANE_MAX = 30; /* px */
const LONGEST_MS = 180000; /* nothing that was submitted longer before the view is looked for */

export class Gantt {
  constructor(surface) {
    this.surface = surface;
  }

  draw(view, store, theme, gap) {
    const { surface } = this;
    const lanes = layOut(store, visibleRecords(view, store), surface.height);
    this.#fit(lanes);
    const context = surface.begin();
    drawGrid(context, view, surface, theme.colours, gap);
    for (const lane of lanes.values()) this.#drawLane(context, lane, theme);
    for (const lane of lanes.values()) this.#drawBars(context, view, lane, theme);
    this.#drawBlocked(context, view, store, lanes, theme);
    surface.end();
  }

  /* More lanes than fit make the picture taller, never the lanes unreadable. */
  #fit(lanes) {
    const needed = `${Math.ceil((lanes.size + 0.6) * this.surface.em * 1.2)}px`;
    if (this.surface.plot.style.minHeight !== needed) this.surface.plot.style.minHeight = needed;
  }

  #drawLane(context, lane, theme) {
    const { surface } = this;
    context.fillStyle = theme.colours.grid;
    context.fillRect(0, Math.round(lane.y + lane.height) - 1, surface.width, 1);
    surface.label(lane.key, lane.label, -8, lane.y + lane.height / 2, 'right', 'name');
    if (lane.waiting > 0) {
      surface.label(`${lane.key} n`, `${lane.waiting} waiting`, surface.width - 4, lane.y + lane.height / 2,
                    'right', 'badge');
    }
  }

  #drawBars(context, view, lane, theme) {
    const rows = Math.min(ROWS_MAX, lane.rows);
    const height = (lane.height - 2 * PAD) / rows;
    const drawn = new Array(rows).fill(-1); /* the last column of pixels that is taken, by row */
    for (const bar of lane.bars) {
      if (bar.row >= rows) continue;
      const left = Math.max(-2, view.x(bar.from, this.surface.width));
      const right = Math.min(view.x(Math.min(bar.to ?? view.end, view.end), this.surface.width), this.surface.width);
      const width = Math.max(1, right - left);
      if (right < drawn[bar.row] + 0.5 && width <= 1) continue;
      drawn[bar.row] = right;
      const gap = width > 4 && bar.to !== null ? 1 : 0; /* so that the next bar is another one */
      this.#drawBar(context, theme, bar, left, lane.y + PAD + bar.row * height, width - gap,
                    Math.max(1.5, height - (rows > 1 ? 1 : 0)));
    }
  }

  #drawBar(context, theme, { record, waits, returns, to, from }, x, y, width, height) {
    const colour = record.kind === 'source' ? 'slow' : 'heavy';
    if (returns) {
      context.fillStyle = theme.colours[colour];
      context.fillRect(x, y + height / 2 - 1, width, 2);
      return;
    }
    if (waits) {
      fillHatched(context, x, y, width, height, null, theme.hatch.queue);
      outline(context, theme.colours.queue, x, y, width, height);
    } else if (width < 4) {
      context.fillStyle = theme.colours[colour];
      context.fillRect(x, y, width, height);
    } else {
      fillHatched(context, x, y, width, height, theme.colours[colour], theme.hatch[colour]);
    }
    if (record.outcome && record.outcome !== 'succeeded') {
      context.fillStyle = theme.colours.text;
      context.fillRect(x + width - 2, y, 2, height);
    }
    if (width > TEXT_ROOM * this.surface.em && height > this.surface.em * 0.8) this.#name(record, waits, colour, x, y + height / 2, to, from);
  }

  #name(record, waits, colour, x, y, to, from) {
    const what = `${record.kernel ?? record.work}${to === null ? '' : ` ${duration(to - from)}`}`;
    const ending = record.outcome && record.outcome !== 'succeeded' ? `, ${record.outcome}` : '';
    this.surface.label(`${record.key}${waits ? ' w' : ''}`, what + ending, Math.max(0, x) + 5, y, 'left',
                       waits ? 'in-bar queue' : `in-bar ${colour}`);
  }

  #drawBlocked(context, view, store, lanes, theme) {
    for (const stall of view.live ? store.latest?.blocked ?? [] : []) {
      const lane = lanes.get(`${stall.member} loop`);
      if (!lane) continue;
      const x = Math.max(0, view.x(stall.since, this.surface.width));
      const width = view.x(view.now, this.surface.width) - x;
      fillHatched(context, x, lane.y + PAD, width, lane.height - 2 * PAD, theme.colours.heavy, theme.hatch.heavy);
      outline(context, theme.colours.text, x, lane.y + PAD, width, lane.height - 2 * PAD);
    }
  }

  describe(store, view) {
    const records = visibleRecords(view, store);
    const running = records.filter((r) => r.started !== null && r.finished === null);
    const waiting = records.filter((r) => r.started === null && r.delivered === null);
    this.surface.describe(`${records.length} jobs and queries in ${Math.round(view.windowMs / 1000)} seconds; ` +
      `${running.length} run${running.length ? ` on ${running.slice(0, 6).map((r) => r.lane).join(', ')}` : ''}, ` +
      `${waiting.length} wait.`);
  }
}

/** Jobs and queries that were somewhere between submission and delivery within the view. */
export function visibleRecords(view, store) {
  const visible = [];
  const { records } = store.work;
  for (let i = records.length - 1; i >= 0; i--) {
    const record = records.at(i);
    if (record.submitted < view.from - LONGEST_MS) break;
    const end = record.delivered ?? Infinity;
    if (record.submitted <= view.to && end >= view.from) visible.push(record);
  }
  return visible.reverse();
}

/* The lanes in their order, each with its bars and its place. */
function layOut(store, records, height) {
  const lanes = new Map();
  const many = store.members.length > 1;
  const add = (member, name, kind, number = 0) => {
    const key = `${member} ${name}`;
    const label = many ? `${member} · ${name}` : name;
    if (!lanes.has(key)) lanes.set(key, { key, member, kind, number, label, bars: [], rows: 1, waiting: 0 });
    return lanes.get(key);
  };
  for (const { member } of store.members) {
    add(member, 'loop', 'loop');
    add(member, 'waiting', 'waiting');
  }
  for (const { member, name, kind, number } of store.lanes.values()) add(member, name, kind, number);
  for (const record of records) addBars(record, add);
  const sorted = [...lanes.values()].sort(
    (a, b) => a.member - b.member || (ORDER[a.kind] ?? 9) - (ORDER[b.kind] ?? 9) || a.number - b.number);
  const shares = sorted.reduce((sum, lane) => sum + share(lane), 0);
  const unit = Math.min(LANE_MAX, height / shares);
  let y = 0;
  for (const lane of sorted) {
    lane.y = y;
    lane.height = unit * share(lane);
    y += lane.height;
  }
  return new Map(sorted.map((lane) => [lane.key, lane]));
}

const share = (lane) => (lane.kind === 'waiting' ? 1.6 : 1);

function addBars(record, add) {
  const { member, submitted, started, finished, delivered, lane: name } = record;
  const waited = started ?? delivered;
  if (hasWaited(record)) {
    const lane = add(member, 'waiting', 'waiting');
    lane.bars.push({ record, waits: true, from: submitted, to: waited, row: record.waitRow });
    lane.rows = Math.max(lane.rows, record.waitRow + 1);
    if (waited === null) lane.waiting++;
  }
  if (started === null || !name) return;
  const awaits = record.kind === 'source' && name === 'loop';
  const [kind, number] = name.split(' ');
  const lane = awaits ? add(member, 'timers', 'timers') : add(member, name, kind, Number(number ?? 0));
  if (finished !== null && (delivered === null || delivered - finished > 0.5)) {
    lane.bars.push({ record, returns: true, from: finished, to: delivered, row: record.runRow });
  }
  lane.bars.push({ record, waits: false, from: started, to: finished, row: record.runRow });
  lane.rows = Math.max(lane.rows, record.runRow + 1);
}

function outline(context, colour, x, y, width, height) {
  if (width < 3) {
    context.fillStyle = colour;
    context.fillRect(x, y, width, height);
    return;
  }
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, y + 0.5, width - 1, Math.max(1, height - 1));
}
