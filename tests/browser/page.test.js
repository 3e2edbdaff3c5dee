/* page.test.js – the page comes up, and its events arrive. */
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import test from 'node:test';
import { version } from './support/browser.js';
import { answered, openTable, quiet } from './support/dashboard.js';
import { scene } from './support/scene.js';

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) => addresses.some(({ address }) => address === '::1'));

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

test('the page reaches a patient that listens on an IPv6 address', { skip: !hasIPv6 && 'there is no ::1 here' }, async (t) => {
  const { page } = await scene(t, ['--host', '::1']);
  await quiet(page);
  await openTable(page, 'dots');
  await page.click('#fire-fast');
  assert.equal((await answered(page, '/fast'))[5], '200');
});
