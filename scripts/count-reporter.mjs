// A reporter of Node's test runner that only counts: {"passed":1,"failed":0}. Suites are no tests.
export default async function* count(source) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite" || data.skip !== undefined) continue;
    if (type === "test:pass") passed++;
    else failed++;
  }
  yield JSON.stringify({ passed, failed });
}
