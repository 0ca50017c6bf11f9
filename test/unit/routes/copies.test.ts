import assert from "node:assert/strict";
import { test } from "node:test";
import type * as collectModule from "../../../src/routes/registry.ts";
import { collectRoutes } from "../../../src/routes/registry.ts";
import type * as endpointModule from "../../../src/routes/endpoint.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { assertRefused } from "../../helpers/thrown.ts";
import { secondCopy } from "../../helpers/second-copy.ts";

const load = secondCopy();
const copy = {
  ...(await load<typeof endpointModule>("routes/endpoint.ts")),
  ...(await load<typeof collectModule>("routes/registry.ts")),
};

const pathsOf = (collect: typeof collectRoutes, instance: object): string[] =>
  [...collect(instance).keys()].map(({ path }) => path);

test("the second copy of the package has decorators of its own", () => {
  assert.notEqual(copy.endpoint, endpoint);
});

test("a class decorated by one copy is readable for the other", () => {
  class Mine {
    @endpoint("/mine")
    run(): string {
      return "mine";
    }
  }
  class Theirs {
    @copy.endpoint("/theirs")
    run(): string {
      return "theirs";
    }
  }
  assert.deepEqual(pathsOf(copy.collectRoutes, new Mine()), ["/mine"]);
  assert.deepEqual(pathsOf(collectRoutes, new Theirs()), ["/theirs"]);
  for (const handler of collectRoutes(new Theirs()).values()) assert.equal(handler(), "theirs");
});

test("a subclass decorated by one copy adds to a parent decorated by the other", () => {
  class Parent {
    @copy.endpoint("/parent")
    run(): void {}
  }
  class Child extends Parent {
    @endpoint("/child")
    more(): void {}
  }
  for (const collect of [collectRoutes, copy.collectRoutes]) {
    assert.deepEqual(pathsOf(collect, new Child()), ["/child", "/parent"]);
    assert.deepEqual(pathsOf(collect, new Parent()), ["/parent"]);
  }
});

test("a method decorated by both copies is rejected", () => {
  assertRefused(
    () =>
      class {
        @endpoint("/one")
        @copy.endpoint("/two")
        run(): void {}
      },
    "ROUTE_DECORATED_TWICE",
    /^run\(\) has two route decorators/,
  );
});
