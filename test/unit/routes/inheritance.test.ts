import assert from "node:assert/strict";
import { test } from "node:test";
import { collectRoutes } from "../../../src/routes/registry.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { assertRefused } from "../../helpers/thrown.ts";

/** `path → method` of a class, in collected order. */
function routesOf(constructor: new () => object): string[] {
  return [...collectRoutes(new constructor()).keys()].map(({ path, methodName }) => `${path} ${methodName}`);
}

function call(instance: object, path: string): unknown {
  for (const [route, handler] of collectRoutes(instance)) if (route.path === path) return handler();
  return assert.fail(`${path} is not served`);
}

class Base {
  @endpoint("/first")
  first(): string {
    return "base first";
  }
  @endpoint("/second")
  second(): string {
    return "base second";
  }
}

test("a subclass without decorators serves its parent's routes", () => {
  class Child extends Base {}
  assert.deepEqual(routesOf(Child), ["/first first", "/second second"]);
});

test("a subclass adds a route without changing its parent or its siblings", () => {
  class Adds extends Base {
    @endpoint("/third")
    third(): string {
      return "third";
    }
  }
  class Sibling extends Base {
    @endpoint("/third")
    another(): string {
      return "another";
    }
  }
  assert.deepEqual(routesOf(Adds), ["/first first", "/second second", "/third third"]);
  assert.deepEqual(routesOf(Sibling), ["/first first", "/second second", "/third another"]);
  assert.deepEqual(routesOf(Base), ["/first first", "/second second"]);
});

test("a subclass replaces a route by decorating a method of the same name", () => {
  class Moves extends Base {
    @endpoint("/moved", { timeoutMs: 9 })
    override first(): string {
      return "moved";
    }
  }
  class Sibling extends Base {}
  assert.deepEqual(routesOf(Moves), ["/moved first", "/second second"]);
  assert.deepEqual(routesOf(Base), ["/first first", "/second second"]);
  assert.deepEqual(routesOf(Sibling), ["/first first", "/second second"]);
  assert.equal(call(new Moves(), "/moved"), "moved");
});

test("a subclass may decorate the same method at the same path again", () => {
  class Again extends Base {
    @endpoint("/first", { summary: "Mine" })
    override first(): string {
      return "again";
    }
  }
  const [route] = collectRoutes(new Again()).keys();
  assert.equal(route?.summary, "Mine");
  assert.equal(call(new Again(), "/first"), "again");
  assert.equal(call(new Base(), "/first"), "base first");
});

test("an overriding method without a decorator keeps the route, and is called", () => {
  class Overrides extends Base {
    override first(): string {
      return `child of ${super.first()}`;
    }
  }
  assert.deepEqual(routesOf(Overrides), ["/first first", "/second second"]);
  assert.equal(call(new Overrides(), "/first"), "child of base first");
});

test("three generations combine their routes, each with its own", () => {
  class Middle extends Base {
    @endpoint("/middle")
    middle(): void {}
  }
  class Last extends Middle {
    @endpoint("/last")
    last(): void {}
    @endpoint("/renamed")
    override middle(): void {}
  }
  assert.deepEqual(routesOf(Last), ["/first first", "/last last", "/renamed middle", "/second second"]);
  assert.deepEqual(routesOf(Middle), ["/first first", "/middle middle", "/second second"]);
});

test("an unused inherited path may be taken by another method of the subclass", () => {
  class Frees extends Base {
    @endpoint("/elsewhere")
    override first(): string {
      return "moved";
    }
    @endpoint("/first")
    successor(): string {
      return "successor";
    }
  }
  assert.deepEqual(routesOf(Frees), ["/elsewhere first", "/first successor", "/second second"]);
});

test("handlers are bound to their instance", () => {
  class Counter {
    #count = 0;
    @endpoint("/count")
    count(): number {
      return ++this.#count;
    }
  }
  const [one, two] = [new Counter(), new Counter()];
  assert.equal(call(one, "/count"), 1);
  assert.equal(call(one, "/count"), 2);
  assert.equal(call(two, "/count"), 1);
});

test("two decorators on one method are rejected", () => {
  assertRefused(
    () =>
      class {
        @endpoint("/one")
        @endpoint("/two")
        run(): void {}
      },
    "ROUTE_DECORATED_TWICE",
    "run() has two route decorators; give each route a method of its own.",
  );
});

test("two methods of one class on one path are rejected", () => {
  assertRefused(
    () =>
      class {
        @endpoint("/same")
        one(): void {}
        @endpoint("/same")
        two(): void {}
      },
    "ROUTE_PATH_TAKEN",
    "two() and one() both claim POST /same; change one path.",
  );
});

test("a method on an inherited path is rejected when routes are collected, with the name of the method to override", () => {
  class Other extends Base {
    @endpoint("/first")
    other(): void {}
  }
  class Grandchild extends Other {}
  for (const Refused of [Other, Grandchild]) {
    assertRefused(
      () => routesOf(Refused),
      "ROUTE_PATH_TAKEN",
      "other() and first() both claim POST /first; change one path, or name the method first to replace the " +
        "inherited one.",
    );
  }
  assert.deepEqual(routesOf(Base), ["/first first", "/second second"], "the refused class left no trace");
});

test("if a method is moved to an inherited path, the error names that method, wherever its parent declared it", () => {
  class Moves extends Base {
    @endpoint("/second")
    override first(): string {
      return "moved";
    }
  }
  assertRefused(
    () => routesOf(Moves),
    "ROUTE_PATH_TAKEN",
    /^first\(\) and second\(\) both claim POST \/second;/,
  );
  class Mends extends Moves {
    @endpoint("/elsewhere")
    override second(): string {
      return "moved too";
    }
  }
  assert.deepEqual(routesOf(Mends), ["/elsewhere second", "/second first"]);
});

test("a subclass may swap the paths of two inherited methods, in any order", () => {
  class Swaps extends Base {
    @endpoint("/second")
    override first(): string {
      return "first, at second";
    }
    @endpoint("/first")
    override second(): string {
      return "second, at first";
    }
  }
  assert.deepEqual(routesOf(Swaps), ["/first second", "/second first"]);
  assert.equal(call(new Swaps(), "/first"), "second, at first");
  assert.equal(call(new Base(), "/first"), "base first");
});

test("paths that differ in case or by a trailing slash are different", () => {
  class Alike {
    @endpoint("/a")
    a(): void {}
    @endpoint("/A")
    b(): void {}
    @endpoint("/a/")
    c(): void {}
  }
  assert.deepEqual(routesOf(Alike), ["/A b", "/a a", "/a/ c"]);
});
