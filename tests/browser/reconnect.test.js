/* reconnect.test.js – the server goes and comes back; the page says so and goes on. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openPage } from './support/browser.js';
import { live } from './support/dashboard.js';
import { startServer } from './support/server.js';

const portOf = (url) => Number(new URL(url).port);

test('an observer that is lost is told, and found again', async (t) => {
  const first = await startServer();
  t.after(() => first.stop());
  const { page, complaints, close } = await openPage(first.observer);
  t.after(close);
  await live(page);
  await first.stop();
  await page.waitForSelector('body[data-state="lost"]');
  assert.match(await page.textContent('#state-text'), /lost/i);
  assert.match(await page.textContent('#verdict-title'), /lost/i);
  assert.equal(await page.getAttribute('body', 'data-blocked'), 'false', 'a server that is gone is not called blocked');

  const second = await startServer([], { port: portOf(first.patient), observerPort: portOf(first.observer) });
  t.after(() => second.stop());
  await page.waitForSelector('body[data-state="live"]');
  complaints.length = 0; /* that nobody listened was to be expected */
  await page.waitForFunction(() => document.querySelector('#verdict').dataset.level === 'good');
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) > 0);
  assert.deepEqual(complaints.filter((text) => text.startsWith('exception')), []);
});
