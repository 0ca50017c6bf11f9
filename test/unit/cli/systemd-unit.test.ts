import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemdUnit } from "../../../src/cli/self-host/systemd-unit.ts";
import { createFolder } from "../../helpers/folders.ts";

const OPTIONS = { args: ["up", "--port", "80"], state: "/srv/servable", keepRunners: false, user: "root" };

test("a unit runs the platform with the same arguments, folder and user", () => {
  const unit = systemdUnit({ ...OPTIONS, node: "/usr/bin/node", program: "/opt/servable/main.js" });
  assert.match(
    unit,
    /^ExecStart=\/usr\/bin\/node \/opt\/servable\/main\.js up --port 80 --log-format json$/m,
  );
  assert.match(unit, /^Environment=SERVABLE_STATE_DIR=\/srv\/servable$/m);
  assert.match(unit, /^User=root$/m);
  assert.match(unit, /^KillMode=mixed$/m);
});

test("with --keep-runners, systemd ends the platform alone", () => {
  assert.match(systemdUnit({ ...OPTIONS, keepRunners: true }), /^KillMode=process$/m);
});

test("characters that systemd would expand or split are escaped", () => {
  const unit = systemdUnit({
    ...OPTIONS,
    args: ["up", "--owner", "a b", "--database-url", "postgres://u:p%40$x@h"],
  });
  assert.match(unit, / --owner "a b" --database-url postgres:\/\/u:p%%40\$\$x@h /);
});

const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

test("systemd accepts the unit", { skip: hasSystemd ? false : "systemd-analyze is not installed" }, () => {
  const path = join(createFolder(), "servable.service");
  writeFileSync(path, systemdUnit(OPTIONS));
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /servable\.service/);
});
