/* performance.js – what the dashboard costs while the patient answers 10,000 requests a second: frames per second, and the
 * memory of the page. Bars, not tests: they hang on the machine. Exit status 1 if one is missed.
 *
 *     performance.js        RATE=10000 SECONDS=20 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { closeBrowser, openPage, processes, version } from './support/browser.js';
import { live } from './support/dashboard.js';
import { BUILD, startServer } from './support/server.js';
import { witness } from './support/witness.js';

const RATE = Number(process.env.RATE ?? 10000);
const SECONDS = Number(process.env.SECONDS ?? 20);
const FRAMES_MIN = 30; /* per second */
const MEMORY_MAX = 150; /* MB */

/** An open loop of RATE requests a second for SECONDS; resolves with what the probe says. */
async function load(patient) {
  const probe = spawn(`${BUILD}/offloop-probe`, [`--rate=${RATE}`, `--duration=${SECONDS}`, '--connections=20', `${patient}/fast`]);
  let report = '';
  for (const stream of [probe.stdout, probe.stderr]) stream.on('data', (piece) => (report += piece));
  const [code] = await once(probe, 'exit');
  if (code !== 0) throw new Error(`the probe ended with ${code}: ${report}`);
  return report.trim();
}

/** In the page: counts frames, the longest gap between two, and how many showed something new. */
const countFrames = (page) =>
  page.evaluate(() => {
    const count = (window.count = { frames: 0, longest: 0, began: performance.now(), last: performance.now(), stop: false });
    const step = (stamp) => {
      count.frames++;
      count.longest = Math.max(count.longest, stamp - count.last);
      count.last = stamp;
      if (!count.stop) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });

const framesCounted = (page) =>
  page.evaluate(() => {
    const { frames, longest, began, last } = window.count;
    window.count.stop = true;
    return { perSecond: (1000 * frames) / (last - began), longest };
  });

/** MB: the page's JavaScript heap after a collection, and its process, its share of what is shared included (Linux). */
async function memory(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize').value / 1e6;
  const renderers = (await processes()).filter(({ type }) => type === 'renderer');
  return { heap, process: Math.max(...renderers.map(({ id }) => shareOf(id))) };
}

function shareOf(pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1000;
  } catch {
    return NaN; /* not on this system */
  }
}

const server = await startServer();
const events = await witness(server.observer);
const { page, complaints } = await openPage(server.observer);
await live(page);
const before = await memory(page);
await countFrames(page);
const report = await load(server.patient);
const { perSecond, longest } = await framesCounted(page);
const after = await memory(page);
const rates = events.batches.map(({ members }) => members[0].requests.per_second).sort((a, b) => a - b);
const missed = events.batches.reduce((sum, batch) => sum + batch.missed, 0);
const browser = await version();
events.close();
await closeBrowser();
await server.stop();

console.log(report);
console.log(`Chromium ${browser}, ${RATE} requests/s for ${SECONDS} s (the observer saw up to ${Math.round(rates.at(-1))}/s)`);
console.log(`frames per second   ${perSecond.toFixed(1)}   (bar: at least ${FRAMES_MIN}; the longest took ${longest.toFixed(0)} ms)`);
const heap = `${after.heap.toFixed(1)} MB (${before.heap.toFixed(1)} before)`;
console.log(`JavaScript heap     ${heap}`);
console.log(`page's process      ${after.process.toFixed(1)} MB (bar: at most ${MEMORY_MAX}; ${before.process.toFixed(1)} before)`);
console.log(`records missed      ${missed}`);
for (const complaint of complaints) console.log(complaint);
process.exitCode = perSecond >= FRAMES_MIN && !(Math.max(after.heap, after.process || 0) > MEMORY_MAX) && complaints.length === 0 ? 0 : 1;
