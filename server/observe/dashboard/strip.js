/* strip.js – the loop strip: one cell per 50 ms, shaded by the share of it that the loop was busy.
 *
 * A loop that waits in poll is pale, a busy one dark; where nothing is known, nothing is drawn. A stall
 * (the loop did not come back to poll for longer than it may) is marked below its cells, with its length.
 * The cells after the newest one known are extrapolated while a loop is blocked: it cannot have become
 * idle without telling. */
import { duration, plural } from './format.js';
import { drawGrid, fillHatched } from './surface.js';

const MARK = 5; /* height of a stall's mark, px */
const LABEL_ROOM = 4.5; /* em */
const GAP_FROM = 6; /* px: wider cells are drawn apart */
const ROW = 2.2; /* em, of one member among others */
const FAINTEST = 0.08; /* so that the least busy cell is darker than an idle one */

export class Strip {
  constructor(surface) {
    this.surface = surface;
  }

  draw(view, store, theme, gap) {
    const { surface } = this;
    const context = surface.begin(view);
    const members = [...store.cells.keys()];
    const needed = `${Math.max(2.9, members.length * ROW)}em`;
    if (surface.plot.style.height !== needed) surface.plot.style.height = needed;
    const height = (surface.height - 1) / Math.max(1, members.length);
    drawGrid(context, view, surface, theme.colours, gap);
    members.forEach((member, i) => {
      const y = i * height;
      this.#drawCells(context, view, store, theme, member, y, height - MARK - 3);
      surface.label(
        `member ${member}`,
        members.length > 1 ? `${member} · loop` : 'loop',
        -8,
        y + (height - MARK) / 2,
        'right',
        'name',
      );
    });
    this.#drawStalls(context, view, store, theme, members, height);
    surface.end();
  }

  #drawCells(context, view, store, theme, member, y, height) {
    const cells = store.cells.get(member);
    const { cellMs } = store;
    const first = Math.max(0, Math.floor(view.from / cellMs));
    const last = Math.min(Math.floor(view.end / cellMs), cells.newest);
    context.fillStyle = theme.colours.idle;
    this.#drawKnown(context, view, cells, cellMs, first, last, y, height);
    context.fillStyle = theme.colours.busy;
    this.#drawBusy(context, view, cells, cellMs, first, last, y, height);
    this.#drawNewest(context, view, store, member, (cells.newest + 1) * cellMs, y, height);
  }

  /* A pale ground, one rectangle for each row of cells in which none is missing. */
  #drawKnown(context, view, cells, cellMs, first, last, y, height) {
    const x = (index) => Math.round(view.x(index * cellMs, this.surface.width));
    let from = first;
    for (let index = first; index <= last + 1; index++) {
      if (index <= last && cells.get(index) >= 0) continue;
      if (index > from) context.fillRect(x(from), y, x(index) - x(from), height);
      from = index + 1;
    }
  }

  /* One rectangle per column of pixels at most: of the cells that share it, the busiest counts. */
  #drawBusy(context, view, cells, cellMs, first, last, y, height) {
    const { width } = this.surface;
    const step = Math.max(1, (cellMs / view.windowMs) * width);
    let column = -1;
    let most = 0;
    const flush = () => {
      if (most > 0) {
        context.globalAlpha = FAINTEST + (1 - FAINTEST) * most;
        const right = Math.round(column + step);
        const left = Math.round(column);
        context.fillRect(left, y, right - left - (step > GAP_FROM ? 1 : 0), height);
      }
      most = 0;
    };
    for (let index = first; index <= last; index++) {
      const x = view.x(index * cellMs, width);
      if (x - column >= 1) {
        flush();
        column = x;
      }
      const share = cells.get(index);
      if (share > most) most = share;
    }
    flush();
    context.globalAlpha = 1;
  }

  #drawNewest(context, view, store, member, since, y, height) {
    const blocked = view.live && store.latest?.blocked.find((stall) => stall.member === member);
    if (!blocked) return;
    const x = Math.round(view.x(Math.max(since, blocked.since), this.surface.width)); /* no gap before it */
    context.fillRect(x, y, view.x(view.now, this.surface.width) - x, height);
  }

  #drawStalls(context, view, store, theme, members, height) {
    const { surface } = this;
    for (const stall of store.stallsBetween(view.from, view.to)) {
      const row = Math.max(0, members.indexOf(stall.member));
      const x = Math.max(0, view.x(stall.began, surface.width));
      const end = Math.min(view.end, stall.ended ?? view.end);
      const width = Math.max(2, view.x(end, surface.width) - x);
      const y = (row + 1) * height - MARK - 1;
      fillHatched(context, { x, y, width, height: MARK }, theme.colours.stall, theme.hatch.heavy);
      if (width > LABEL_ROOM * surface.em) {
        surface.drifting(
          `stall ${stall.member} ${stall.began}`,
          duration(end - stall.began),
          x + width / 2,
          row * height + (height - MARK - 3) / 2,
          'centre',
          'on-busy',
        );
      }
    }
  }

  describe(store, view) {
    const stalls = [...store.stallsBetween(view.from, view.to)];
    const longest = Math.max(0, ...stalls.map((s) => (s.ended ?? view.end) - s.began));
    const sample = store.sampleAt(view.end);
    this.surface.describe(
      `The loop was busy ${Math.round(100 * (sample?.utilization ?? 0))} % of the last moments. ` +
        (stalls.length === 0
          ? 'No stall is in the picture.'
          : `In the picture: ${plural(stalls.length, 'stall')}, the longest ${duration(longest)}.`),
    );
  }
}
