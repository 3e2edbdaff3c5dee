/* time.test.js – pause, scrub, window: the page remembers five minutes and can be stopped. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { blocked, quiet } from './support/dashboard.js';
import { scene } from './support/scene.js';

const checksum = (page) =>
  page.evaluate(() => ['strip', 'gantt', 'dots', 'depth'].map((id) => window.pixels(id).reduce((sum, p) => (Math.imul(sum, 31) + p) | 0, 0)));

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
  const before = await checksum(page);
  await batches(events, 5);
  assert.deepEqual(await checksum(page), before);
  await page.click('#pause');
  await page.waitForSelector('body[data-state="live"]');
  await batches(events, 2);
  assert.notDeepEqual(await checksum(page), before);
});

test('scrubbing back shows the freeze of a moment ago', async (t) => {
  const { server, events, page } = await scene(t);
  await quiet(page);
  await (await fetch(`${server.patient}/heavy?ms=1500&offload=none`)).json();
  const stall = await events.until((batch) => batch.stalls.find(({ by }) => by.includes('/heavy')));
  await blocked(page, false);
  await page.waitForFunction(() => document.querySelector('#verdict').dataset.level !== 'none');

  const now = events.batches.at(-1).t;
  await page.fill('#scrub', (((stall.began + stall.ended) / 2 - now) / 1000).toFixed(1));
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
