import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AliasInfoSchema } from "../../../../src/platform/generated/controller_pb.ts";
import { scaleDifference } from "../../../../src/platform/apps/scale-difference.ts";

const running = (extra: MessageInitShape<typeof AliasInfoSchema> = {}) =>
  create(AliasInfoSchema, {
    keepAlive: 60,
    minConcurrency: 1,
    maxConcurrency: 5,
    maxMultiplexing: 4,
    machineTypes: ["S"],
    requestTimeout: 100,
    startupTimeout: 200,
    validRegions: ["us-west", "us-east"],
    ...extra,
  });

test("for a new app, the settings that differ from the defaults are listed", () => {
  assert.deepEqual(scaleDifference(undefined, {}, false), []);
  assert.deepEqual(
    scaleDifference(undefined, { machineType: "M", keepAlive: 60, regions: ["us-east"] }, false),
    [
      { setting: "keepAlive", from: "10", to: "60" },
      { setting: "regions", from: "any", to: "us-east" },
      { setting: "machineType", from: "XS", to: "M" },
    ],
  );
});

test("for an existing app, only the settings that belong to the code change", () => {
  const next = {
    keepAlive: 5,
    maxConcurrency: 9,
    maxMultiplexing: 2,
    machineType: ["M", "L"],
    regions: ["eu-west"],
  };
  assert.deepEqual(scaleDifference(running(), next, false), [
    { setting: "startupTimeout", from: "200", to: "600" },
    { setting: "maxMultiplexing", from: "4", to: "2" },
    { setting: "machineType", from: "S", to: "M, L" },
  ]);
});

test("with the scale reset, all settings change to the code's values or the defaults", () => {
  const next = { keepAlive: 60, maxConcurrency: 9, machineType: "S", regions: ["us-east", "us-west"] };
  assert.deepEqual(scaleDifference(running({ scalingDelaySeconds: 3 }), next, true), [
    { setting: "minConcurrency", from: "1", to: "0" },
    { setting: "maxConcurrency", from: "5", to: "9" },
    { setting: "scalingDelay", from: "3", to: "0" },
    { setting: "requestTimeout", from: "100", to: "3600" },
    { setting: "startupTimeout", from: "200", to: "600" },
    { setting: "maxMultiplexing", from: "4", to: "1" },
  ]);
});
