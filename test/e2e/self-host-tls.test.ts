import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { cleanEnvironment, runCli } from "../helpers/cli.ts";
import { pythonEnvironment } from "../helpers/python-packages.ts";
import { appProject, platformFolder, removePlatformFolder } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { App, endpoint, realtime } from "servable";
const In = Type.Object({ name: Type.String() });
const Out = Type.Object({ text: Type.String() });
export default class Greeter extends App {
  static maxMultiplexing = 8;
  @endpoint("/", { input: In, output: Out })
  async greet({ name }) { return { text: "Hello " + name }; }
  @endpoint("/stream", { input: In, output: Out, stream: true })
  async *count({ name }) { for (let n = 0; n < 3; n++) yield { text: name + n }; }
  @realtime("/realtime", { input: In, output: Out })
  async live({ name }) { return { text: "Live " + name }; }
}
`;

const python = await pythonEnvironment("fal-client", "fal-client[realtime]==1.0.3");
let project: string;
let state: string;
const environment: NodeJS.ProcessEnv = {};

function servable(...args: string[]): ReturnType<typeof runCli> {
  return runCli(args, project, environment);
}

/** The address of the platform, and the key of the profile that it has written. */
function place(): { readonly url: URL; readonly key: string; readonly authority: string } {
  const config = readFileSync(environment["FAL_CONFIG_PATH"] as string, "utf8");
  const valueOf = (name: string): string => new RegExp(`^${name} = "(.+)"`, "m").exec(config)?.[1] ?? "";
  return { url: new URL(valueOf("host")), key: valueOf("key"), authority: valueOf("ca_file") };
}

before(async () => {
  project = appProject({ "app.ts": APP });
  state = platformFolder();
  environment["FAL_CONFIG_PATH"] = join(project, "config.toml");
  const up = await servable("up", "--detach", "--tls", "--state", state, "--port", "0", "--owner", "me");
  assert.equal(up.exitCode, 0, up.stderr);
  assert.match(up.stderr, /The platform is at https:\/\/127\.0\.0\.1:\d+/);
  assert.match(up.stderr, /signed by \S+tls\/ca\.crt: other clients have to trust this file/);
});
after(async () => {
  await servable("down", "--state", state);
  removePlatformFolder(state);
  removePlatformFolder(project);
});

test("deploy, status and logs trust the platform's own authority by their profile, with no setting", async () => {
  const deployed = await servable("deploy", "app.ts");
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  assert.match(deployed.stdout, /https:\/\/127\.0\.0\.1:\d+\/me\/greeter/);
  const status = await servable("status", "--state", state);
  assert.match(status.stdout, /^● https:\/\/127\.0\.0\.1:\d+, up /);
  const logs = await servable("logs", "greeter", "--search", "listening");
  assert.match(logs.stdout, /"msg":"listening"/);
  const { url, authority } = place();
  const strict = await fetch(url).catch((error: Error) => error);
  assert.ok(
    strict instanceof Error && /certificate/.test(String(strict.cause)),
    "Node alone does not trust it",
  );
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    const path = new URL("/health", url);
    request(path, { ca: readFileSync(authority), agent: false }, (response) =>
      resolve(response.resume().statusCode),
    )
      .on("error", reject)
      .end();
  });
  assert.equal(answer, 200);
  const { subjectAltName = "" } = new X509Certificate(readFileSync(join(state, "tls/server.crt")));
  for (const name of ["DNS:localhost", "IP Address:127.0.0.1"]) assert.ok(subjectAltName.includes(name));
});

test(
  "fal's client for Python, unchanged, runs, streams, queues, and speaks realtime by key and by token, over TLS",
  { skip: "missing" in python ? python.missing : false },
  async () => {
    const { url, key, authority } = place();
    const program = join(project, "client.py");
    writeFileSync(
      program,
      `
import asyncio, json, fal_client
client = fal_client.SyncClient()
out = {"run": client.run("me/greeter", arguments={"name": "Ada"})}
out["stream"] = [item for item in client.stream("me/greeter", arguments={"name": "n"})]
with client.realtime("me/greeter", use_jwt=False) as connection:
    connection.send({"name": "Ada"})
    out["realtime"] = connection.recv()
# The address of tokens is the only one that no variable sets.
fal_client.client.REST_URL = "https://" + fal_client.client.FAL_RUN_HOST
with client.realtime("me/greeter") as connection:
    connection.send({"name": "Token"})
    out["token"] = connection.recv()
out["subscribe"] = client.subscribe("me/greeter", arguments={"name": "Queue"}, with_logs=True)
handle = client.submit("me/greeter", arguments={"name": "Submit"}, priority="low")
out["events"] = [type(event).__name__ for event in handle.iter_events()][-1]
out["result"] = client.result("me/greeter", handle.request_id)
try:
    client.subscribe("me/greeter", arguments={"name": 5})
except fal_client.FalClientHTTPError as error:
    out["refused"] = error.status_code
async def later():
    other = fal_client.AsyncClient()
    return await other.subscribe("me/greeter", arguments={"name": "Async"})
out["async"] = asyncio.run(later())
print(json.dumps(out))
`,
    );
    const folder = "folder" in python ? python.folder : "";
    const { stdout } = await promisify(execFile)(join(folder, "bin/python"), [program], {
      env: cleanEnvironment({
        FAL_RUN_HOST: url.host,
        FAL_QUEUE_RUN_HOST: `${url.host}/queue`,
        FAL_KEY: key,
        SSL_CERT_FILE: authority,
      }),
    });
    assert.deepEqual(JSON.parse(stdout), {
      run: { text: "Hello Ada" },
      stream: [{ text: "n0" }, { text: "n1" }, { text: "n2" }],
      realtime: { text: "Live Ada" },
      token: { text: "Live Token" },
      subscribe: { text: "Hello Queue" },
      events: "Completed",
      result: { text: "Hello Submit" },
      refused: 422,
      async: { text: "Hello Async" },
    });
  },
);
