import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readBuildArgs, withBuildArgs } from "../../../src/cli/build/image-options.ts";
import { UsageError } from "../../../src/errors.ts";
import { ContainerImage } from "../../../src/packaging/container-image.ts";

const DOCKERFILE = "ARG BASE=node\nFROM $BASE\nARG SITE=public MODE\nCOPY $SITE /\n";

describe("build arguments", () => {
  test("are given as NAME=value, or as a name whose value comes from the environment", () => {
    process.env["SERVABLE_TEST_TOKEN"] = "t=1";
    try {
      assert.deepEqual(readBuildArgs(["A=1", "B=", "C=x=y", "SERVABLE_TEST_TOKEN"]), {
        ...{ A: "1", B: "", C: "x=y" },
        SERVABLE_TEST_TOKEN: "t=1",
      });
    } finally {
      delete process.env["SERVABLE_TEST_TOKEN"];
    }
    assert.throws(
      () => readBuildArgs(["SERVABLE_TEST_TOKEN"]),
      /has no value: write SERVABLE_TEST_TOKEN=value/,
    );
    assert.throws(() => readBuildArgs(["1=2"]), /takes NAME=value, not "1=2"/);
  });

  test("override those of the image, also in the sources of COPY, and do not modify the image object", () => {
    const image = ContainerImage.fromDockerfileString(DOCKERFILE, {
      buildArgs: { MODE: "a", BASE: "b" },
      secrets: { token: "s" },
    });
    const built = withBuildArgs(image, { SITE: "docs", MODE: "c", HTTP_PROXY: "http://proxy" });
    assert.deepEqual(built.sources(), ["docs"]);
    const { build_args: buildArgs, secrets, docker_files_list: files } = built.toDict();
    assert.deepEqual(buildArgs, { MODE: "c", BASE: "b", SITE: "docs", HTTP_PROXY: "http://proxy" });
    assert.deepEqual([secrets, files], [{ token: "s" }, ["docs"]]);
    assert.deepEqual(image.sources(), ["public"]);
    assert.equal(withBuildArgs(image, {}), image);
  });

  test("are rejected if the Dockerfile does not declare them, or if the image already exists", () => {
    const image = ContainerImage.fromDockerfileString(DOCKERFILE);
    assert.throws(() => withBuildArgs(image, { BASIS: "x" }), /no ARG BASIS; did you mean "BASE"\?/);
    assert.throws(() => withBuildArgs(image, { OTHERWISE: "x" }), /it takes BASE, SITE, MODE\./);
    assert.throws(
      () => withBuildArgs(ContainerImage.fromImage("ghcr.io/me/app:1"), { BASE: "x" }),
      UsageError,
    );
  });
});
