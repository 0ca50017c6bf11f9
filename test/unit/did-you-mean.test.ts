import assert from "node:assert/strict";
import { test } from "node:test";
import { closestName, didYouMean } from "../../src/did-you-mean.ts";

const KNOWN = ["minConcurrency", "keepAlive", "image", "port"];

test("case, dashes and underscores do not matter", () => {
  for (const word of ["min_concurrency", "MIN-CONCURRENCY", "minconcurrency", "min concurrency"]) {
    assert.equal(closestName(word, KNOWN), "minConcurrency");
  }
});

test("a long word may have two typos, a short one only one", () => {
  assert.equal(closestName("minConcurency", KNOWN), "minConcurrency");
  assert.equal(closestName("keepAlvie", KNOWN), "keepAlive");
  assert.equal(closestName("keebAliwes", KNOWN), undefined);
  assert.equal(closestName("por", KNOWN), "port");
  assert.equal(closestName("pot", KNOWN), "port");
  assert.equal(closestName("pa", KNOWN), undefined);
});

test("the closest of several names is suggested", () => {
  assert.equal(closestName("appFile", ["appFilesIgnore", "appFiles", "appName"]), "appFiles");
});

test("nothing is suggested for a word unlike all names, or without names", () => {
  assert.equal(closestName("model", KNOWN), undefined);
  assert.equal(closestName("port", []), undefined);
});

test("the suggestion comes at the end of a sentence, or is omitted", () => {
  assert.equal(didYouMean("ports", KNOWN), '; did you mean "port"?');
  assert.equal(didYouMean("model", KNOWN), "");
});
