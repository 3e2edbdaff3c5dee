/* reconnect.test.js – the server goes and comes back; the page says so and goes on. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openPage } from './support/browser.js';
import { live } from './support/dashboard.js';
import { startServer } from './support/server.js';

const portOf = (url) => Number(new URL(url).port);

/** Makes the page note what it says when its state changes: window.said, newest last. */
const noteStates = (page) =>
  page.evaluate(() => {
    window.said = [];
    new MutationObserver(() => {
      const { state, blocked } = document.body.dataset;
      const [text, title] = ['state-text', 'verdict-title'].map((id) => document.getElementById(id).textContent);
      window.said.push({ state, blocked, text, title });
    }).observe(document.body, { attributeFilter: ['data-state'] });
  });

test('an observer that is lost is told, and found again', async (t) => {
  const first = await startServer();
  t.after(() => first.stop());
  const { page, complaints, close } = await openPage(first.observer);
  t.after(close);
  await live(page);
  await noteStates(page);
  await first.stop();
  await page.waitForSelector('body[data-state="lost"]');
  const [lost] = await page.evaluate(() => window.said);
  assert.equal(lost.state, 'lost');
  assert.match(lost.text, /lost/i);
  assert.match(lost.title, /lost/i, 'no part of the page is behind another');
  assert.equal(lost.blocked, 'false', 'a server that is gone is not called blocked');

  const second = await startServer([], { port: portOf(first.patient), observerPort: portOf(first.observer) });
  t.after(() => second.stop());
  await page.waitForSelector('body[data-state="live"]');
  complaints.length = 0; /* that nobody listened was to be expected */
  await page.waitForFunction(() => document.querySelector('#verdict').dataset.level === 'good');
  await page.waitForFunction(() => parseFloat(document.querySelector('#number-rate').textContent) > 0);
  assert.deepEqual(complaints.filter((text) => text.startsWith('exception')), []);
});
