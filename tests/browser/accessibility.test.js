/* accessibility.test.js – axe-core finds nothing serious: in both themes, in big type, on a phone, during a freeze. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { ARTEFACTS, axeSource } from './support/browser.js';
import { blocked, openTable, quiet, watchFrames } from './support/dashboard.js';
import { scene } from './support/scene.js';

/** What axe-core finds that is serious or critical, a line each. */
async function audit(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource());
  const { violations, passes } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
  assert.ok(passes.length > 15, `${passes.length} rules looked at something`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) => `${impact}: ${id}: ${target}: ${failureSummary}`));
}

async function auditAndKeep(page, name) {
  assert.deepEqual(await audit(page), [], name);
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), fullPage: true });
}

for (const colorScheme of ['light', 'dark']) {
  test(`an audit of the ${colorScheme} theme finds nothing serious`, async (t) => {
    const { server, page } = await scene(t, [], { colorScheme });
    for (const picture of ['strip', 'gantt', 'dots', 'depth', 'waits']) await openTable(page, picture);
    await page.click('.settings summary');
    await page.waitForSelector('#dots tbody tr');
    await quiet(page); /* a few rows are like many */
    await auditAndKeep(page, `page-${colorScheme}`);

    const end = fetch(`${server.patient}/heavy?kernel=sleep&n=2000&offload=none`);
    await blocked(page);
    assert.deepEqual(await audit(page), [], 'during a freeze');
    await (await end).json();
    await blocked(page, false);

    await page.keyboard.press('b');
    await auditAndKeep(page, `big-${colorScheme}`);
    await page.click('#help');
    await auditAndKeep(page, `help-${colorScheme}`);
  });
}

test('an audit at the width of a phone finds nothing serious, and nothing is cut off', async (t) => {
  const { page } = await scene(t, [], { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await auditAndKeep(page, 'phone');
  const { wide, width } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, width: innerWidth }));
  assert.ok(wide <= width, `${wide} px wide on ${width}`);
  await page.tap('#fire-fast');
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) > 0);
});

test('who prefers reduced motion gets steps, not a flow', async (t) => {
  const { page } = await scene(t, [], { reducedMotion: 'reduce' });
  const { changes, milliseconds } = await watchFrames(page, 60);
  const perSecond = (changes.strip * 1000) / milliseconds;
  t.diagnostic(`${perSecond.toFixed(1)} pictures a second`);
  const steps = milliseconds / 200; /* five a second, and one more at each end */
  assert.ok(changes.strip >= 2 && changes.strip <= steps + 2, `${changes.strip} steps in ${milliseconds} ms`);
  const moving = await page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === 'running').length);
  assert.equal(moving, 0);
});
