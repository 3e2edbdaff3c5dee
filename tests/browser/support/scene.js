/* scene.js – a server and a page that watches it, for one test, and their end whatever becomes of the test. */
import assert from 'node:assert/strict';
import { openPage } from './browser.js';
import { live } from './dashboard.js';
import { startServer } from './server.js';
import { witness } from './witness.js';

/** Starts a server with `options`, reads its events, and opens the page with `context` (options of a browser
 * context); resolves with {server, events, page, complaints} when the page is live. When the test has ended, the page must have
 * complained of nothing and the server must end well. */
export async function scene(t, options = [], context = {}) {
  const server = await startServer(options);
  const ends = [() => server.stop()];
  t.after(() => endAll(ends));
  const events = await witness(server.observer);
  ends.push(events.close);
  const { page, complaints, close } = await openPage(server.observer, context);
  ends.push(close, () => assert.deepEqual(complaints, []));
  await live(page).catch((error) => {
    throw new Error([error.message, ...complaints].join('\n'));
  });
  return { server, events, page, complaints };
}

/* The last begun ends first; one that fails does not keep the others. */
async function endAll(ends) {
  const errors = [];
  for (const end of ends.reverse()) {
    try {
      await end();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
