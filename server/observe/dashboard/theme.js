/* theme.js – light or dark, big type, and the colours and hatchings that the canvases draw with.
 *
 * The colours live in style.css as custom properties, once for DOM and canvas. Okabe and Ito chose
 * them so that most colour-blind people can tell them apart; a hatching says the same without colour:
 * diagonals for /heavy, level lines for /slow, dots for waiting. */
const NAMES = [
  'card',
  'text',
  'line',
  'grid',
  'fast',
  'slow',
  'heavy',
  'queue',
  'busy',
  'stall',
  'idle',
];
const TILE = 8; /* CSS pixels */

export class Theme {
  colours = {};
  hatch = {};
  #listeners = [];

  constructor() {
    const root = document.documentElement;
    root.dataset.theme = stored('theme') ?? '';
    root.dataset.big = stored('big') ?? 'false';
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#changed());
    this.#changed();
  }

  onChange(listener) {
    this.#listeners.push(listener);
    listener();
  }

  get dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  }
  get big() {
    return document.documentElement.dataset.big === 'true';
  }

  toggleDark() {
    const chosen = this.dark ? 'light' : 'dark';
    document.documentElement.dataset.theme = chosen;
    store('theme', chosen);
    this.#changed();
  }

  toggleBig() {
    const big = String(!this.big);
    document.documentElement.dataset.big = big;
    store('big', big);
    this.#changed();
  }

  #changed() {
    document.documentElement.classList.toggle('dark', this.dark);
    const style = getComputedStyle(document.documentElement);
    for (const name of NAMES) this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    const { card } = this.colours;
    this.hatch = {
      heavy: pattern(card, diagonals),
      slow: pattern(card, levels),
      queue: pattern(this.colours.queue, points),
    };
    for (const listener of this.#listeners) listener();
  }
}

function diagonals(context) {
  context.lineWidth = 1.4;
  for (const x of [-TILE, 0, TILE]) {
    context.moveTo(x - 1, TILE + 1);
    context.lineTo(x + TILE + 1, -1);
  }
  context.stroke();
}

function levels(context) {
  context.lineWidth = 1.2;
  for (const y of [2, 6]) {
    context.moveTo(0, y);
    context.lineTo(TILE, y);
  }
  context.stroke();
}

function points(context) {
  for (const [x, y] of [
    [2, 2],
    [6, 6],
  ])
    context.fillRect(x - 0.8, y - 0.8, 1.6, 1.6);
}

/** A repeating tile in one colour; sharp on any screen. */
function pattern(colour, draw) {
  const scale = window.devicePixelRatio || 1;
  const canvas = new OffscreenCanvas(Math.round(TILE * scale), Math.round(TILE * scale));
  const context = canvas.getContext('2d');
  context.scale(canvas.width / TILE, canvas.width / TILE);
  context.strokeStyle = context.fillStyle = colour;
  draw(context);
  const made = context.createPattern(canvas, 'repeat');
  made.setTransform(new DOMMatrix().scale(TILE / canvas.width));
  return made;
}

function stored(name) {
  try {
    return localStorage.getItem(`offloop ${name}`);
  } catch {
    return null; /* storage may be forbidden */
  }
}

function store(name, value) {
  try {
    localStorage.setItem(`offloop ${name}`, value);
  } catch {
    /* then it is not remembered */
  }
}
