/* export.test.js – what a class takes home can be opened there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ARTEFACTS } from './support/browser.js';
import { scene } from './support/scene.js';

async function saved(page, button) {
  await page.click('#export summary');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
  const path = join(ARTEFACTS, download.suggestedFilename());
  await download.saveAs(path);
  return readFileSync(path);
}

test('the export buttons save files that hold what was seen', async (t) => {
  const { server, events, page } = await scene(t);
  await (await fetch(`${server.patient}/heavy?ms=300&offload=worker`)).json();
  await events.until((batch) => batch.trips.find(({ work }) => work === 'worker'));
  await page.click('#fire-slow');
  await events.until((batch) => batch.trips.find(({ kernel }) => kernel === null));
  await page.waitForFunction(() => /, 0 requests wait/.test(document.querySelector('#slots').textContent));

  const png = await saved(page, '#export-png');
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  assert.ok(png.readUInt32BE(16) > 1000 && png.length > 20000, `${png.readUInt32BE(16)} px wide, ${png.length} bytes`);

  const requests = (await saved(page, '#export-requests')).toString().trim().split('\r\n');
  assert.equal(requests[0], 'due,due_ms,kind,path,pulse,queued_in_page_ms,latency_ms,status,lane');
  assert.ok(requests.some((row) => /,fast,\/fast,true,.*,200,/.test(row)));
  assert.ok(requests.some((row) => /,slow,\/slow\?ms=100/.test(row)));

  const work = (await saved(page, '#export-work')).toString().trim().split('\r\n');
  assert.match(work[0], /^member,id,work,kernel,size,lane,outcome,submitted_ms,/);
  assert.ok(work.some((row) => /,worker,primes,\d+,worker \d+,succeeded,/.test(row)), work.join('\n'));

  const trace = JSON.parse(await saved(page, '#export-trace'));
  const names = (trace.traceEvents ?? trace).map(({ name }) => name).join(' ');
  assert.match(names, /primes/);
});
