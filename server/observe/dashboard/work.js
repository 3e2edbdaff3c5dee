/* work.js – every job and query that the page knows of, from its submission to its delivery.
 *
 * What happened to one of them arrives in pieces: `submitted` says that it was sent out, a lane's
 * `trip` says that it runs, `trips` says how it ended. The pieces meet in one record, which the
 * pictures draw:
 *
 *     submitted ──wait──▶ started ──run──▶ finished ──return──▶ delivered      (ms; null: not yet)
 *
 * Records overlap (a queue of ten is ten waits at once), so each gets a row at the moment when it
 * begins to wait, and another when it begins to run. It keeps them: nothing jumps while it is drawn. */
import { Ring } from './ring.js';

const KEPT = 20000;
const OPEN_KEPT = 5000;
const ORPHAN_MS = 1000;
const SHORT_MS = 0.5;

/** Has it waited long enough to be seen, or does it wait still? */
export function hasWaited({ submitted, started, delivered }) {
  const ended = started ?? delivered;
  return ended === null || ended - submitted > SHORT_MS;
}

export class Work {
  records = new Ring(KEPT);
  #fresh = []; /* came with the batch that is being read */
  #open = new Map(); /* by member and id: not delivered yet */
  #rows = new Map(); /* by lane: the latest record of each row; of a lane without rows, its latest */

  clear() {
    this.records.clear();
    this.#open.clear();
    this.#rows.clear();
  }

  /** Takes the batch's submissions, trips and lanes, in this order. kinds: work → strategy | source */
  apply(batch, kinds) {
    for (const job of batch.submitted ?? []) this.#onSubmitted(job, kinds);
    for (const trip of batch.trips ?? []) this.#onTrip(trip, kinds);
    for (const member of batch.members ?? []) {
      for (const lane of member.lanes ?? []) this.#onLane(member, lane);
    }
    this.#placeWaits();
    this.#forgetOrphans(batch);
  }

  /* Only when the whole batch is read is it known who found a free lane at once. */
  #placeWaits() {
    for (const record of this.#fresh) {
      if (!hasWaited(record)) continue;
      record.waitRow = this.#row(
        `${record.member} waiting`,
        record,
        (r) => r.started ?? r.delivered ?? Infinity,
      );
    }
    this.#fresh.length = 0;
  }

  #add(key, fields, kinds) {
    const record = {
      key,
      member: 0,
      work: '',
      kernel: null,
      size: null,
      lane: null,
      outcome: null,
      submitted: null,
      started: null,
      finished: null,
      delivered: null,
      waitRow: 0,
      runRow: 0,
      ...fields,
    };
    record.kind = kinds.get(record.work) ?? (record.kernel ? 'strategy' : 'source');
    this.#fresh.push(record);
    this.records.push(record);
    if (record.delivered === null) this.#open.set(key, record);
    if (this.#open.size > OPEN_KEPT) this.#open.delete(this.#open.keys().next().value);
    return record;
  }

  #onSubmitted({ id, member, work, kernel, size, at }, kinds) {
    const key = `${member} ${id}`;
    if (!this.#open.has(key)) this.#add(key, { id, member, work, kernel, size, submitted: at }, kinds);
  }

  #onLane({ member }, { name, trip, since }) {
    if (trip === null || trip === undefined) return;
    const record = this.#open.get(`${member} ${trip}`);
    if (record && record.started === null) this.#start(record, name, since);
  }

  #onTrip(trip, kinds) {
    const key = `${trip.member} ${trip.id}`;
    const known = this.#open.get(key);
    const { lane, started, ...rest } = trip;
    this.#open.delete(key);
    const record = known ?? this.#add(key, rest, kinds);
    Object.assign(record, rest);
    if (record.started === null && started !== null) this.#start(record, lane, started);
    Object.assign(record, { lane, started });
  }

  /* The loop may have several jobs in hand (slices, timers), a thread or a child has one. If the next
   * one has begun there, the one before has ended, although the loop may be too busy to tell. */
  #start(record, lane, since) {
    record.lane = lane;
    record.started = since;
    const key = `${record.member} ${lane}${lane === 'loop' ? ` ${record.kind}` : ''}`;
    if (lane === 'loop') {
      record.runRow = this.#row(key, record, (r) => r.finished ?? Infinity, since);
      return;
    }
    const before = this.#rows.get(key);
    if (before && before.finished === null) before.finished = since;
    this.#rows.set(key, record);
  }

  /** The first row of a lane that is free when the record begins. */
  #row(lane, record, endOf, begin = record.submitted) {
    const rows = this.#rows.get(lane) ?? [];
    this.#rows.set(lane, rows);
    let row = rows.findIndex((last) => endOf(last) <= begin + 0.001);
    if (row < 0) row = rows.length;
    rows[row] = record;
    return row;
  }

  /* If trace records were lost, the end of a job may never be told. The counters know better: if
   * nothing of its kind waits or runs, it is gone. */
  #forgetOrphans(batch) {
    const out = new Map();
    for (const { member, works = [] } of batch.members ?? []) {
      for (const work of works)
        out.set(`${member} ${work.name}`, work.waiting + work.running + work.returning);
    }
    for (const [key, record] of this.#open) {
      if (batch.t - record.submitted < ORPHAN_MS) break;
      if (out.get(`${record.member} ${record.work}`) !== 0) continue;
      record.outcome = 'unknown';
      record.delivered = record.finished = batch.t;
      this.#open.delete(key);
    }
  }
}
