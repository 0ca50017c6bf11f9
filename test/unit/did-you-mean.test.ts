import assert from "node:assert/strict";
import { test } from "node:test";
import { closestName, didYouMean } from "../../src/did-you-mean.ts";

const KNOWN = ["minConcurrency", "keepAlive", "image", "port"];

test("case, dashes and underscores make no difference", () => {
  for (const word of ["min_concurrency", "MIN-CONCURRENCY", "minconcurrency", "min concurrency"]) {
    assert.equal(closestName(word, KNOWN), "minConcurrency");
  }
});

test("two typos are forgiven in a long word, one in a short one", () => {
  assert.equal(closestName("minConcurency", KNOWN), "minConcurrency");
  assert.equal(closestName("keepAlvie", KNOWN), "keepAlive");
  assert.equal(closestName("keebAliwes", KNOWN), undefined);
  assert.equal(closestName("por", KNOWN), "port");
  assert.equal(closestName("pot", KNOWN), "port");
  assert.equal(closestName("pa", KNOWN), undefined);
});

test("the closest of several is meant", () => {
  assert.equal(closestName("appFile", ["appFilesIgnore", "appFiles", "appName"]), "appFiles");
});

test("nothing is close to nothing", () => {
  assert.equal(closestName("model", KNOWN), undefined);
  assert.equal(closestName("port", []), undefined);
});

test("the question ends a sentence, or is not asked", () => {
  assert.equal(didYouMean("ports", KNOWN), '; did you mean "port"?');
  assert.equal(didYouMean("model", KNOWN), "");
});
