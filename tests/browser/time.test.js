/* time.test.js – pause, scrub, window: the page remembers five minutes and can be stopped. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { blocked, quiet } from './support/dashboard.js';
import { scene } from './support/scene.js';

/** Keeps what the pictures show now. */
const keepPictures = (page) =>
  page.evaluate(() => (window.kept = ['strip', 'gantt', 'dots', 'depth'].map((id) => window.pixels(id))));

/** How many pixels look different from what was kept. Differences that nobody sees do not count: a better guess of the
 * observer's clock moves a dot by a hundredth of a pixel. An answer that was under way at the pause may still move its dot. */
const pixelsMoved = (page) =>
  page.evaluate(() => {
    const apart = (a, b) => [0, 8, 16, 24].some((bits) => Math.abs(((a >>> bits) & 255) - ((b >>> bits) & 255)) > 48);
    return ['strip', 'gantt', 'dots', 'depth']
      .map((id, n) => window.pixels(id).reduce((moved, pixel, i) => moved + apart(pixel, window.kept[n][i]), 0))
      .reduce((sum, moved) => sum + moved);
  });

/** Resolves when `n` more batches have come. */
const batches = (events, n) => {
  const known = events.batches.length;
  return events.until(() => events.batches.length >= known + n);
};

test('pause stops the pictures, and they go on from now', async (t) => {
  const { events, page } = await scene(t);
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) > 0);
  await page.click('#pause');
  await page.waitForSelector('body[data-state="paused"]');
  await page.mouse.move(0, 0);
  await batches(events, 3); /* what was under way when it stopped is still filled in */
  await keepPictures(page);
  await batches(events, 5);
  const still = await pixelsMoved(page);
  await page.click('#pause');
  await page.waitForSelector('body[data-state="live"]');
  await batches(events, 2);
  const moved = await pixelsMoved(page);
  t.diagnostic(`${still} pixels changed while it was paused, ${moved} afterwards`);
  assert.ok(still < moved / 20, 'at most a late answer moved a dot');
  assert.ok(moved > 1000, `${moved} pixels changed when it went on`);
});

test('scrubbing back shows the freeze of a moment ago', async (t) => {
  const { server, events, page } = await scene(t);
  await quiet(page);
  await (await fetch(`${server.patient}/heavy?kernel=sleep&n=1000&offload=none`)).json();
  const stall = await events.until((batch) => batch.stalls.find(({ by }) => by.includes('/heavy')));
  await blocked(page, false);
  await page.waitForFunction(() => document.querySelector('#verdict').dataset.level !== 'none');

  const now = events.batches.at(-1).t;
  const ago = (stall.began + stall.ended) / 2 - now;
  await page.fill('#scrub', String(Math.round(ago / 100) / 10)); /* a slider refuses -1.0 for -1 */
  await page.waitForSelector('body[data-state="paused"][data-blocked="true"]');
  assert.match(await page.textContent('#verdict-title'), /blocked/i);
  assert.match(await page.getAttribute('#scrub', 'aria-valuetext'), /s ago/);
  await page.keyboard.press('End');
  await page.waitForSelector('body[data-state="live"][data-blocked="false"]');
});

test('the arrows move the view, plus and minus change its window', async (t) => {
  const { page } = await scene(t);
  await page.locator('body').press('ArrowLeft');
  await page.waitForSelector('body[data-state="paused"]');
  await page.locator('body').press('End');
  await page.waitForSelector('body[data-state="live"]');
  await page.locator('body').press('+');
  assert.equal(await page.inputValue('#window'), '5000');
  await page.locator('body').press('-');
  await page.locator('body').press('-');
  assert.equal(await page.inputValue('#window'), '30000');
});
