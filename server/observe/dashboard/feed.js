/* feed.js – the observer's event stream: batches come in, everything else follows from them.
 *
 * EventSource reconnects by itself and sends Last-Event-ID, so a short loss leaves no gap. Two cases
 * are left to this file: the browser gives up (CLOSED) when the observer answers with an error, and
 * a connection can be silent without being broken. A batch is due every 100 ms, so a silence of two
 * seconds is called a loss. */
const SILENCE_MS = 2000;
const RETRY_MS = 1000;

export class Feed {
  #source = null;
  #last = performance.now();
  #lost = null; /* not known yet */
  #handlers;

  /** handlers: {onBatch(batch), onState('live' | 'lost')} */
  constructor(handlers) {
    this.#handlers = handlers;
    setInterval(() => this.#look(), 250);
    this.#open();
  }

  #open() {
    this.#source?.close();
    this.#source = new EventSource('events');
    this.#source.addEventListener('batch', (event) => this.#onBatch(event));
    this.#source.addEventListener('error', () => this.#onError());
  }

  #onBatch(event) {
    this.#last = performance.now();
    this.#set(false);
    const batch = JSON.parse(event.data);
    [batch.era] = event.lastEventId.split('-'); /* of its server: another one begins anew */
    this.#handlers.onBatch(batch);
  }

  #onError() {
    this.#set(true);
    if (this.#source.readyState === EventSource.CLOSED) setTimeout(() => this.#open(), RETRY_MS);
  }

  #look() {
    if (performance.now() - this.#last > SILENCE_MS) this.#set(true);
  }

  #set(lost) {
    if (lost === this.#lost) return;
    this.#lost = lost;
    this.#handlers.onState(lost ? 'lost' : 'live');
  }
}

/** GET /config, again and again until the observer answers. */
export async function fetchConfig() {
  for (;;) {
    try {
      const response = await fetch('config', { cache: 'no-store' });
      if (response.ok) return await response.json();
    } catch {
      /* not there yet */
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
