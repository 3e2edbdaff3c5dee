/* page.test.js – the page comes up, and its events arrive. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openPage, version } from './support/browser.js';
import { live } from './support/dashboard.js';
import { startServer } from './support/server.js';

test('the page draws its pictures and complains of nothing', async (t) => {
  t.diagnostic(`Chromium ${await version()}`);
  const server = await startServer();
  const { page, complaints, close } = await openPage(server.observer);
  await live(page);
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
  await close();
  assert.deepEqual(complaints, []);
  await server.stop();
});

test('batches arrive, and the numbers follow the requests', async () => {
  const server = await startServer();
  const { page, complaints, close } = await openPage(server.observer);
  await live(page);
  await page.selectOption('#pulse', '40');
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) >= 30);
  await page.waitForFunction(() => document.querySelector('#verdict').dataset.level === 'good');
  await page.selectOption('#pulse', '0');
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) === 0);
  await close();
  assert.deepEqual(complaints, []);
  await server.stop();
});
