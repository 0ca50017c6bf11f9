import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FalServerlessError } from "../../../src/errors.ts";
import { findEngine } from "../../../src/packaging/container-engine.ts";
import { failureReason } from "../../../src/packaging/engines.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-engines-"));
after(() => rmSync(folder, { recursive: true }));
let folders = 0;

/** A folder for `PATH`, with scripts as programs. */
function pathWith(programs: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(folder, `path-${folders++}-`));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(path, name), 0o755);
  }
  return path;
}

const DOCKER = `echo '{"ServerVersion":"28.2.2","SecurityOptions":["name=seccomp,profile=builtin"]}'`;
const PODMAN = `echo '{"host":{"security":{"rootless":true}},"version":{}}'`;
const BUILDAH = `[ $# -eq 1 ] || { echo 'template: function "json" not defined' >&2; exit 125; }; echo '{"host":{}}'`;
const NO_DAEMON = `echo '{"ServerVersion":""}'; echo 'Cannot connect to the Docker daemon at unix:///x.sock.' >&2; exit 1`;

test("Docker is used first if its daemon answers", async () => {
  const { command, flavor, isRootless } = await findEngine({
    PATH: pathWith({ docker: DOCKER, podman: PODMAN }),
  });
  assert.deepEqual(
    { command, flavor, isRootless },
    { command: "docker", flavor: "docker", isRootless: false },
  );
});

test("Podman is used if Docker is a client without a daemon", async () => {
  const { command, flavor, isRootless } = await findEngine({
    PATH: pathWith({ docker: NO_DAEMON, podman: PODMAN }),
  });
  assert.deepEqual(
    { command, flavor, isRootless },
    { command: "podman", flavor: "podman", isRootless: true },
  );
});

test("Podman is recognised under Docker's name, and a rootless daemon by its answer", async () => {
  assert.equal((await findEngine({ PATH: pathWith({ docker: PODMAN }) })).flavor, "podman");
  const rootless = `echo '{"ServerVersion":"28","SecurityOptions":["name=rootless"]}'`;
  assert.equal((await findEngine({ PATH: pathWith({ docker: rootless }) })).isRootless, true);
});

test("the environment variable selects the engine, by name or by path", async () => {
  const PATH = pathWith({ docker: DOCKER, podman: PODMAN });
  assert.equal((await findEngine({ PATH, SERVABLE_CONTAINER_ENGINE: "podman" })).command, "podman");
  const elsewhere = join(pathWith({ mine: DOCKER }), "mine");
  assert.equal((await findEngine({ PATH, SERVABLE_CONTAINER_ENGINE: elsewhere })).command, elsewhere);
});

test("without an engine, the error lists what was tried and what each one answered", async () => {
  await assert.rejects(findEngine({ PATH: pathWith({ docker: NO_DAEMON }) }), (error) => {
    assert.ok(error instanceof FalServerlessError);
    assert.equal(error.code, "CONTAINER_UNAVAILABLE");
    assert.equal(
      error.message,
      "Containers need Docker or Podman, and none is usable here.\n" +
        "  docker: Cannot connect to the Docker daemon at unix:///x.sock.\n" +
        "  podman: not found\n" +
        "Install Docker or Podman and start it; SERVABLE_CONTAINER_ENGINE names a program elsewhere.",
    );
    return true;
  });
});

test("if an engine is named, no other one is tried", async () => {
  const PATH = pathWith({ podman: PODMAN });
  await assert.rejects(
    findEngine({ PATH, SERVABLE_CONTAINER_ENGINE: "docker" }),
    /docker: not found\nStart it, or set/,
  );
});

test("a program that only builds images is not a container engine", async () => {
  await assert.rejects(
    findEngine({ PATH: pathWith({ buildah: BUILDAH }), SERVABLE_CONTAINER_ENGINE: "buildah" }),
    /buildah: it builds images but does not run containers\nStart it, or set/,
  );
});

test("an engine that fails without output is reported with its exit code", async () => {
  await assert.rejects(
    findEngine({ PATH: pathWith({ docker: "exit 3" }) }),
    /docker: its "info" ended with exit code 3/,
  );
});

test("an engine that was found is cached; a missing one is searched again", async () => {
  const path = pathWith({});
  await assert.rejects(findEngine({ PATH: path }));
  const count = join(path, "count");
  writeFileSync(join(path, "docker"), `#!/bin/sh\necho asked >> ${count}\n${DOCKER}\n`, { mode: 0o755 });
  const first = await findEngine({ PATH: path });
  rmSync(join(path, "docker"));
  assert.equal(await findEngine({ PATH: path }), first);
});

test("the last words of an engine are its output without log lines and advice", () => {
  const podman =
    'time="2026" level=warning msg="x"\nError: image not known\ntime="2026" level=error msg="y"\n';
  assert.equal(failureReason(podman), "image not known");
  const docker =
    "docker: Error response from daemon: port is taken.\n\nRun 'docker run --help' for more information\n";
  assert.equal(failureReason(docker), "port is taken.");
  assert.equal(
    failureReason(docker.replace("Run 'docker run --help' for", "See 'docker run --help'.")),
    "port is taken.",
  );
  assert.equal(failureReason(""), "");
});
