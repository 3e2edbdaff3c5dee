/* keyboard.test.js – everything can be reached and done without a mouse, and it is seen where the focus is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { quiet } from './support/dashboard.js';
import { scene } from './support/scene.js';

/** In the page: numbers what can have the focus and is to be seen, in the order of the document. */
const numberControls = (page) =>
  page.evaluate(() => {
    const able = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
    const controls = [...document.querySelectorAll(able)].filter(
      (element) => !element.disabled && (element.checkVisibility({ visibilityProperty: true }) || element.matches('.skip')),
    );
    controls.forEach((element, n) => (element.dataset.n = String(n)));
    return controls.map((element) => element.id || element.textContent.trim() || element.outerHTML);
  });

/** In the page: what has the focus, and whether one can see that. */
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return {
      n: element.dataset.n ?? null,
      marked: (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1.5) || boxShadow !== 'none',
      inView: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
    };
  });

test('the Tab key reaches every control, and shows where it is', async (t) => {
  const { page } = await scene(t);
  await page.click('#export summary'); /* its buttons are controls too */
  const controls = await numberControls(page);
  assert.ok(controls.length >= 35, `${controls.length} controls`);
  const reached = [];
  for (let i = 0; i < controls.length + 2; i++) {
    await page.keyboard.press('Tab');
    const { n, marked, inView } = await focused(page);
    if (n === null) continue; /* the browser's own */
    reached.push(Number(n));
    assert.ok(marked, `no visible focus on ${controls[n]}`);
    assert.ok(inView, `not in view: ${controls[n]}`);
  }
  const missed = controls.filter((_, n) => !reached.includes(n));
  assert.deepEqual(missed, []);
  const steps = reached.slice(1).map((n, i) => (n - reached[i] + controls.length) % controls.length);
  assert.ok(steps.every((step) => step === 1), `in the order of the document: ${reached}`);
});

test('a key for each thing that one does often', async (t) => {
  const { events, page } = await scene(t);
  await quiet(page);
  const body = page.locator('body');
  await page.evaluate(() => document.activeElement.blur());
  const html = (name) => page.evaluate((name) => document.documentElement.dataset[name], name);

  await body.press('b');
  assert.equal(await html('big'), 'true');
  assert.equal(await page.getAttribute('#big', 'aria-pressed'), 'true');
  await body.press('b');
  await body.press('t');
  assert.equal(await html('theme'), 'dark');
  await body.press('t');
  assert.equal(await html('theme'), 'light');

  await body.press('?');
  assert.ok(await page.isVisible('#help-dialog'));
  await page.keyboard.press('f'); /* not while one reads */
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#help-dialog'));

  await body.press('Space');
  await page.waitForSelector('body[data-state="paused"]');
  await body.press('Space');
  await page.waitForSelector('body[data-state="live"]');

  const before = events.batches.at(-1).members[0].requests.total;
  await body.press('f');
  await events.until((batch) => batch.members[0].requests.total > before);
  await body.press('s');
  await events.until((batch) => batch.trips.find(({ kernel }) => kernel === null));
  await page.selectOption('#strategy', 'worker');
  await page.fill('#size', '50');
  await page.evaluate(() => document.activeElement.blur());
  await body.press('h');
  await events.until((batch) => batch.trips.find(({ work }) => work === 'worker'));
  const last = events.batches.at(-1).members[0].requests.total;
  assert.equal(last - before, 3, 'one request per key');
});

test('a letter typed into a field is only a letter', async (t) => {
  const { events, page } = await scene(t);
  await quiet(page);
  await events.until((batch) => batch.members[0].requests.in_flight === 0);
  await page.focus('#window');
  await page.keyboard.press('b');
  await page.focus('#size');
  await page.keyboard.press('t');
  assert.deepEqual(
    await page.evaluate(() => ({ ...document.documentElement.dataset })),
    { theme: '', big: 'false' },
  );
});
