/* freeze.test.js – the lesson itself: the loop stands still, the picture does not. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { ARTEFACTS } from './support/browser.js';
import { answered, blocked, milliseconds, openTable, quiet, rowsOf, showAll, watchFrames } from './support/dashboard.js';
import { scene } from './support/scene.js';

const SEEN_WITHIN_MS = 200;
const UNMEASURED = process.env.SANITIZER ? 'a sanitizer slows the server down' : false;
const ATTEMPTS = 3; /* other programs run on this machine as well */
const FLOW_PER_SECOND = 15; /* who looks at pictures that change as often sees them move */
const LONG_MS = 5000; /* long enough to look at it from all sides */
const SCHEDULING_MS = 500; /* until a process that is told something has the CPU */
const ROUNDED = 0.01; /* what the tables leave out, at most */

/** Fires a /heavy that blocks the loop, by what it computes or by a sleep of just so long; resolves with its answer and
 * when it came (ms, as in Date). */
async function freeze(server, size) {
  const response = await fetch(`${server.patient}/heavy?${size}&offload=none`);
  assert.equal(response.status, 200);
  const answer = await response.json();
  assert.equal(answer.strategy, 'none');
  return { answer, at: Date.now() };
}

/** Makes the page note when it turned the alarm on: window.alarms, ms as in Date. */
const noteAlarms = (page) =>
  page.evaluate(() => {
    window.alarms = [];
    new MutationObserver(() => {
      if (document.body.dataset.blocked === 'true')
        window.alarms.push(performance.timeOrigin + performance.now());
    }).observe(document.body, { attributeFilter: ['data-blocked'] });
  });

test('the page knows of a freeze within 200 ms', { skip: UNMEASURED }, async (t) => {
  const { server, events, page } = await scene(t);
  await noteAlarms(page);
  const seen = [];
  for (let i = 0; i < ATTEMPTS && !(Math.min(...seen) <= SEEN_WITHIN_MS); i++) {
    const known = events.batches.length;
    await freeze(server, 'ms=1000');
    await page.waitForFunction((n) => window.alarms.length > n, i);
    const stall = await events.until(
      (batch) => events.batches.indexOf(batch) >= known && batch.stalls.find(({ by }) => by.includes('/heavy')),
    );
    const alarms = await page.evaluate(() => window.alarms);
    seen.push(alarms[i] - (events.config.epoch_unix_ms + stall.began));
    await blocked(page, false);
  }
  t.diagnostic(`seen ${seen.map((ms) => ms.toFixed(0)).join(', ')} ms after the beginning of the freeze`);
  assert.ok(seen.every((ms) => ms > 0), 'nothing is seen before it begins');
  assert.ok(Math.min(...seen) <= SEEN_WITHIN_MS);
});

test('the pictures move on during a freeze, and the verdict names it', async (t) => {
  const { server, page } = await scene(t);
  await quiet(page);
  let over = false;
  const end = freeze(server, `kernel=sleep&n=${LONG_MS}`).finally(() => (over = true));
  await blocked(page);

  const clicks = Date.now();
  await page.click('#fire-fast');
  const clicked = Date.now();
  await openTable(page, 'dots');
  await page.waitForFunction(() => document.querySelector('#dots tbody')?.textContent.includes('outstanding'));
  const outstanding = (await rowsOf(page, 'dots')).filter(([, request]) => request.startsWith('/fast'));
  assert.equal(outstanding[0][2], 'outstanding');

  const { changes, allBlocked, milliseconds: length } = await watchFrames(page, 30);
  t.diagnostic(`30 frames in ${length.toFixed(0)} ms, of which changed: ${JSON.stringify(changes)}`);
  assert.ok(allBlocked, 'it was frozen in all of these frames');
  for (const [picture, n] of Object.entries(changes))
    assert.ok((1000 * n) / length >= FLOW_PER_SECOND, `${picture} changed ${n} times in ${length} ms`);

  await page.waitForFunction(() => /\/heavy/.test(document.querySelector('#verdict-text').textContent));
  assert.equal(await page.getAttribute('#verdict', 'data-level'), 'bad');
  assert.match(await page.textContent('#verdict-title'), /blocked/i);
  assert.match(await page.textContent('#verdict-text'), /\bnone\b/);
  assert.match(await page.textContent('#verdict-advice'), /threadpool|worker/);
  await page.screenshot({ path: join(ARTEFACTS, 'freeze-light.png') });
  await page.keyboard.press('t');
  await page.screenshot({ path: join(ARTEFACTS, 'freeze-dark.png') });
  assert.equal(over, false, 'all this was seen before the end of the freeze');

  const { answer, at } = await end;
  await blocked(page, false);
  await showAll(page);
  const fast = await answered(page, '/fast');
  const latency = milliseconds(fast[2]);
  const remaining = [at - clicked, at - clicks]; /* of the freeze, when it was sent: at least and at most */
  t.diagnostic(`/fast sent meanwhile took ${fast[2]}; ${remaining.join(' to ')} ms were left of the freeze`);
  assert.ok(latency > remaining[0] - SCHEDULING_MS, `${latency} ms, not ${remaining} ms`);
  assert.ok(latency < remaining[1] + SCHEDULING_MS, `${latency} ms, not ${remaining} ms`);
  assert.equal(fast[5], '200');

  await openTable(page, 'strip');
  await page.waitForFunction(() => document.querySelector('#strip tbody')?.textContent.includes('/heavy'));
  const [stall] = (await rowsOf(page, 'strip')).filter(([, , by]) => by.includes('/heavy'));
  assert.ok(milliseconds(stall[1]) > (1 - ROUNDED) * answer.run_ms, `a stall of ${stall[1]}`);
  assert.equal(stall[3], 'none');
  assert.equal(stall[4], '1');
});
