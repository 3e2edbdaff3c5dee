/* all.js – runs the tests of this folder, or those named on the command line, in one process and one browser.
 *
 * In one process, because tests that look at frames and milliseconds should not run beside each other. */
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { closeBrowser } from './support/browser.js';

const here = new URL('.', import.meta.url);
const wanted = process.argv.slice(2);
const names = readdirSync(here)
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => wanted.length === 0 || wanted.includes(file.replace('.test.js', '')));

for (const name of names.sort()) await import(new URL(name, here));
test('the browser is still there, and ends', closeBrowser);
