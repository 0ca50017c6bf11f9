import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ROOT } from "../../docs/markdown.ts";

interface Finding {
  readonly file: string;
  readonly line: number;
  readonly habit: string;
  readonly sentence: string;
}

const folder = mkdtempSync(join(tmpdir(), "plain-english-"));
after(() => rmSync(folder, { recursive: true }));

/** Counts the habits in one file with this name and text. */
function count(
  name: string,
  text: string,
  ...options: string[]
): { findings: Finding[]; status: number | null } {
  const path = join(folder, name);
  writeFileSync(path, text);
  const script = join(ROOT, "scripts/plain-english.mjs");
  const { stdout, status, stderr } = spawnSync(process.execPath, [script, path, "--json", ...options], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { findings, status };
}

const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  "person-subject": [
    "Who waits, waits for the answer.",
    "Those that call again are refused.",
    "The queue is full; who comes later is refused.",
  ],
  whoever: ["The batch takes whoever comes next.", "It is for whom it concerns."],
  "what-subject": ["What is sent later is dropped.", "The queue is full; what comes later is refused."],
  "what-noun": ["The server refuses what is not valid.", "It refuses what would come too late."],
  "is-no": ["A text is no number.", "Of all names these are none.", "That would be no error."],
  "so-long": ["A worker has so long to answer.", "The server stops after so many requests."],
  "that-clause": ["That there is an older one does not matter."],
  "of-those": ["Of those left over, three are sent."],
  "in-vain": ["The caller waits in vain."],
  likes: ["A model likes its inputs together."],
  mend: ["Mend the file and start again."],
  told: ["The caller is told the reason.", "The header tells of the limit."],
  "goes-on": ["The run goes on without it."],
  gone: ["The client is gone."],
  stands: ["The name stands in the file."],
  "all-the-same": ["The others are sent all the same."],
  counts: ["The first of each column that is set counts."],
  "left-out": ["Left out, the platform decides."],
  line: ["Requests stand and wait in a line.", "There is one line for all workers."],
  cut: ["A batch is cut when a worker is free."],
  tally: ["The tally is printed."],
  place: ["The error names the place."],
  guest: ["The guest loads the module."],
  travel: ["Errors travel as JSON."],
  outlet: ["The outlet is full."],
  attendance: ["The attendance ends."],
  "turn-away": ["Requests are turned away."],
};

const ORDINARY = `# What happens

Who may call the app? The method is no longer called, and there is no queue. Requests that arrive during a run form the next batch.
The last line of the log stands for the whole run. Standard output is a sink; the server listens on one port.
If omitted, the platform decides: what to send is up to it. The list says who may call it, with large counts. The command prints one line for each app.

| option | what it does |
|---|---|
| \`told\` | what the worker reports |

\`\`\`text
Who waits, waits in vain.
\`\`\`
`;

test("every habit is found in its samples, under its name", () => {
  const sentences = Object.entries(SAMPLES).flatMap(([habit, samples]) =>
    samples.map((sample) => ({ habit, sample })),
  );
  const page = sentences.map(({ sample }) => sample).join("\n\n");
  const { findings } = count("samples.md", page);
  for (const [index, { habit, sample }] of sentences.entries()) {
    const found = findings.filter(({ line }) => line === index * 2 + 1).map((finding) => finding.habit);
    assert.ok(found.includes(habit), `${sample} has ${found.join(", ") || "nothing"}, not ${habit}`);
  }
});

test("every habit that the script counts has a sample", async () => {
  const url = new URL("../../../scripts/plain-english-habits.mjs", import.meta.url).href;
  const { HABITS } = (await import(url)) as { HABITS: readonly { name: string }[] };
  assert.deepEqual(HABITS.map(({ name }) => name).toSorted(), Object.keys(SAMPLES).toSorted());
});

test("ordinary sentences, titles, code and output on a page are not counted", () => {
  assert.deepEqual(count("ordinary.md", ORDINARY).findings, []);
});

test("comments and messages of a source file are counted, with their lines; names and patterns are not", () => {
  const code = [
    "// The order of the rows,", // 1
    "// which is no order at all.",
    'const told = /is no "number" here/;',
    "/**", // 4
    " * Settles the call.",
    " *",
    " * The caller is told the reason.",
    " */",
    "throw new Error(`${name} is no number of ${unit(`the ${kind} of it`)}.`); // goes on", // 9
    "const url = 'what is not a sentence' + \"The worker is gone.\";",
  ].join("\n");
  const found = count("source.ts", code).findings.map(({ line, habit }) => `${line} ${habit}`);
  assert.deepEqual(
    found.toSorted(),
    ["1 is-no", "10 gone", "10 what-noun", "10 what-subject", "7 told", "9 goes-on", "9 is-no"].toSorted(),
  );
});

test("a comment in a page's TypeScript is counted on its own line", () => {
  const page = "Start it:\n\n```ts\nstart();\n// The worker is gone.\n```\n";
  const [finding] = count("block.md", page).findings;
  assert.equal(`${finding?.line} ${finding?.habit}`, "5 gone");
});

test("the script fails only above its limit", () => {
  const page = Array(3).fill("The worker is gone.").join("\n\n");
  assert.equal(count("limit.md", page, "--limit", "3").status, 0);
  assert.equal(count("limit.md", page, "--limit", "2").status, 1);
});
