import assert from "node:assert/strict";
import { test } from "node:test";
import { createProject, startCli } from "../helpers/cli.ts";
import { exchange, rawRequest } from "../helpers/sockets.ts";
import { freePort } from "../helpers/free-port.ts";

const SOURCE = `import { App, endpoint } from "servable";
export class Shout extends App {
  @endpoint("/")
  shout(ctx) {
    const text = "\\u009b31m\\u001b]0;title\\u0007\\u0090q\\u202etxt.exe\\u0085\\r";
    ctx.log.info(text);
    ctx.log.info({ field: text, ["k" + text]: { deep: [text] } }, "fields");
    ctx.log.error(Object.assign(new Error(text), { detail: text }), "error");
    ctx.log.error({ err: new TypeError(text, { cause: new Error(text) }) });
    ctx.log.child({ bound: text }).warn("child");
    ctx.log.info("end");
    throw new Error(text);
  }
}
`;

for (const format of ["pretty", "json"]) {
  test(`control and bidirectional characters in messages, fields, errors and headers are escaped: ${format}`, async () => {
    const folder = createProject({ "app.ts": SOURCE });
    const port = await freePort();
    const flags = ["--port", String(port), "--no-metrics", "--log-format", format];
    const running = startCli(["run", "app.ts", ...flags], folder);
    await running.printed(/listening/);
    const headers = { host: "localhost", "x-fal-request-id": "id\u009b31m" };
    const answer = await exchange(port, rawRequest("POST", "/", headers));
    assert.match(answer, /^HTTP\/1\.1 500 /);
    await running.printed(/shout\(\) failed/);
    running.kill("SIGTERM");
    const { exitCode, stdout, stderr } = await running.ended;
    assert.equal(exitCode, 0);
    // eslint-disable-next-line no-control-regex -- the test looks for control characters
    const raw = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
    assert.doesNotMatch(stdout + stderr, raw);
    assert.match(stdout, /\\u009b31m/);
  });
}
