/* lessons.js – ready-made experiments: one button, one question, one thing to see.
 *
 * To add a lesson, add a row. `lesson` says afterwards what should have been seen; it is shown below the
 * measured outcome and never in its place. */
const HEAVY = 'primes';

const LESSONS = [
  {
    name: 'Freeze the loop',
    hint: 'none',
    question: 'One /heavy computes for 3 s on the loop itself. How long does the slowest /fast wait?',
    strategy: 'none',
    kernel: HEAVY,
    ms: 3000,
    pulse: 20,
    asks: 'fast',
    shots: [{ kind: 'heavy', count: 1, after: 400 }],
    lesson: 'The loop does one thing at a time: whoever came while it computed had to wait for the end.',
  },
  {
    name: 'async is not enough',
    hint: 'deferred',
    question:
      'The same with “async”: the handler returns at once, two kernels of 1.5 s run later on the same loop. ' +
      'How long does the slowest /fast wait?',
    strategy: 'deferred',
    kernel: HEAVY,
    ms: 1500,
    pulse: 20,
    asks: 'fast',
    shots: [{ kind: 'heavy', count: 2, after: 400 }],
    lesson: 'A promise is no thread: later on the same loop is still on the loop.',
  },
  {
    name: 'Slice it',
    hint: 'sliced',
    question:
      'Now the loop computes a few milliseconds at a time and looks at its sockets in between. ' +
      'How long does the slowest /fast wait?',
    strategy: 'sliced',
    kernel: HEAVY,
    ms: 3000,
    pulse: 20,
    asks: 'fast',
    shots: [{ kind: 'heavy', count: 1, after: 400 }],
    lesson:
      'Nobody waits longer than a slice, but the loop is busy all the time: the strip is full and no stall ' +
      'is marked.',
  },
  {
    name: 'The pool of four',
    hint: 'threadpool',
    question:
      'Six kernels of 2 s go to libuv’s pool of four threads. A /slow of 100 ms, which needs the same pool, ' +
      'comes a moment later. How long does it take?',
    strategy: 'threadpool',
    kernel: HEAVY,
    ms: 2000,
    via: 'sqlite',
    pulse: 0,
    asks: 'slow',
    shots: [
      { kind: 'heavy', count: 6, after: 200 },
      { kind: 'slow', count: 1, after: 300 },
    ],
    lesson:
      'The loop was free, and /slow waited all the same: files, DNS and this database share the four threads. ' +
      '(The pulse is off here: its connection carries /slow.)',
  },
  {
    name: 'Workers',
    hint: 'worker',
    question: 'Four kernels of 1 s go to worker threads of their own. How long does the slowest /fast wait?',
    strategy: 'worker',
    kernel: HEAVY,
    ms: 1000,
    via: 'sqlite',
    pulse: 20,
    asks: 'fast',
    shots: [{ kind: 'heavy', count: 4, after: 400 }],
    lesson: 'Heavy requests wait for each other; nobody else waits for them.',
  },
  {
    name: 'A crash costs one job',
    hint: 'process',
    needs: 'crash',
    question: 'A kernel that crashes runs in a child process. How long does the slowest /fast wait?',
    strategy: 'process',
    kernel: 'crash',
    ms: 1000,
    pulse: 20,
    asks: 'fast',
    shots: [{ kind: 'heavy', count: 1, after: 400 }],
    lesson: 'The child died and its request got a 502. The server did not even hiccup.',
  },
];

/** The lessons that this server can give. */
export function possibleLessons(config) {
  const has = (list, name) => (config[list] ?? []).some((row) => row.name === name);
  return LESSONS.filter(
    ({ strategy, needs }) => has('strategies', strategy) && (!needs || has('kernels', needs)),
  );
}
