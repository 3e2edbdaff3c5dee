/* experiment.js – a question, a prediction, some requests, an outcome.
 *
 * An experiment says what is fired, and about which requests it asks:
 *     {question, shots: [{kind, count, after}], strategy, kernel, ms, via, rate, pulse, asks: 'fast'}
 * Its choices are moments on a logarithmic scale (at once, one kernel, all the kernels); the outcome,
 * the slowest request of the kind that was asked about, is nearest to one of them. */
import { duration } from './format.js';

const AT_ONCE_MS = 8;
const SETTLE_MS = 600;
const SLOW_MS = 100;

/** The path of a request of an experiment. */
function pathOf(kind, { strategy, kernel, ms, via }) {
  if (kind === 'fast') return '/fast';
  if (kind === 'slow') return `/slow?ms=${SLOW_MS}&via=${encodeURIComponent(via ?? 'sqlite')}`;
  const size = kernel === 'crash' ? '' : `&ms=${ms}`;
  return `/heavy?offload=${encodeURIComponent(strategy)}&kernel=${encodeURIComponent(kernel)}${size}`;
}

/** "4 × /heavy?ms=500 in mode none and 10 × /fast" */
function describe({ shots, strategy, ms, kernel }) {
  const words = shots.map(({ kind, count }) => {
    const what =
      kind === 'heavy'
        ? `/heavy${kernel === 'crash' ? '' : `?ms=${ms}`} in mode ${strategy}`
        : kind === 'slow'
          ? `/slow?ms=${SLOW_MS}`
          : '/fast';
    return `${count} × ${what}`;
  });
  return words.join(' and ');
}

export function question(experiment) {
  if (experiment.question) return experiment.question;
  return `You fire ${describe(experiment)}. How long does the slowest ${routeOf(experiment)} wait?`;
}

export const routeOf = ({ asks }) => `/${asks}`;

/** The possible answers: [{text, ms}]. */
export function choices({ shots, ms, asks }) {
  const heavies = shots.reduce((n, shot) => n + (shot.kind === 'heavy' ? shot.count : 0), 0);
  const least = asks === 'slow' ? SLOW_MS : AT_ONCE_MS;
  const list = [{ text: asks === 'slow' ? `about ${duration(SLOW_MS)}, as always` : 'about 0', ms: least }];
  if (asks === 'heavy') list.length = 0;
  if (heavies > 0) list.push({ text: `about one kernel (${duration(ms)})`, ms: Math.max(ms, least * 2) });
  if (heavies > 1)
    list.push({
      text: `about ${heavies === 2 ? 'both' : `all ${heavies}`} kernels (${duration(ms * heavies)})`,
      ms: ms * heavies,
    });
  if (list.length < 2) list.push({ text: 'much longer', ms: least * 20 });
  return list;
}

/** The choice that an outcome of `ms` is nearest to, as a ratio. */
export function nearest(list, ms) {
  const distance = (choice) => Math.abs(Math.log(Math.max(ms, 0.1) / choice.ms));
  return list.reduce((best, choice) => (distance(choice) < distance(best) ? choice : best));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Fires an experiment. Resolves, when all is answered and the dust has settled, with the slowest request
 * of the kind asked about (null if there was none). */
export async function run(experiment, patient) {
  const began = performance.now();
  const answers = [];
  for (const shot of experiment.shots) {
    if (shot.after) await sleep(shot.after);
    for (let i = 0; i < shot.count; i++) {
      if (i > 0 && experiment.rate > 0) await sleep(1000 / experiment.rate);
      answers.push(patient.fire(shot.kind, pathOf(shot.kind, experiment)));
    }
  }
  const fired = await Promise.all(answers);
  await sleep(patient.pulsing ? SETTLE_MS : 0);
  return outcome(experiment, patient, fired, began);
}

function outcome({ asks }, patient, fired, began) {
  const asked = fired.filter(({ kind }) => kind === asks);
  for (const request of patient.requests.backwards()) {
    if (request.due < began - 100) break;
    if (request.pulse && asks === 'fast') asked.push(request);
  }
  const answered = asked.filter(({ latency }) => latency !== null);
  const slowest = answered.reduce((most, r) => (most === null || r.latency > most.latency ? r : most), null);
  const failed = fired.filter((request) => request.failed).length;
  return { slowest, asked: answered.length, failed, fired: fired.length };
}
