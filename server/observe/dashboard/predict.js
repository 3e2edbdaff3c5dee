/* predict.js – predict before you run: the question, the student's answer, and both side by side.
 *
 * Whoever has said what will happen looks more closely at what does. The outcome is measured with this
 * page's own requests; the prediction is compared by which of the choices it is nearest to. */
import { get, make } from './dom.js';
import { choices, nearest, question, routeOf, run } from './experiment.js';
import { duration } from './format.js';

const TITLES = {
  question: 'What will happen?',
  running: 'It happens now',
  right: 'What happened',
  wrong: 'What happened',
};

export class Prediction {
  #card = get('prediction');
  #title = get('prediction-title');
  #question = get('prediction-question');
  #form = get('prediction-form');
  #outcome = get('prediction-outcome');
  #patient;
  #pulse;
  #running = false;
  #asker = null; /* what had the focus when it was asked, and gets it back */

  /** pulse: {get(), set(perSecond)}, so that an experiment can bring its own and give it back. */
  constructor(patient, pulse) {
    this.#patient = patient;
    this.#pulse = pulse;
    this.#form.addEventListener('submit', (event) => event.preventDefault());
  }

  /** Asks, runs and compares. While one experiment runs, another is not begun. */
  ask(experiment) {
    if (this.#running) return;
    const list = choices(experiment);
    this.#asker = document.activeElement;
    this.#card.hidden = false;
    this.#enter('question');
    this.#question.textContent = question(experiment);
    this.#outcome.replaceChildren();
    const options = list.map((choice, i) =>
      make(
        'label',
        { className: 'choice' },
        make('input', { type: 'radio', name: 'choice', value: String(i), required: true }),
        make('span', { textContent: choice.text }),
      ),
    );
    const go = make('button', { type: 'submit', className: 'go', textContent: 'Run it' });
    this.#form.replaceChildren(
      make(
        'fieldset',
        {},
        make('legend', { className: 'hidden', textContent: 'Your prediction' }),
        ...options,
      ),
      make('div', { className: 'buttons' }, go, this.#closing('Cancel')),
    );
    this.#form.onsubmit = () => this.#run(experiment, list, new FormData(this.#form).get('choice'));
    this.#card.scrollIntoView({ block: 'nearest' });
  }

  /* The focus goes to the title, because the buttons of the stage before are gone. */
  #enter(stage) {
    this.#card.dataset.stage = stage;
    this.#title.textContent = TITLES[stage];
    this.#title.focus({ preventScroll: true });
  }

  #closing(text) {
    const button = make('button', { type: 'button', textContent: text });
    button.addEventListener('click', () => {
      this.#card.hidden = true;
      this.#asker?.focus();
    });
    return button;
  }

  async #run(experiment, list, chosen) {
    const predicted = list[Number(chosen)];
    const before = this.#pulse.get();
    this.#running = true;
    this.#form.replaceChildren();
    this.#enter('running');
    this.#outcome.replaceChildren(line('You said', predicted.text), line('It was', 'running…'));
    if (experiment.pulse !== undefined) this.#pulse.set(experiment.pulse);
    const result = await run(experiment, this.#patient);
    this.#pulse.set(before);
    this.#running = false;
    this.#show(experiment, list, predicted, result);
  }

  #show(experiment, list, predicted, { slowest, asked, failed, fired }) {
    const right = slowest && nearest(list, slowest.latency) === predicted;
    const stage = right ? 'right' : 'wrong';
    this.#card.dataset.stage = stage;
    this.#title.textContent = TITLES[stage];
    const measured = slowest ? duration(slowest.latency) : 'not measured';
    this.#outcome.replaceChildren(
      line('You said', predicted.text),
      line('It was', measured, 'measured'),
      make('p', {
        className: 'judgement',
        textContent: !slowest
          ? `No ${routeOf(experiment)} was answered.`
          : right
            ? '✓ As predicted.'
            : '✗ Not as predicted.',
      }),
      make('p', {
        className: 'hint',
        textContent:
          `The slowest of ${asked} ${routeOf(experiment)}` +
          (slowest?.queued > 5 ? `, ${duration(slowest.queued)} of it in this page’s queue.` : '.') +
          (failed > 0 ? ` ${failed} of the ${fired} requests fired failed.` : ''),
      }),
    );
    if (experiment.lesson) this.#outcome.append(make('p', { textContent: experiment.lesson }));
    this.#outcome.append(make('div', { className: 'buttons' }, this.#closing('Close')));
  }
}

function line(term, text, kind = '') {
  return make(
    'p',
    { className: `compare ${kind}` },
    make('span', { textContent: term }),
    make('strong', { textContent: text }),
  );
}
