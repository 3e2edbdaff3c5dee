/* gantt.js – who does what: a lane per thread or process that computes, and one for what waits.
 *
 * A bar is a run, from the first step to the last; a run that goes on grows to now. On the lane
 * "waiting" a bar is a wait, from submission to start. A thin line behind a bar is a result that waits
 * for the loop. While a loop is blocked its lane is solid, whatever is known of the work that blocks it.
 * Which bar stands where is decided in lanes.js; here it is drawn. */
import { duration, plural } from './format.js';
import { layOut, visibleRecords } from './lanes.js';
import { drawGrid, fillHatched } from './surface.js';

const PAD = 2;
const TEXT_ROOM = 7.5; /* em */
const ROWS_MAX = 8;
const EMPTY = 'Nothing yet: choose a lesson, or press h.';

export class Gantt {
  constructor(surface) {
    this.surface = surface;
  }

  draw(view, store, theme, gap) {
    const { surface } = this;
    const lanes = layOut(store, visibleRecords(view, store), surface.height);
    this.#fit(lanes);
    const context = surface.begin(view);
    drawGrid(context, view, surface, theme.colours, gap);
    for (const lane of lanes.values()) this.#drawLane(context, lane, theme);
    for (const lane of lanes.values()) this.#drawBars(context, view, lane, theme);
    if (view.live) this.#drawBlocked(context, view, store, lanes, theme);
    if (store.work.records.length === 0) surface.label('empty', EMPTY, ...surface.middle, 'centre', 'name');
    surface.end();
  }

  /* More lanes than fit make the picture taller, never the lanes unreadable. */
  #fit(lanes) {
    const needed = `${Math.ceil((lanes.size + 0.6) * this.surface.em * 1.2)}px`;
    if (this.surface.plot.style.minHeight !== needed) this.surface.plot.style.minHeight = needed;
  }

  #drawLane(context, lane, theme) {
    const { surface } = this;
    const middle = lane.y + lane.height / 2;
    context.fillStyle = theme.colours.grid;
    context.fillRect(0, Math.round(lane.y + lane.height) - 1, surface.width, 1);
    surface.label(lane.key, lane.label, -8, middle, 'right', 'name');
    if (lane.waiting > 0)
      surface.label(`${lane.key} n`, `${lane.waiting} waiting`, surface.width - 4, middle, 'right', 'badge');
  }

  #drawBars(context, view, lane, theme) {
    const rows = Math.min(ROWS_MAX, lane.rows);
    const height = (lane.height - 2 * PAD) / rows;
    const taken = new Array(rows).fill(-1); /* the last column of pixels that is drawn, by row */
    for (const bar of lane.bars) {
      if (bar.row >= rows) continue;
      const box = this.#box(view, bar, lane.y + PAD + bar.row * height, height - (rows > 1 ? 1 : 0));
      const right = box.x + box.width;
      if (box.width <= 1 && right < taken[bar.row] + 0.5) continue;
      taken[bar.row] = right;
      DRAW[bar.leg](context, theme, bar.record, box);
      if (bar.leg !== 'return') this.#write(bar, box);
    }
  }

  #box(view, bar, y, height) {
    const { width } = this.surface;
    const x = Math.max(-2, view.x(bar.from, width));
    const right = Math.min(width, view.x(Math.min(bar.to ?? view.end, view.end), width));
    const gap = right - x > 4 && bar.to !== null ? 1 : 0; /* the next bar is another one */
    return { x, y, width: Math.max(1, right - x - gap), height: Math.max(1.5, height) };
  }

  #write({ record, leg, from, to }, box) {
    const { em } = this.surface;
    if (box.width < TEXT_ROOM * em || box.height < 0.8 * em) return;
    const length = to === null ? '' : ` ${duration(to - from)}`;
    const ending = leg === 'run' && hasFailed(record) ? `, ${record.outcome}` : '';
    const text = `${record.kernel ?? record.work}${length}${ending}`;
    const kind = leg === 'wait' ? 'queue' : colourOf(record);
    this.surface.drifting(
      `${record.key} ${leg}`,
      text,
      Math.max(0, box.x) + 5,
      box.y + box.height / 2,
      'left',
      `in-bar ${kind}`,
    );
  }

  #drawBlocked(context, view, store, lanes, theme) {
    const { width } = this.surface;
    for (const stall of store.latest?.blocked ?? []) {
      const lane = lanes.get(`${stall.member} loop`);
      if (!lane) continue;
      const x = Math.max(0, view.x(stall.since, width));
      const box = { x, y: lane.y + PAD, width: view.x(view.now, width) - x, height: lane.height - 2 * PAD };
      fillHatched(context, box, theme.colours.heavy, theme.hatch.heavy);
      outline(context, theme.colours.text, box);
    }
  }

  describe(store, view) {
    const records = visibleRecords(view, store);
    const running = records.filter((r) => r.started !== null && r.finished === null);
    const waiting = records.filter((r) => r.started === null && r.delivered === null);
    const where = running.slice(0, 6).map((r) => r.lane);
    this.surface.describe(
      `${plural(records.length, 'job or query', 'jobs and queries')} in ${Math.round(view.windowMs / 1000)} seconds; ` +
        `running: ${running.length}${where.length > 0 ? ` on ${where.join(', ')}` : ''}, waiting: ${waiting.length}.`,
    );
  }
}

const colourOf = (record) => (record.kind === 'source' ? 'slow' : 'heavy');
const hasFailed = ({ outcome }) => outcome !== null && outcome !== 'succeeded';

const DRAW = {
  wait(context, theme, record, box) {
    fillHatched(context, box, null, theme.hatch.queue);
    outline(context, theme.colours.queue, box);
  },
  run(context, theme, record, box) {
    const colour = colourOf(record);
    fillHatched(context, box, theme.colours[colour], box.width < 4 ? null : theme.hatch[colour]);
    if (!hasFailed(record)) return;
    context.fillStyle = theme.colours.text;
    context.fillRect(box.x + box.width - 2, box.y, 2, box.height);
  },
  return(context, theme, record, box) {
    context.fillStyle = theme.colours[colourOf(record)];
    context.fillRect(box.x, box.y + box.height / 2 - 1, box.width, 2);
  },
};

function outline(context, colour, { x, y, width, height }) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1;
  if (width < 3) context.fillRect(x, y, width, height);
  else context.strokeRect(x + 0.5, y + 0.5, width - 1, Math.max(1, height - 1));
}
