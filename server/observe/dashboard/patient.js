/* patient.js – the page's own requests to the patient, through a pool of five connections.
 *
 * Browsers open at most six connections to one host and queue the rest where nobody sees it. So this
 * page keeps its own queue, in plain sight:
 *
 *     at most 5 at once · at most 4 of them /heavy · while there is a pulse, one is kept for it
 *     (and the pulse may borrow what nobody else wants, so that its backlog is soon gone after a freeze)
 *
 * Latency counts from the moment when a request was due. `queued` tells how much of it went by in this
 * page. The browser's own resource timing corrects the end of a request, because a script hears of it
 * only when the page has time. URLs are unique: a cached or shared answer would be no measurement. */
import { Ring } from './ring.js';

export const CONNECTIONS = 5;
const HEAVY_MAX = 4;
const PULSE_MAX = 4;
const KEPT = 20000;

/** A server that listens on every address is reached by the name that this page came from. */
export function reachable(url) {
  const base = new URL(url);
  if (base.hostname === '0.0.0.0' || base.hostname === '[::]') base.hostname = location.hostname;
  return base.origin;
}

export class Patient {
  requests = new Ring(KEPT); /* in the order in which they were due */
  waiting = { pulse: [], fired: [] };
  busy = { pulse: 0, heavy: 0, other: 0 };
  pulsing = false;
  #base;
  #byUrl = new Map();
  #n = Math.floor(Math.random() * 1e6) * 1000;

  constructor(base) {
    this.#base = base;
    new PerformanceObserver((list) => this.#onTimings(list.getEntries())).observe({ type: 'resource' });
  }

  get inUse() {
    return this.busy.pulse + this.busy.heavy + this.busy.other;
  }

  /** Sends GET `path` as soon as a connection is free. kind: fast, slow or heavy. Resolves, with the
   * request as it is kept in `requests`, when it was answered or has failed; never rejects. */
  fire(kind, path, { pulse = false } = {}) {
    const url = `${this.#base}${path}${path.includes('?') ? '&' : '?'}_=${++this.#n}`;
    const request = {
      kind,
      path,
      url,
      pulse,
      due: performance.now(),
      sent: null,
      latency: null,
      queued: 0,
      status: 0,
      failed: false,
      answer: null,
    };
    this.requests.push(request);
    return new Promise((resolve) => {
      request.settle = resolve;
      this.waiting[pulse ? 'pulse' : 'fired'].push(request);
      this.#next();
    });
  }

  #next() {
    for (;;) {
      const request = this.#take();
      if (!request) return;
      this.#send(request);
    }
  }

  /* The pulse has its own connection; of the others the fired requests come first. */
  #take() {
    if (this.inUse >= CONNECTIONS) return null;
    const { pulse } = this.waiting;
    if (pulse.length > 0 && this.busy.pulse === 0) return pulse.shift();
    return this.#takeFired() ?? (this.busy.pulse < PULSE_MAX ? pulse.shift() : null);
  }

  #takeFired() {
    const { fired } = this.waiting;
    if (this.pulsing && this.busy.heavy + this.busy.other >= CONNECTIONS - 1) return undefined;
    const i = fired.findIndex(({ kind }) => kind !== 'heavy' || this.busy.heavy < HEAVY_MAX);
    return i < 0 ? undefined : fired.splice(i, 1)[0];
  }

  async #send(request) {
    const place = request.pulse ? 'pulse' : request.kind === 'heavy' ? 'heavy' : 'other';
    this.busy[place]++;
    request.sent = performance.now();
    request.queued = request.sent - request.due;
    this.#byUrl.set(request.url, request);
    try {
      const response = await fetch(request.url, { cache: 'no-store', credentials: 'omit' });
      const text = await response.text();
      request.status = response.status;
      request.failed = !response.ok;
      if (response.headers.get('content-type')?.includes('json')) request.answer = JSON.parse(text);
    } catch {
      request.failed = true;
    }
    request.latency ??= performance.now() - request.due;
    this.busy[place]--;
    this.#next();
    request.settle(request);
  }

  #onTimings(entries) {
    for (const { name, responseEnd } of entries) {
      const request = this.#byUrl.get(name);
      this.#byUrl.delete(name);
      if (request && responseEnd > request.due) request.latency = responseEnd - request.due;
    }
    performance.clearResourceTimings();
    while (this.#byUrl.size > 1000) this.#byUrl.delete(this.#byUrl.keys().next().value);
  }
}

/** A steady /fast: what everybody else experiences. */
export class Pulse {
  #patient;
  #timer = 0;
  perSecond = 0;

  constructor(patient) {
    this.#patient = patient;
  }

  /** 0 is off. What is due while the page is hidden is left out: browsers slow such pages down. */
  set(perSecond) {
    this.perSecond = perSecond;
    this.#patient.pulsing = perSecond > 0;
    clearInterval(this.#timer);
    if (perSecond > 0) this.#timer = setInterval(() => this.#beat(), 1000 / perSecond);
  }

  #beat() {
    if (document.hidden) return;
    this.#patient.fire('fast', '/fast', { pulse: true });
  }
}
