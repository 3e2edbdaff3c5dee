/* lanes.js – which bars stand on which lane of the Gantt, and how high the lanes are.
 *
 * A record of work makes up to three bars: its wait on the lane "waiting", its run on the lane that ran
 * it, and its way back to the loop. What awaits a timer of the loop occupies nobody: it stands on a
 * lane of its own, "timers", and not on the loop's. */
import { hasWaited } from './work.js';

const ORDER = { loop: 0, timers: 1, waiting: 2, pool: 3, worker: 4, child: 5 };
const LANE_MAX = 30; /* px */
const LONGEST_MS = 180000; /* nothing that was submitted longer before the view is looked for */
const SHORT_MS = 0.5;

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

/** The lanes in their order, by key: {key, label, kind, y, height, rows, waiting, bars}, and a bar is
 * {record, leg: 'wait' | 'run' | 'return', from, to (null: goes on), row}. */
export function layOut(store, records, height) {
  const lanes = new Map();
  const add = (member, name, kind, number = 0) => {
    const key = `${member} ${name}`;
    if (!lanes.has(key)) {
      const label = store.members.length > 1 ? `${member} · ${name}` : name;
      lanes.set(key, { key, member, kind, number, label, bars: [], rows: 1, waiting: 0, y: 0, height: 0 });
    }
    return lanes.get(key);
  };
  for (const { member } of store.members) {
    add(member, 'loop', 'loop');
    add(member, 'waiting', 'waiting');
  }
  for (const { member, name, kind, number } of store.lanes.values()) add(member, name, kind, number);
  for (const record of records) addBars(record, add);
  return place([...lanes.values()], height);
}

function addBars(record, add) {
  const { member, submitted, started, finished, delivered, lane: name } = record;
  if (hasWaited(record)) {
    const lane = add(member, 'waiting', 'waiting');
    put(lane, { record, leg: 'wait', from: submitted, to: started ?? delivered, row: record.waitRow });
    if (started === null && delivered === null) lane.waiting++;
  }
  if (started === null || !name) return;
  const awaits = record.kind === 'source' && name === 'loop';
  const [kind, number] = name.split(' ');
  const lane = awaits ? add(member, 'timers', 'timers') : add(member, name, kind, Number(number ?? 0));
  const row = record.runRow;
  if (finished !== null && (delivered === null || delivered - finished > SHORT_MS))
    put(lane, { record, leg: 'return', from: finished, to: delivered, row });
  put(lane, { record, leg: 'run', from: started, to: finished, row });
}

function put(lane, bar) {
  lane.bars.push(bar);
  lane.rows = Math.max(lane.rows, bar.row + 1);
}

function place(lanes, height) {
  lanes.sort(
    (a, b) => a.member - b.member || (ORDER[a.kind] ?? 9) - (ORDER[b.kind] ?? 9) || a.number - b.number,
  );
  const share = (lane) => (lane.kind === 'waiting' ? 1.6 : 1);
  const unit = Math.min(LANE_MAX, height / lanes.reduce((sum, lane) => sum + share(lane), 0));
  let y = 0;
  for (const lane of lanes) {
    lane.y = y;
    lane.height = unit * share(lane);
    y += lane.height;
  }
  return new Map(lanes.map((lane) => [lane.key, lane]));
}
