/* steady.test.js – what must not move stands still, and what was taken in hand is given back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { blocked, quiet } from './support/dashboard.js';
import { scene } from './support/scene.js';

/** Where the pictures begin. */
const topOf = (page) => page.evaluate(() => document.querySelector('#pictures').getBoundingClientRect().top);

for (const [width, height] of [
  [1280, 900],
  [1024, 768],
]) {
  test(`nothing moves when the verdict changes, ${width} pixels wide`, async (t) => {
    const { server, page } = await scene(t, [], { viewport: { width, height } });
    const before = await topOf(page);
    const answer = fetch(`${server.patient}/heavy?kernel=sleep&n=1000&offload=none`);
    await blocked(page);
    await page.waitForFunction(() => /\/heavy/.test(document.querySelector('#verdict-text').textContent));
    assert.equal(await topOf(page), before);
    await (await answer).json();
    await blocked(page, false);
    assert.equal(await topOf(page), before);
  });
}

test('the slider follows again after a click that did not move it', async (t) => {
  const { page } = await scene(t);
  const { x, y, width, height } = await page.locator('#scrub').boundingBox();
  await page.mouse.move(x + width - height / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.up();
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('End');
  await page.waitForSelector('body[data-state="live"]');
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowLeft');
  await page.waitForSelector('body[data-state="paused"]');
  await page.waitForFunction(() => Number(document.querySelector('#scrub').value) < 0);
});

test('Escape closes the menu and leaves the focus on its button', async (t) => {
  const { page } = await scene(t);
  const focused = () => page.evaluate(() => document.activeElement.matches('#export summary'));
  await page.focus('#export summary');
  await page.keyboard.press('Enter');
  await page.focus('#export-png');
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#export-png'));
  assert.ok(await focused());
  await page.click('#export summary');
  await page.click('#verdict');
  assert.ok(await page.isHidden('#export-png'));
});

test('the focus goes back to the lesson that was cancelled', async (t) => {
  const { page } = await scene(t);
  const lesson = page.locator('#lessons button', { hasText: 'Slice it' });
  await lesson.focus();
  await page.keyboard.press('Enter');
  await page.locator('#prediction-form button', { hasText: 'Cancel' }).focus();
  await page.keyboard.press('Enter');
  assert.ok(await lesson.evaluate((button) => button === document.activeElement));
});

test('the strip tells an idle loop from one of which nothing is known', async (t) => {
  const { page } = await scene(t);
  await quiet(page);
  const painted = (from, to, [least, most]) =>
    page.waitForFunction(
      ([from, to, least, most]) => {
        const { width } = document.querySelector('#strip canvas');
        const row = window.pixels('strip').subarray(width * 8, width * 9); /* a line through the cells */
        const part = row.subarray(from * width, to * width);
        const share = part.filter((pixel) => pixel >>> 24 === 255).length / part.length;
        return least <= share && share <= most;
      },
      [from, to, least, most],
    );
  await page.selectOption('#window', '5000');
  await painted(0.7, 0.9, [0.95, 1]);
  await page.selectOption('#window', '300000'); /* more than the server is old */
  await painted(0, 0.5, [0, 0.05]);
});
