/* pictures.js – plays scenes on the real program and takes docs/images/observer-*.png for the README and the docs.
 *
 * Nothing is staged but the requests: every bar and dot is measured here and now. Photographs of a screen are large; their
 * colours are few, so a palette makes them small (pngquant).
 *
 *     pictures.js [SCENE]...     all, or some */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { closeBrowser, openPage } from './support/browser.js';
import { blocked, live } from './support/dashboard.js';
import { startServer } from './support/server.js';

const FOLDER = 'docs/images';
const seconds = (n) => new Promise((resolve) => setTimeout(resolve, 1000 * n));

/* A scene resolves at the moment of the picture, with the answers that are still out. Scenes take their time: what a
 * picture shows is what happened in the last fifteen seconds. */
const SCENES = {
  /* The loop stands still: the strip is solid, dots rise, the verdict is an alarm. */
  async freeze({ page }) {
    await seconds(7);
    await fireHeavy(page, 'none', 1500);
    await blocked(page);
    await blocked(page, false);
    await seconds(2);
    await page.click('#fire-slow');
    await seconds(0.3);
    await fireHeavy(page, 'none', 6000);
    await blocked(page);
    await page.waitForFunction(() => parseFloat(document.querySelector('#watch-value').textContent) >= 2.4);
    return [];
  },

  /* Four threads, a queue, and a /slow that has to stand in it, while /fast is answered at once. */
  async threadpool({ page, fire }) {
    await page.selectOption('#strategy', 'threadpool');
    await seconds(6);
    const burst = (n) => Array.from({ length: n }, () => fire('/heavy?ms=500&offload=threadpool'));
    const first = burst(5);
    await seconds(0.2);
    await page.click('#fire-slow');
    await answered(page, 'slow', 1);
    await Promise.all(first);
    await seconds(1);
    const second = burst(6);
    await fireHeavy(page, 'threadpool', 500);
    await seconds(0.5);
    await page.click('#fire-slow');
    await seconds(0.7);
    return second;
  },

  /* Worker threads of their own: heavy requests wait for each other, nobody else waits for them. */
  async workers({ page, fire }) {
    await page.selectOption('#strategy', 'worker');
    await seconds(5);
    const answers = [];
    for (let i = 0; i < 9; i++) {
      answers.push(fire('/heavy?ms=600&offload=worker'));
      if (i % 2 === 0) await fireHeavy(page, 'worker', 400);
      if (i % 3 === 1) await page.click('#fire-slow');
      await seconds(0.6);
    }
    return answers;
  },

  /* The same freeze as it looks on a wall: dark, big type. */
  async projector(stage) {
    return SCENES.freeze(stage);
  },
};

const LOOKS = {
  projector: { context: { colorScheme: 'dark' }, big: true },
};

/* What the verdict must not say: then something else on this machine spoilt the scene, and it is played again. */
const SPOILT = { threadpool: /blocked/, workers: /blocked/ };
const TAKES = 4;

/* From the page, as a class would. */
async function fireHeavy(page, strategy, ms) {
  await page.selectOption('#strategy', strategy);
  await page.fill('#size', String(ms));
  await page.click('#fire-heavy');
}

/** Resolves when the page has `n` answers of a kind. */
const answered = async (page, kind, n) => {
  await page.evaluate(() => (document.querySelector('#dots details').open = true));
  await page.waitForFunction(
    ([kind, n]) =>
      [...document.querySelectorAll('#dots tbody tr')].filter(
        ({ cells }) => cells[1].textContent.startsWith(`/${kind}`) && cells[2].textContent !== 'outstanding',
      ).length >= n,
    [kind, n],
  );
  await page.evaluate(() => (document.querySelector('#dots details').open = false));
};

/** Plays a scene and takes its picture. Resolves with whether it came off. */
async function take(name) {
  const server = await startServer(['--workers', '2']);
  const { context = {}, big = false } = LOOKS[name] ?? {};
  const { page, complaints, close } = await openPage(server.observer, context);
  await live(page);
  if (big) await page.keyboard.press('b');
  const fire = async (path) => (await fetch(server.patient + path)).json();
  const answers = await SCENES[name]({ page, fire });
  const title = await page.textContent('#verdict-title');
  const path = `${FOLDER}/observer-${name}.png`;
  await page.screenshot({ path });
  shrink(path);
  console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB, "${title}"`);
  await Promise.all(answers);
  await close();
  await server.stop();
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
  return !SPOILT[name]?.test(title);
}

/* 256 colours. */
function shrink(path) {
  const { status } = spawnSync('pngquant', ['--force', '--strip', '--speed', '1', '--output', path, '--', path]);
  if (status !== 0) throw new Error('pngquant could not make the picture small');
}

const wanted = process.argv.slice(2);
for (const name of Object.keys(SCENES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (let n = 0; n < TAKES && !(await take(name)); n++);
}
await closeBrowser();
