/* store.js – what the page remembers of the last five minutes.
 *
 * One sample per batch (the numbers), the strip's cells per member, the stalls, and the work (work.js).
 * The pictures only read from here; nothing here knows of canvas or DOM. Scrubbing back is reading an
 * older sample: the live view is no special case. */
import { Cells, Ring } from './ring.js';
import { Work } from './work.js';

export const HISTORY_MS = 300000;
const BATCH_MS = 100;

/** Upper bounds of the histogram's bars: 1-2-5 steps from 0.1 ms; the last bar takes the rest. */
export const WAIT_BOUNDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, Infinity];

export class Store {
  work = new Work();
  samples = new Ring(HISTORY_MS / BATCH_MS);
  stalls = new Ring(2000);
  cells = new Map(); /* member → Cells */
  lanes = new Map(); /* "member name" → {member, name, kind, number, key} */
  kinds = new Map(); /* work → "strategy" | "source" */
  members = [];
  cellMs = 50;
  missed = 0;
  era; /* of the server whose batches these are */

  clear() {
    for (const part of [this.work, this.samples, this.stalls, this.cells, this.lanes]) part.clear();
    this.missed = 0;
  }

  get latest() {
    return this.samples.at(-1);
  }

  /** Takes a batch. Returns false if the recording has begun anew: the old history was dropped. */
  apply(batch) {
    const continued = !this.latest || (batch.era === this.era && batch.t >= this.latest.t - 1000);
    if (!continued) this.clear();
    this.era = batch.era;
    if (this.latest && batch.t <= this.latest.t) return continued; /* replayed twice */
    this.missed += batch.missed ?? 0;
    this.members = batch.members ?? [];
    for (const member of this.members) this.#applyMember(member);
    for (const stall of batch.stalls ?? []) this.stalls.push(stall);
    this.work.apply(batch, this.kinds);
    this.samples.push(summarize(batch));
    return continued;
  }

  #applyMember({ member, loop, lanes = [], works = [] }) {
    if (!this.cells.has(member)) this.cells.set(member, new Cells(HISTORY_MS / this.cellMs + 100));
    for (const [index, share] of loop.cells ?? []) this.cells.get(member).set(index, share);
    for (const work of works) this.kinds.set(work.name, work.kind);
    for (const { name, kind, number } of lanes) {
      const key = `${member} ${name}`;
      if (!this.lanes.has(key)) this.lanes.set(key, { key, member, name, kind, number });
    }
  }

  /** The sample that was the newest one at `t`. */
  sampleAt(t) {
    const after = this.samples.lowerBound(t + 0.001, (sample) => sample.t);
    return this.samples.at(Math.max(0, after - 1));
  }

  /** Stalls between two times, the ones still going on included (ended: null). */
  *stallsBetween(from, to) {
    for (const stall of this.stalls) {
      if (stall.ended >= from && stall.began <= to) yield stall;
    }
    for (const stall of this.sampleAt(to)?.blocked ?? []) {
      const ended = this.stalls.length > 0 && this.#hasEnded(stall);
      if (!ended) yield { ...stall, began: stall.since, ended: null };
    }
  }

  #hasEnded({ member, since }) {
    for (const stall of this.stalls.backwards()) {
      if (stall.member === member && stall.ended > since + 1) return true;
      if (stall.ended < since - 60000) return false;
    }
    return false;
  }
}

/** The numbers of a batch, all members taken together. */
function summarize({ t, members = [], verdict }) {
  const sum = (pick) => members.reduce((total, member) => total + (pick(member) ?? 0), 0);
  const most = (pick) => members.reduce((max, member) => Math.max(max, pick(member) ?? 0), 0);
  const waiting = (kind) =>
    sum((m) => (m.works ?? []).reduce((n, w) => n + (w.kind === kind ? w.waiting : 0), 0));
  return {
    t,
    verdict,
    lag: most((m) => m.loop.lag_ms),
    lagMax: most((m) => m.loop.lag?.max),
    utilization: most((m) => m.loop.utilization),
    inFlight: sum((m) => m.requests?.in_flight),
    perSecond: sum((m) => m.requests?.per_second),
    total: sum((m) => m.requests?.total),
    connections: sum((m) => m.requests?.connections),
    threads: sum((m) => m.process?.threads),
    rss: sum((m) => m.process?.rss_bytes),
    running: sum((m) => (m.works ?? []).reduce((n, w) => n + w.running, 0)),
    waitingHeavy: waiting('strategy'),
    waitingSlow: waiting('source'),
    waitsHeavy: histogram(members, 'strategy'),
    waitsSlow: histogram(members, 'source'),
    blocked: members.filter((m) => m.loop.blocked).map((m) => ({ member: m.member, ...m.loop.blocked })),
  };
}

function histogram(members, kind) {
  const bars = new Uint32Array(WAIT_BOUNDS.length);
  for (const { works = [] } of members) {
    for (const work of works) {
      if (work.kind !== kind) continue;
      for (const [bound, count] of work.wait_histogram ?? []) {
        bars[WAIT_BOUNDS.findIndex((upper) => bound <= upper * 1.001)] += count;
      }
    }
  }
  return bars;
}
