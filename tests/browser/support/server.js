/* server.js – starts offloop on free ports and learns from its log where it listens. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const BUILD = process.env.BUILD || 'build';

/** Starts a server. Resolves, when it listens, with {patient, observer, process, log, stop}: the two
 * URLs, what it has said so far, and how to end it. Rejects if it ends before. */
export async function startServer(options = [], { port = 0, observerPort = 0 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'offloop-browser-'));
  const child = spawn(
    `${BUILD}/offloop`,
    ['--port', port, '--observer', observerPort, '--database', join(folder, 'test.db'), ...options].map(String),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const log = [];
  const exited = once(child, 'exit');
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  exited.then(() => {
    process.off('exit', kill);
    rmSync(folder, { recursive: true, force: true });
  });
  const urls = await announced(child, log, exited);
  return { ...urls, process: child, log, stop: () => stop(child, exited, log) };
}

async function announced(child, log, exited) {
  const urls = {};
  const lines = createInterface({ input: child.stderr });
  const both = new Promise((resolve) => {
    lines.on('line', (line) => {
      log.push(line);
      const { event, url } = parsed(line);
      if (event === 'listening') urls.patient = url;
      if (event === 'observing') urls.observer = url;
      if (urls.patient && urls.observer) resolve();
    });
  });
  const early = exited.then(([code]) => {
    throw new Error(`offloop ended with ${code}: ${log.join('\n')}`);
  });
  await Promise.race([both, early]);
  early.catch(() => {});
  return urls;
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {}; /* a sanitizer's report is not JSON */
  }
}

/* SIGTERM, and it must end well: drained, and with nothing that a sanitizer has to say. */
async function stop(child, exited, log) {
  child.kill('SIGTERM');
  const [code, signal] = await exited;
  if (code !== 0) throw new Error(`offloop ended with ${code ?? signal}:\n${log.join('\n')}`);
}
