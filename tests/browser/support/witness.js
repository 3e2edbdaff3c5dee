/* witness.js – reads the observer's events beside the page, so that a test has more than the page's own word. */
import { get } from 'node:http';

/** Reads /events. {batches, config, until, close}; times in batches are ms of the recording. */
export async function witness(observer) {
  const batches = [];
  const listeners = new Set();
  const config = await (await fetch(`${observer}/config`)).json();
  const request = get(`${observer}/events`, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (piece) => {
      const events = (text + piece).split('\n\n');
      text = events.pop();
      for (const event of events) take(event);
    });
    response.on('error', () => {});
  });
  request.on('error', () => {});

  function take(event) {
    const data = event.split('\n').find((line) => line.startsWith('data: '));
    if (!data) return;
    batches.push(JSON.parse(data.slice(6)));
    for (const listener of listeners) listener();
  }

  /** Resolves with the first thing that `pick` finds in a batch, one that came already included. */
  const until = (pick) =>
    new Promise((resolve) => {
      const look = () => {
        for (const batch of batches) {
          const found = pick(batch);
          if (!found) continue;
          listeners.delete(look);
          return resolve(found);
        }
      };
      listeners.add(look);
      look();
    });

  return { batches, config, until, close: () => request.destroy() };
}
