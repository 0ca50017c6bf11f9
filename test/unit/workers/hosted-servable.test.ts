import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseServable, ServeWrapper } from "../../../src/index.ts";
import { findExportedServable } from "../../../src/workers/hosted-servable.ts";

class Painter extends BaseServable {}
class Writer extends BaseServable {}
const wrapper = new ServeWrapper(() => "called");
const MODULE_URL = "file:///app/main.ts";

test("a class is found by its own name first, then by the name of its export", () => {
  const module = { Painter: Writer, Writer: Painter, Other: class extends BaseServable {} };
  assert.ok(findExportedServable(module, "Painter", MODULE_URL) instanceof Painter);
  assert.ok(findExportedServable({ Artist: Painter }, "Artist", MODULE_URL) instanceof Painter);
  assert.ok(findExportedServable({ default: Painter }, "Painter", MODULE_URL) instanceof Painter);
});

test("an exported instance is used unchanged", () => {
  assert.equal(findExportedServable({ wrapper }, "ServeWrapper", MODULE_URL), wrapper);
  assert.equal(findExportedServable({ default: wrapper }, "default", MODULE_URL), wrapper);
});

test("the exports of a CommonJS module are searched", () => {
  assert.ok(findExportedServable({ default: { Painter } }, "Painter", MODULE_URL) instanceof Painter);
});

test("a class that is not exported is an error that says what to do", () => {
  assert.throws(() => findExportedServable({ Writer, notAServable: 1 }, "Painter", MODULE_URL), {
    name: "DefinitionError",
    message:
      "/app/main.ts does not export Painter; export the class so that workers can load it. It exports Writer.",
  });
  assert.throws(() => findExportedServable({}, "Painter", MODULE_URL), /workers can load it\.$/);
});
