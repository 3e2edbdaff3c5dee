/* offload.test.js – off the loop: lanes fill, queues grow, and the loop stays free. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { ARTEFACTS } from './support/browser.js';
import { answered, milliseconds, openTable, quiet, rowsOf, showAll } from './support/dashboard.js';
import { scene } from './support/scene.js';

/* Columns of the tables. */
const [WORK, LANE, OUTCOME] = [1, 3, 6];

/** Fires `count` /heavy from the page. */
async function fireHeavy(page, strategy, count, ms) {
  await page.selectOption('#strategy', strategy);
  await page.selectOption('#kernel', 'sleep'); /* occupies a lane for just so long, and no processor */
  await page.fill('#size', String(ms));
  await page.fill('#count', String(count));
  await page.click('#fire-heavy');
}

const fire = (server, path, count) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const response = await fetch(server.patient + path);
      assert.equal(response.status, 200);
      return response.json();
    }),
  );

/** Resolves when the table of the lanes says that `lanes` compute. */
const untilBusy = (page, lanes) =>
  page.waitForFunction((lanes) => {
    const rows = [...document.querySelectorAll('#gantt tbody tr')].map((row) => [...row.cells].map((c) => c.textContent));
    return lanes.every((lane) => rows.some((cells) => cells[3] === lane && cells[6] === 'runs'));
  }, lanes);

/** For how long (ms) the loop was held since `from`. */
const stalled = (batches, from) =>
  batches
    .flatMap(({ stalls }) => stalls)
    .filter(({ began }) => began > from)
    .reduce((sum, { began, ended }) => sum + ended - began, 0);

test('six jobs fill the four threads of the pool, and two wait', async (t) => {
  const { server, events, page } = await scene(t);
  await quiet(page);
  await openTable(page, 'gantt');
  await openTable(page, 'depth');
  const began = events.batches.at(-1).t;
  const answers = fire(server, '/heavy?kernel=sleep&n=2500&offload=threadpool', 6);
  await untilBusy(page, ['pool 1', 'pool 2', 'pool 3', 'pool 4']);
  await page.waitForFunction(
    (expected) =>
      [...document.querySelectorAll('#depth tbody tr')].some(({ cells }) =>
        expected.every((text, i) => cells[i + 1].textContent === text),
      ),
    ['threadpool', '2', '4'], /* name, waiting, running */
  );

  const fast = await fetch(`${server.patient}/fast`);
  assert.equal(fast.status, 200);
  await page.screenshot({ path: join(ARTEFACTS, 'threadpool-light.png') });
  await page.keyboard.press('t');
  await page.screenshot({ path: join(ARTEFACTS, 'threadpool-dark.png') });
  assert.deepEqual(new Set((await answers).map(({ strategy }) => strategy)), new Set(['threadpool']));
  await showAll(page);
  await page.waitForFunction(
    () => [...document.querySelectorAll('#gantt tbody tr')].filter(({ cells }) => cells[6].textContent === 'succeeded').length === 6,
  );
  const share = stalled(events.batches, began) / (events.batches.at(-1).t - began);
  t.diagnostic(`the loop stood still ${(100 * share).toFixed(1)} % of the time`);
  assert.ok(share < 0.2, 'the loop was free, but for what a busy machine does to it');
});

test('the page itself sends at most four heavy requests at a time', async (t) => {
  const { page } = await scene(t);
  await showAll(page);
  await openTable(page, 'gantt');
  await fireHeavy(page, 'worker', 6, 600);
  await page.waitForFunction(() => /▲▲▲▲.*[2-9] requests wait/.test(document.querySelector('#slots').textContent));
  await untilBusy(page, ['worker 1']);
  await page.waitForFunction(
    () => [...document.querySelectorAll('#gantt tbody tr')].filter(({ cells }) => cells[6].textContent === 'succeeded').length === 6,
  );
  const lanes = (await rowsOf(page, 'gantt')).filter((cells) => cells[WORK] === 'worker').map((cells) => cells[LANE]);
  assert.ok(lanes.every((lane) => /^worker \d+$/.test(lane)), lanes.join());
  assert.equal((await rowsOf(page, 'gantt'))[0][OUTCOME], 'succeeded');
  await page.waitForFunction(() => /, 0 requests wait/.test(document.querySelector('#slots').textContent));
});

test('a slow query waits behind heavy jobs in the same pool', async (t) => {
  const { server, page } = await scene(t);
  await quiet(page);
  await openTable(page, 'gantt');
  await openTable(page, 'dots');
  const answers = fire(server, '/heavy?kernel=sleep&n=2500&offload=threadpool', 4);
  await untilBusy(page, ['pool 1', 'pool 2', 'pool 3', 'pool 4']);
  await page.selectOption('#via', 'sqlite');
  await page.click('#fire-slow');
  await page.waitForFunction(() => document.querySelector('#dots tbody')?.textContent.includes('outstanding'));
  await answers;
  await showAll(page);
  const slow = await answered(page, '/slow');
  t.diagnostic(`/slow?ms=100 took ${slow[2]} behind four jobs`);
  assert.ok(milliseconds(slow[2]) > 150, slow[2]);
});
