import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { FalServerlessError } from "../../../../src/errors.ts";
import { resolveCredentials, type CredentialOptions } from "../../../../src/platform/target/credentials.ts";
import { Secret } from "../../../../src/platform/target/secret.ts";

const profile = { name: "work", key: new Secret("profile-id:profile-secret") };
const PAIR = { FAL_KEY_ID: "pair-id", FAL_KEY_SECRET: "pair-secret" };

const found = (options: CredentialOptions): string => {
  const credentials = resolveCredentials({ environment: {}, ...options });
  return `${credentials.keyId} of ${credentials.origin}`;
};

test("credentials come from the first of argument, FAL_KEY, profile and key pair", () => {
  const environment = { ...PAIR, FAL_KEY: "variable-id:s" };
  assert.equal(found({ key: "argument-id:s", environment, profile }), "argument-id of the arguments");
  assert.equal(found({ environment, profile }), "variable-id of FAL_KEY");
  assert.equal(found({ environment: PAIR, profile }), "profile-id of the profile work");
  assert.equal(found({ environment: PAIR }), "pair-id of FAL_KEY_ID and FAL_KEY_SECRET");
});

test("a key is split at its first colon, and surrounding blanks are ignored", () => {
  const credentials = resolveCredentials({ environment: { FAL_KEY: " id:a:b\n" } });
  assert.deepEqual(credentials.metadata(), [
    ["auth-key", "a:b"],
    ["auth-key-id", "id"],
  ]);
  assert.equal(credentials.authorization(), "Key id:a:b");
});

test("an empty variable is ignored", () => {
  assert.equal(found({ environment: { ...PAIR, FAL_KEY: "" } }), "pair-id of FAL_KEY_ID and FAL_KEY_SECRET");
});

const REFUSED: readonly (readonly [
  what: string,
  options: CredentialOptions,
  code: string,
  message: RegExp,
])[] = [
  ["no key at all", {}, "CREDENTIALS_MISSING", /set FAL_KEY to id:secret.*saved login.*not used/],
  [
    "no colon",
    { environment: { FAL_KEY: "hidden" } },
    "CREDENTIALS_INVALID",
    /^The key from FAL_KEY does not have the form id:secret/,
  ],
  [
    "no id",
    { environment: { FAL_KEY: ":hidden" } },
    "CREDENTIALS_INVALID",
    /^The key from FAL_KEY does not have the form/,
  ],
  [
    "no secret",
    { environment: { FAL_KEY: "hidden:" } },
    "CREDENTIALS_INVALID",
    /^The key from FAL_KEY does not have the form/,
  ],
  [
    "a line break",
    { environment: { FAL_KEY: "a:hidden\nx" } },
    "CREDENTIALS_INVALID",
    /^The key from FAL_KEY has spaces/,
  ],
  [
    "no ASCII",
    { key: "a:hidden\u00e9" },
    "CREDENTIALS_INVALID",
    /^The key from the arguments has spaces or other characters/,
  ],
  [
    "a profile's",
    { profile: { name: "work", key: new Secret("hidden") } },
    "CREDENTIALS_INVALID",
    /^The key from the profile work does not have the form/,
  ],
  ["half a pair", { environment: { FAL_KEY_ID: "hidden" } }, "CREDENTIALS_INVALID", /FAL_KEY_SECRET is not/],
  [
    "the other half",
    { environment: { FAL_KEY_SECRET: "hidden" } },
    "CREDENTIALS_INVALID",
    /FAL_KEY_ID is not/,
  ],
  [
    "a whole key as an id",
    { environment: { FAL_KEY_ID: "hidden:x", FAL_KEY_SECRET: "hidden" } },
    "CREDENTIALS_INVALID",
    /a whole key goes into FAL_KEY/,
  ],
  [
    "a login that is forced",
    { environment: { FAL_FORCE_AUTH_BY_USER: "1", FAL_KEY: "hidden:hidden" } },
    "CREDENTIALS_MISSING",
    /FAL_FORCE_AUTH_BY_USER asks for a saved login, but only keys/,
  ],
];

for (const [what, options, code, message] of REFUSED) {
  test(`rejected without showing the secret: ${what}`, () => {
    assert.throws(
      () => resolveCredentials({ environment: {}, ...options }),
      (error) => {
        assert.ok(error instanceof FalServerlessError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        assert.doesNotMatch(
          inspect(error, { depth: 9, showHidden: true }).replaceAll(/at .*/g, ""),
          /hidden/,
        );
        return true;
      },
    );
  });
}

test("a key passed as an argument is used even if a login is forced", () => {
  assert.match(found({ key: "id:s", environment: { FAL_FORCE_AUTH_BY_USER: "1" } }), /^id of/);
});

test("printing credentials in any way does not show the secret", () => {
  const credentials = resolveCredentials({ environment: { FAL_KEY: "the-id:the-secret" } });
  const printed = [
    inspect(credentials, { depth: 9, showHidden: true }),
    inspect({ credentials }, { customInspect: false, showHidden: true, depth: 9 }),
    JSON.stringify({ credentials }),
    String(credentials.secret),
    `${credentials.secret}`,
    inspect(credentials.secret),
    inspect(Object.entries(credentials)),
  ].join("\n");
  assert.doesNotMatch(printed, /the-secret/);
  assert.match(printed, /the-id/);
});

test("a secret is removed from external messages, encoded or not", () => {
  const secret = new Secret("a/b+c");
  assert.equal(secret.removeFrom("no a/b+c and no a%2Fb%2Bc"), "no … and no …");
});

test("ISOLATE_AUTH_DISABLED is rejected by name, unless a key is passed as an argument", () => {
  for (const value of ["1", "true", "yes"]) {
    assert.throws(
      () => resolveCredentials({ environment: { ISOLATE_AUTH_DISABLED: value, FAL_KEY: "id:s" } }),
      {
        code: "CREDENTIALS_MISSING",
        message: /^ISOLATE_AUTH_DISABLED asks for calls without a key/,
      },
    );
  }
  const environment = { ISOLATE_AUTH_DISABLED: "1" };
  assert.equal(resolveCredentials({ key: "given-id:s", environment }).keyId, "given-id");
  for (const value of ["0", "false", ""]) {
    const off = { ISOLATE_AUTH_DISABLED: value, FAL_KEY: "id:s" };
    assert.equal(resolveCredentials({ environment: off }).keyId, "id");
  }
});
