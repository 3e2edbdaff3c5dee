/* predict.test.js – predict before you run: question, prediction, outcome. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { blocked, milliseconds } from './support/dashboard.js';
import { scene } from './support/scene.js';

async function predict(page, choice) {
  await page.waitForSelector('#prediction[data-stage="question"]');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'prediction-title');
  await page.locator('#prediction-form .choice').filter({ hasText: choice }).click();
  await page.locator('#prediction-form button.go').click();
}

const outcome = (page, stage) => page.waitForSelector(`#prediction[data-stage="${stage}"]`);
const measured = (page) => page.textContent('#prediction-outcome .measured strong');

test('a lesson asks, freezes the loop, and tells what was measured', async (t) => {
  const { page } = await scene(t);
  await page.locator('#lessons button', { hasText: 'Freeze the loop' }).click();
  assert.equal(await page.inputValue('#strategy'), 'none');
  await predict(page, 'one kernel');
  await blocked(page);
  await outcome(page, 'right');
  const ms = milliseconds(await measured(page));
  t.diagnostic(`the slowest /fast took ${ms} ms`);
  assert.ok(ms > 1000, `${ms} ms`);
});

test('a wrong prediction is told to be wrong, by what was measured', async (t) => {
  const { page } = await scene(t);
  await page.check('#ask');
  await page.selectOption('#strategy', 'none');
  await page.fill('#size', '2000');
  await page.click('#fire-heavy');
  await predict(page, 'about 0');
  await outcome(page, 'wrong');
  const ms = milliseconds(await measured(page));
  t.diagnostic(`the slowest /fast took ${ms} ms`);
  assert.ok(ms > 200, `${ms} ms`);
});

test('nobody has to predict', async (t) => {
  const { server, page } = await scene(t);
  await page.selectOption('#pulse', '0');
  await page.check('#ask');
  await page.click('#fire-heavy');
  await page.waitForSelector('#prediction[data-stage="question"]');
  await page.locator('#prediction-form button', { hasText: 'Cancel' }).click();
  await page.waitForSelector('#prediction', { state: 'hidden' });
  const { jobs } = await (await fetch(`${server.patient}/healthz`)).json();
  const fired = Object.values(jobs).reduce((sum, { submitted }) => sum + submitted, 0);
  assert.equal(fired, 0, 'and nothing was fired');
});
