// Makes src/platform/generated from src/platform/proto. With --check it makes them in a temporary folder instead, and
// fails unless that has the same files, byte by byte. Prints "N passed, N failed", a file each.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const checkedIn = fileURLToPath(new URL("../src/platform/generated", import.meta.url));

if (process.argv.includes("--check")) process.exit(check());
rmSync(checkedIn, { recursive: true, force: true });
generate(checkedIn);

/** Runs the compiler of this folder into a folder of the caller's. */
function generate(folder) {
  const template = {
    version: "v2",
    inputs: [{ directory: "../src/platform/proto" }],
    plugins: [{ local: "protoc-gen-es", out: folder, opt: ["target=ts", "import_extension=ts"] }],
  };
  const binaries = join(here, "node_modules", ".bin");
  const { status, error } = spawnSync(
    join(binaries, "buf"),
    ["generate", "--template", JSON.stringify(template)],
    {
      cwd: here,
      stdio: "inherit",
      env: { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ""}` },
    },
  );
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function check() {
  const fresh = mkdtempSync(join(tmpdir(), "servable-protocol-"));
  try {
    generate(fresh);
    const names = new Set([...readdirSync(fresh), ...readdirSync(checkedIn)]);
    const differing = [...names].filter((name) => textOf(fresh, name) !== textOf(checkedIn, name));
    for (const name of differing) {
      console.error(`src/platform/generated/${name} is not what the .proto files make: npm run generate`);
    }
    console.log(`${names.size - differing.length} passed, ${differing.length} failed`);
    return differing.length === 0 ? 0 : 1;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function textOf(folder, name) {
  try {
    return readFileSync(join(folder, name), "utf8");
  } catch {
    return undefined;
  }
}
