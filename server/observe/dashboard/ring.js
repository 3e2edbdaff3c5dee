/* ring.js – a bounded history: when it is full, the oldest item makes room for the newest.
 *
 * Every list of this page that grows with time is a Ring, so the page can stay open for a whole day
 * of lessons and its memory stays what it was after the first five minutes. */
export class Ring {
  #items;
  #first = 0;
  length = 0;

  constructor(capacity) {
    this.#items = new Array(capacity);
  }

  push(item) {
    const capacity = this.#items.length;
    this.#items[(this.#first + this.length) % capacity] = item;
    if (this.length < capacity) this.length++;
    else this.#first = (this.#first + 1) % capacity;
  }

  /** The item at `i`, counted from the oldest; -1 is the newest. */
  at(i) {
    if (i < 0) i += this.length;
    if (i < 0 || i >= this.length) return undefined;
    return this.#items[(this.#first + i) % this.#items.length];
  }

  clear() {
    this.#items.fill(undefined);
    this.#first = this.length = 0;
  }

  /** The first index whose key is at least `value`. The items must be in the order of their keys. */
  lowerBound(value, key) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (key(this.at(middle)) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  *[Symbol.iterator]() {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  *backwards() {
    for (let i = this.length - 1; i >= 0; i--) yield this.at(i);
  }
}

/** One number per fixed-length cell of time, addressed by the cell's index (the strip's memory). */
export class Cells {
  #values;
  #indices;
  newest = -1;

  constructor(capacity) {
    this.#values = new Float32Array(capacity);
    this.#indices = new Int32Array(capacity).fill(-1);
  }

  set(index, value) {
    const slot = index % this.#values.length;
    this.#values[slot] = value;
    this.#indices[slot] = index;
    if (index > this.newest) this.newest = index;
  }

  /** NaN if nothing is known of this cell (any more). */
  get(index) {
    const slot = index % this.#values.length;
    return this.#indices[slot] === index ? this.#values[slot] : NaN;
  }
}
