/* page.test.js – the page comes up, and its events arrive. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { version } from './support/browser.js';
import { scene } from './support/scene.js';

test('the page draws its pictures and complains of nothing', async (t) => {
  t.diagnostic(`Chromium ${await version()}`);
  const { server, page } = await scene(t);
  for (const picture of ['strip', 'gantt', 'dots', 'depth']) {
    await page.waitForFunction((id) => window.pixels(id).some((value) => value !== 0), picture);
    assert.ok((await page.getAttribute(`#${picture} canvas`, 'aria-label')).length > 20);
  }
  const { hosts, policy } = await page.evaluate(async () => ({
    hosts: [...new Set(performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin))],
    policy: (await fetch('/')).headers.get('content-security-policy'),
  }));
  assert.deepEqual(hosts.filter((host) => host !== server.observer && host !== server.patient), []);
  assert.match(policy, /default-src 'none'/);
});

test('batches arrive, and the numbers follow the requests', async (t) => {
  const { page } = await scene(t);
  await page.selectOption('#pulse', '40');
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) >= 30);
  await page.waitForFunction(() => document.querySelector('#verdict').dataset.level === 'good');
  await page.selectOption('#pulse', '0');
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) === 0);
});
