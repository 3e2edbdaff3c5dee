/* cluster.test.js – several processes on one port, each with a strip of its own. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { ARTEFACTS } from './support/browser.js';
import { blocked, openTable, quiet, rowsOf, showAll } from './support/dashboard.js';
import { scene } from './support/scene.js';

test('one member of a cluster freezes, the other goes on', async (t) => {
  const { server, events, page } = await scene(t, ['--cluster', '2']);
  await quiet(page);
  await events.until((batch) => batch.members.length === 2 && batch.members.every(({ alive }) => alive));
  await page.waitForFunction(() => {
    const names = [...document.querySelectorAll('#strip .layer .name')].map(({ textContent }) => textContent);
    return names.length === 2 && names.every((name) => /^\d · loop$/.test(name));
  });
  const end = fetch(`${server.patient}/heavy?kernel=sleep&n=3000&offload=none`);
  await blocked(page);
  const { members } = await events.until((batch) => batch.members.some(({ loop }) => loop.blocked) && batch);
  assert.equal(members.filter(({ loop }) => loop.blocked).length, 1);

  /* The connections are dealt in turn: of four new ones two come to the member that is free. */
  const asked = Array.from({ length: 4 }, () => fetch(`${server.patient}/fast`, { headers: { connection: 'close' } }));
  assert.equal((await Promise.race(asked)).status, 200);
  assert.equal(await page.getAttribute('body', 'data-blocked'), 'true', 'answered while the other was blocked');
  await page.screenshot({ path: join(ARTEFACTS, 'cluster-light.png') });
  await (await end).json();
  await Promise.all(asked);
  await blocked(page, false);
  await showAll(page);
  await openTable(page, 'strip');
  await page.waitForFunction(() => document.querySelector('#strip tbody')?.textContent.includes('/heavy'));
  assert.equal((await rowsOf(page, 'strip')).filter(([, , by]) => by.includes('/heavy')).length, 1);
});
