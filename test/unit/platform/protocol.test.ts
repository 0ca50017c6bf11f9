import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ScalarType, type DescField, type DescFile, type DescMessage } from "@bufbuild/protobuf";
import { file_common } from "../../../src/platform/generated/common_pb.ts";
import { file_controller } from "../../../src/platform/generated/controller_pb.ts";
import { file_server } from "../../../src/platform/generated/server_pb.ts";

/**
 * The declarations of one .proto file. Fields and enum values are identified by number, as in serialized
 * messages.
 */
interface Facts {
  package: string;
  services: Record<string, Record<string, string>>;
  messages: Record<string, Record<string, string>>;
  enums: Record<string, Record<string, string>>;
}

const expected = JSON.parse(
  readFileSync(new URL("../../fixtures/protocol.json", import.meta.url), "utf8"),
) as Record<string, Facts>;
const FILES = { common: file_common, server: file_server, controller: file_controller };

function typeOf(field: DescField): string {
  if (field.fieldKind === "map") return "map<string,string>";
  if (field.fieldKind === "list") return `repeated ${kindOf(field.listKind, field)}`;
  return kindOf(field.fieldKind, field);
}

function kindOf(kind: "scalar" | "message" | "enum", field: DescField): string {
  if (kind === "message") return field.message?.typeName ?? "";
  if (kind === "enum") return field.enum?.typeName ?? "";
  return ScalarType[field.scalar ?? 0]?.toLowerCase() ?? "";
}

function fieldFact(field: DescField): string {
  return [
    ...(field.deprecated ? ["deprecated"] : []),
    ...(field.oneof ? [`oneof ${field.oneof.name}`] : []),
    ...(field.proto.proto3Optional ? ["optional"] : []),
    typeOf(field),
    field.name,
  ].join(" ");
}

function factsOf(file: DescFile): Facts {
  const short = (typeName: string): string => typeName.slice(file.proto.package.length).replace(/^\./, "");
  const enums = [...file.enums, ...file.messages.flatMap((message) => message.nestedEnums)];
  const stream = (streaming: boolean, { name }: DescMessage): string => (streaming ? `stream ${name}` : name);
  return {
    package: file.proto.package,
    services: Object.fromEntries(
      file.services.map((service) => [
        service.name,
        Object.fromEntries(
          service.methods.map((method) => [
            method.name,
            `${stream(/^(client|bidi)/.test(method.methodKind), method.input)} -> ` +
              stream(/^(server|bidi)/.test(method.methodKind), method.output),
          ]),
        ),
      ]),
    ),
    messages: Object.fromEntries(
      file.messages.map((message) => [
        message.name,
        Object.fromEntries(message.fields.map((field) => [field.number, fieldFact(field)])),
      ]),
    ),
    enums: Object.fromEntries(
      enums.map((item) => [
        short(item.typeName),
        Object.fromEntries(item.values.map(({ number, name }) => [number, name])),
      ]),
    ),
  };
}

for (const [name, file] of Object.entries(FILES)) {
  test(`${name}.proto has the protocol's services, messages, field numbers and enums, and no others`, () => {
    assert.deepEqual(factsOf(file), expected[name]);
  });
}

test("the recorded facts cover exactly these three files", () => {
  assert.deepEqual(Object.keys(expected), Object.keys(FILES));
});
