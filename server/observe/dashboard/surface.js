/* surface.js – a canvas for the shapes and a layer of DOM text above it.
 *
 * Text is never drawn into the canvas: as DOM it is sharp, grows with the type size, and can be
 * found, selected and read aloud. Labels are kept by key and moved, because making and dropping
 * elements sixty times a second would be garbage. What stands at a moment of time drifts: all such labels lie
 * in one box, and only the box is moved from frame to frame, because each style that is set costs memory, too.
 *
 * Coordinates are CSS pixels from the canvas' left top; x < 0 is the gutter for names. */
const BOX_REACH = 50000; /* px */
const ANCHORS = {
  left: 'translate(0,-50%)',
  right: 'translate(-100%,-50%)',
  centre: 'translate(-50%,-50%)',
};

export class Surface {
  width = 0;
  height = 0;
  em = 12; /* size of its type, px */
  resized = true;
  #labels = new Map();
  #round = 0;
  #drift = { anchor: 0, scale: 0, shift: 0 };

  constructor(plot) {
    this.plot = plot;
    this.canvas = plot.querySelector('canvas');
    this.layer = document.createElement('div');
    this.layer.className = 'layer';
    this.box = document.createElement('div');
    this.box.className = 'drift';
    this.layer.append(this.box);
    plot.append(this.layer);
    new ResizeObserver(() => this.#measure()).observe(this.layer);
    this.#measure();
  }

  #measure() {
    const { clientWidth, clientHeight } = this.layer;
    this.em = parseFloat(getComputedStyle(this.plot).fontSize);
    if (clientWidth === this.width && clientHeight === this.height) return;
    this.width = clientWidth;
    this.height = clientHeight;
    this.resized = true;
  }

  /** Clears the picture; returns the context to draw with. Who has drifting labels gives the view. */
  begin(view) {
    this.#round++;
    if (view) this.#moveBox(view);
    this.resized = false;
    if (!this.canvas) return null;
    const scale = window.devicePixelRatio || 1;
    const width = Math.round(this.width * scale);
    const height = Math.round(this.height * scale);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    return context;
  }

  /* The box's own zero stands at a moment of time, which is chosen anew when the scale changes. */
  #moveBox(view) {
    const drift = this.#drift;
    const scale = this.width / view.windowMs;
    if (scale !== drift.scale || Math.abs(view.x(drift.anchor, this.width)) > BOX_REACH) {
      drift.scale = scale;
      drift.anchor = view.to;
    }
    drift.shift = view.x(drift.anchor, this.width);
    this.box.style.transform = `translateX(${drift.shift.toFixed(2)}px)`;
  }

  /** A text at a moment of time: x is where that is in this frame. */
  drifting(key, text, x, y, anchor, kind) {
    this.label(key, text, x - this.#drift.shift, y, anchor, kind, this.box);
  }

  label(key, text, x, y, anchor = 'left', kind = '', parent = this.layer) {
    let label = this.#labels.get(key);
    if (!label) {
      label = { element: document.createElement('span'), text: '', place: '', kind: null };
      parent.append(label.element);
      this.#labels.set(key, label);
    }
    const place = `translate(${Math.round(x * 4) / 4}px,${Math.round(y)}px) ${ANCHORS[anchor]}`;
    if (label.text !== text) label.element.textContent = label.text = text;
    if (label.kind !== kind) label.element.className = label.kind = kind;
    if (label.place !== place) label.element.style.transform = label.place = place;
    label.round = this.#round;
  }

  get middle() {
    return [this.width / 2, this.height / 2];
  }

  /** Labels that were not asked for since begin() go. */
  end() {
    for (const [key, label] of this.#labels) {
      if (label.round === this.#round) continue;
      label.element.remove();
      this.#labels.delete(key);
    }
  }

  /** For assistive technology; at most every few seconds. */
  describe(text) {
    if (this.canvas.getAttribute('aria-label') !== text) this.canvas.setAttribute('aria-label', text);
  }
}

/** The vertical lines that all pictures on the time axis share. */
export function drawGrid(context, view, surface, colours, gap) {
  context.fillStyle = colours.grid;
  for (const { t } of view.ticks(surface.width, gap)) {
    context.fillRect(Math.round(view.x(t, surface.width)), 0, 1, surface.height);
  }
}

/** A rectangle in a colour with a hatching that moves along with it; null for neither. */
export function fillHatched(context, { x, y, width, height }, colour, hatch) {
  context.save();
  context.translate(x, y);
  if (colour) {
    context.fillStyle = colour;
    context.fillRect(0, 0, width, height);
  }
  if (hatch) {
    context.globalAlpha = colour ? 0.38 : 1;
    context.fillStyle = hatch;
    context.fillRect(0, 0, width, height);
  }
  context.restore();
}
