import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openImage, sealImage } from "../../../../src/controller/state/image-secrets.ts";
import { SecretBox } from "../../../../src/controller/state/secrets.ts";
import { createFolder } from "../../../helpers/folders.ts";

const box = SecretBox.open(join(createFolder(), "secrets.key"));
const IMAGE = {
  dockerfile_str: "FROM node",
  build_args: { MODE: "fast" },
  secrets: { token: "hidden-1" },
  registries: { "r.example": { username: "ada", password: "hidden-2" } },
};

test("the secrets of an image are unreadable in what is stored, and come back whole", () => {
  const sealed = sealImage(box, IMAGE);
  assert.doesNotMatch(JSON.stringify(sealed), /hidden|ada|r\.example/);
  assert.deepEqual([sealed["dockerfile_str"], sealed["build_args"]], ["FROM node", { MODE: "fast" }]);
  assert.deepEqual(openImage(box, JSON.parse(JSON.stringify(sealed)) as typeof sealed), IMAGE);
});

test("an image without secrets, and one that an earlier version has stored, stay as they are", () => {
  const plain = { dockerfile_str: "FROM node" };
  assert.deepEqual(sealImage(box, plain), plain);
  assert.deepEqual(openImage(box, plain), plain);
  assert.deepEqual(openImage(box, IMAGE), IMAGE);
});

test("what a caller sends as encrypted is never opened, and another key says what to do", () => {
  const { sealed_fields: taken } = sealImage(box, IMAGE);
  assert.deepEqual(sealImage(box, { dockerfile_str: "FROM node", sealed_fields: taken }), {
    dockerfile_str: "FROM node",
  });
  const other = SecretBox.open(join(createFolder(), "secrets.key"));
  assert.throws(
    () => openImage(other, sealImage(box, IMAGE)),
    /can't be opened with secrets\.key: deploy it/,
  );
});
