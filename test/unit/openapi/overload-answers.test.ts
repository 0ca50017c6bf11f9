import assert from "node:assert/strict";
import { test } from "node:test";
import { App, endpoint } from "servable";

class Plain extends App {
  @endpoint("/")
  plain(): string {
    return "";
  }

  @endpoint("/limited", { timeoutMs: 1000 })
  limited(): string {
    return "";
  }

  @endpoint("/queued", { maxConcurrency: 1 })
  queued(): string {
    return "";
  }

  @endpoint("/moved", { maxConcurrency: 1, overloadStatus: 503 })
  moved(): string {
    return "";
  }

  @endpoint("/probe", { healthCheck: true })
  probe(): string {
    return "";
  }
}

class Shared extends Plain {
  static override maxMultiplexing = 4;
}

class Timed extends Plain {
  static override requestTimeout = 5;
  static override overloadStatus = 503 as const;
}

const CASES: readonly (readonly [typeof Plain, Readonly<Record<string, readonly number[]>>])[] = [
  [Plain, { "/": [], "/limited": [504], "/queued": [429, 504], "/moved": [503, 504], "/probe": [] }],
  [Shared, { "/": [429, 504], "/limited": [429, 504], "/moved": [503, 504], "/probe": [] }],
  [Timed, { "/": [504], "/queued": [503, 504], "/probe": [504] }],
];

for (const [Served, expected] of CASES) {
  test(`the document of ${Served.name} has the answers of full queues and passed time limits, where they can come`, async () => {
    const { paths } = await new Served().openapi();
    for (const [path, statuses] of Object.entries(expected)) {
      const operation = paths[path]?.["post"] as { responses: Record<string, { headers?: object }> };
      const { responses } = operation;
      const found = Object.keys(responses).map(Number);
      assert.deepEqual(
        found.filter((status) => status !== 200),
        statuses,
        path,
      );
      const full = responses[429] ?? responses[503];
      if (full !== undefined) assert.deepEqual(Object.keys(full.headers ?? {}), ["Retry-After"]);
    }
  });
}
