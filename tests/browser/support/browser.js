/* browser.js – one headless Chromium for all the tests, and pages that remember what they complained of. */
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { BUILD } from './server.js';

const modules = createRequire(join(process.env.BROWSER_MODULES, 'package.json'));
const { chromium } = modules('playwright-core');

/** The source text of axe-core. */
export const axeSource = () => modules('axe-core').source;

/** Where pictures and downloads are kept. */
export const ARTEFACTS = join(BUILD, 'browser', 'pictures');

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const TIMEOUT_MS = 30000; /* for what is awaited in a page: this machine may be busy */

let browser = null;

/** The browser; its sandbox is left out only for root, whom Chromium refuses otherwise. */
async function launched() {
  mkdirSync(ARTEFACTS, { recursive: true });
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM,
    chromiumSandbox: process.getuid?.() !== 0,
    args: FLAGS,
  });
  return browser;
}

export async function closeBrowser() {
  if (browser && !browser.isConnected()) throw new Error('the browser is gone');
  await browser?.close();
  browser = null;
}

/** Opens a page of its own, in a context of its own: {page, complaints, close}. Options are those of a browser
 * context, and `url`. Complaints are console errors and warnings (a violated policy is one), exceptions, and
 * requests that failed. */
export async function openPage(url, options = {}) {
  const context = await (await launched()).newContext({
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.addInitScript(addHelpers);
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.stack}`));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
  });
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

/* In the page: pixels(id), what a picture shows now. From a copy, so that the page's canvas stays as it is. */
function addHelpers() {
  const copies = {};
  window.pixels = (id) => {
    const canvas = document.querySelector(`#${id} canvas`);
    copies[id] ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    Object.assign(copies[id].canvas, { width: canvas.width, height: canvas.height });
    copies[id].drawImage(canvas, 0, 0);
    return new Uint32Array(copies[id].getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  };
}

/** The browser's version, for the record. */
export const version = async () => (await launched()).version();

/** The browser's processes: [{type: 'browser' | 'renderer' | …, id}]. */
export async function processes() {
  const session = await (await launched()).newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  return processInfo;
}
