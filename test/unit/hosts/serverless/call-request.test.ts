import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAppAddress } from "../../../../src/hosts/serverless/call-request.ts";
import { resolveEndpoints } from "../../../../src/platform/target/endpoints.ts";

const [secure, plain] = ["https://api.test", "http://api.test"].map(
  (host) => resolveEndpoints({ host, environment: {} }).grpc,
);
assert.ok(secure !== undefined && plain !== undefined);

test("a control plane behind TLS may only name TLS addresses; one in plain text may name both", () => {
  checkAppAddress("https://run.test/app", secure);
  checkAppAddress("https://run.test/app", plain);
  checkAppAddress("http://run.test/app", plain);
  assert.throws(() => checkAppAddress("http://run.test/app?a=1", secure), {
    code: "PLATFORM_REFUSED",
    message:
      "The control plane at api.test returned an address for the function that must not get the key: http://run.test.",
  });
});

test("the key is not sent to addresses that are not HTTP", () => {
  for (const url of ["", "run.test/app", "ftp://run.test", "file:///etc/passwd", "javascript:alert(1)"]) {
    for (const endpoint of [secure, plain]) {
      assert.throws(() => checkAppAddress(url, endpoint), /not an http\(s\) address\.$/);
    }
  }
});
