/* dashboard.js – what the tests do with the page again and again. */

/** Resolves when events arrive and the pictures are drawn. */
export const live = (page) => page.waitForSelector('body[data-state="live"] #numbers');

export const blocked = (page, yes = true) => page.waitForSelector(`body[data-blocked="${yes}"]`);

/** Switches the steady /fast off and awaits the last of its answers, so that every request is the test's own. */
export async function quiet(page) {
  await page.selectOption('#pulse', '0');
  await page.waitForFunction(() => / 0 of \d in use, 0 requests wait/.test(document.querySelector('#slots').textContent));
}

/** Shows all that the page remembers: a test on a busy machine may take longer than the window is wide. */
export const showAll = (page) => page.selectOption('#window', '300000');

/** Opens the table under a picture. */
export async function openTable(page, picture) {
  const details = page.locator(`#${picture} details.data`);
  if ((await details.getAttribute('open')) === null) await details.locator('summary').click();
}

/** Rows of the table under a picture, as arrays of texts. */
export const rowsOf = (page, picture) =>
  page.$$eval(`#${picture} details.data tbody tr`, (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));

/** Resolves with the cells of the newest request for `path` in the table of requests, when it has been answered. */
export async function answered(page, path) {
  const row = await page.waitForFunction((path) => {
    const rows = [...document.querySelectorAll('#dots tbody tr')].map(({ cells }) => [...cells].map((cell) => cell.textContent));
    const newest = rows.find(([, request]) => request?.startsWith(path));
    return newest && newest[2] !== 'outstanding' && newest;
  }, path);
  return row.jsonValue();
}

/** "2.50 s", "31 ms", "12.0 µs" in ms. */
export function milliseconds(text) {
  const [, number, unit] = /([\d.,]+)\s*(µs|ms|s|min)\b/.exec(text) ?? [];
  return Number(number) * { µs: 0.001, ms: 1, s: 1000, min: 60000 }[unit];
}

/** Looks at the pictures frame by frame, `frames` times. Resolves with, per picture, in how many of the frames it was another
 * than in the one before, and whether the loop was blocked in all of them. */
export const watchFrames = (page, frames) =>
  page.evaluate(async (frames) => {
    const pictures = ['strip', 'gantt', 'dots', 'depth'];
    const look = (id) => window.pixels(id).reduce((sum, pixel) => (Math.imul(sum, 31) + pixel) | 0, 0);
    const changes = Object.fromEntries(pictures.map((id) => [id, 0]));
    let before = pictures.map(look);
    let allBlocked = document.body.dataset.blocked === 'true';
    const began = performance.now();
    for (let i = 0; i < frames; i++) {
      await new Promise(requestAnimationFrame);
      const now = pictures.map(look);
      pictures.forEach((id, n) => (changes[id] += now[n] !== before[n]));
      before = now;
      allBlocked &&= document.body.dataset.blocked === 'true';
    }
    return { changes, allBlocked, milliseconds: performance.now() - began };
  }, frames);
