import assert from "node:assert/strict";
import { test } from "node:test";
import { withReport } from "../../../benchmarks/peers/publish.ts";
import { reportFiles, rowsOf } from "../../../benchmarks/peers/report.ts";
import { figuresOf, type Sample } from "../../../benchmarks/peers/sample.ts";

function closed(product: string, round: number, rps: number, foreignCpu: number): Sample {
  const figures = { rps, cpuUsPerOk: 1e6 / rps, p50: 1, p99: 2, foreignCpu };
  return { section: "overhead", kind: "closed", product, parameters: { round }, figures };
}

function open(product: string, rate: number, goodput: number): Sample {
  const figures = { goodput, goodShare: goodput / rate, p50: 40, p99: 90, refused: 0, foreignCpu: 0 };
  return { section: "batching", kind: "open", product, parameters: { rate }, figures };
}

const SAMPLES = [
  closed("servable", 0, 1000, 0.1),
  closed("servable", 1, 3000, 0.1),
  closed("servable", 2, 2000, 0.1),
  closed("servable", 3, 9999, 0.9),
  closed("express & co", 0, 500, 0.3),
  open("servable", 300, 300),
  open("servable", 900, 450),
];
const CONDITIONS = { processor: "a fast one", cores: "2" };
const OUTCOME = { samples: SAMPLES, failures: [], conditions: CONDITIONS, quick: false };

test("tables have the median of the quiet measurements", () => {
  const report = reportFiles(OUTCOME).get("report.md") ?? "";
  assert.match(report, /^\| servable \| 2,000 \| \d+ \| 1 \| 2 \|$/m);
  assert.match(report, /^\| servable \| 900 \| 450 \| 50 \| 40 \| 90 \| 0 \| – \| – \|$/m);
  assert.match(report, /^\| processor \| a fast one \|$/m);
});

test("noisy measurements are left out, and the report names them", () => {
  const report = reportFiles(OUTCOME).get("report.md") ?? "";
  assert.doesNotMatch(report, /^\| express/m);
  assert.match(
    report,
    /2 of 7 measurements had a foreign CPU above 0\.2 cores\. They are left out: overhead: servable; overhead: express & co\./,
  );
  assert.deepEqual(
    rowsOf(OUTCOME).filter(({ name }) => name.includes("express")),
    [],
  );
});

test("a quick run keeps noisy measurements, and its report says that it is rough", () => {
  const report = reportFiles({ ...OUTCOME, quick: true }).get("report.md") ?? "";
  assert.match(report, /Rough figures of `--quick`/);
  assert.match(report, /^\| express & co \| 500 \|/m);
});

test("each table with a chart links its plot, and each plot shows every product", () => {
  const files = reportFiles({ ...OUTCOME, quick: true });
  assert.deepEqual([...files.keys()].toSorted(), ["batching-open.svg", "overhead-closed.svg", "report.md"]);
  for (const name of ["batching-open.svg", "overhead-closed.svg"]) {
    assert.ok(files.get("report.md")?.includes(`](${name})`));
    assert.match(files.get(name) ?? "", /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [\s\S]*<\/svg>\n$/);
  }
  assert.match(files.get("overhead-closed.svg") ?? "", />express &amp; co<\/text>/);
  assert.match(files.get("batching-open.svg") ?? "", />ideal<\/text>/);
});

test("a bar's length is proportional to its value", () => {
  const svg = reportFiles({ ...OUTCOME, quick: true }).get("overhead-closed.svg") ?? "";
  const widths = [...svg.matchAll(/<rect x="170" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  );
  assert.deepEqual(widths, [470, 94]); // 2,500 and 500 per second
});

test("a row has the figure of one cell, with its unit and without a target", () => {
  assert.deepEqual(rowsOf(OUTCOME)[0], {
    ...{ name: "Overhead at full speed: servable: answers", figure: 2000 },
    ...{ unit: "1/s", target: null, ok: true },
  });
  assert.ok(
    rowsOf(OUTCOME).some(({ name }) => name === "Batching under rising load: servable at 900 rate: goodput"),
  );
});

test("the report names the products that could not be measured, with the first line of the reason", () => {
  const failures = ["overhead: ray: it gave no good answer.\nlog"];
  const report = reportFiles({ ...OUTCOME, failures }).get("report.md") ?? "";
  assert.match(report, /Not measured:\n\n- overhead: ray: it gave no good answer\.\n/);
});

test("latencies without any answer are missing, not 0", () => {
  const none = {
    requests: 9,
    rps: 0,
    ok: 0,
    goodput: 0,
    goodShare: 0,
    lost: 0,
    unanswered: 0,
    mismatches: 0,
  };
  const load = { ...none, p50: 0, p99: 0, lateP99: 0, cpuUsPerOk: 0, foreignCpu: 0 };
  const refused = figuresOf({ ...load, refused: 9, refuseP99: 3, status: { 429: 9 } });
  assert.deepEqual(
    [refused["p50"], refused["cpuUsPerOk"], refused["refuseP99"], refused["status429"]],
    [undefined, undefined, 3, 9],
  );
  const answered = figuresOf({ ...load, ok: 9, p50: 2, refused: 0, refuseP99: 0, status: { 200: 9 } });
  assert.deepEqual([answered["p50"], answered["refuseP99"]], [2, undefined]);
});

test("a published report replaces the results of the page, with links to the plots beside it", () => {
  const report = reportFiles({ ...OUTCOME, quick: true }).get("report.md") ?? "";
  const page = "# Performance\n\nHow.\n\n## Results\n\nold\n";
  const published = withReport(page, report);
  assert.match(published, /^# Performance\n\nHow\.\n\n## Results\n\nOne run of/);
  assert.match(published, /^### Overhead at full speed$/m);
  assert.match(published, /\]\(performance\/overhead-closed\.svg\)/);
  assert.doesNotMatch(published, /^old$|^# Servable/m);
  assert.equal(withReport(published, report), published, "once more gives the same page");
  assert.throws(() => withReport("# Performance\n", report), /no section "Results"/);
});
