/* reporter.js – tells of node:test's tests in the words of cmocka, which tests/run adds up. */
const time = ({ duration_ms: ms }) => `(${Math.round(ms)} ms)`;

/** Node's own words for a failed assertion, without the layers around it. */
function reasonOf({ error }) {
  const cause = error?.cause ?? error;
  return cause?.stack ?? String(cause);
}

export default async function* report(events) {
  const failed = [];
  let passed = 0;
  for await (const { type, data } of events) {
    if (type === 'test:diagnostic' && !/^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(data.message))
      yield `             ${data.message}\n`;
    if (type === 'test:pass' && data.skip !== undefined) yield `skipped: ${data.name}: ${data.skip}\n`;
    else if (type === 'test:pass') {
      passed++;
      yield `[       OK ] ${data.name} ${time(data.details)}\n`;
    }
    if (type === 'test:fail') {
      failed.push(data.name);
      yield `[  FAILED  ] ${data.name} ${time(data.details)}\n${reasonOf(data.details)}\n`;
    }
  }
  yield `[  PASSED  ] ${passed} test(s).\n`;
  if (failed.length > 0) yield `[  FAILED  ] ${failed.length} test(s): ${failed.join(', ')}\n`;
}
