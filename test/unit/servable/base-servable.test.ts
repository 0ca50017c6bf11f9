import assert from "node:assert/strict";
import { test } from "node:test";
import { App, BaseServable, endpoint, isServableClass } from "../../../src/index.ts";
import type * as baseModule from "../../../src/servable/base-servable.ts";
import { exitCodeOf } from "../../../src/servable/base-servable.ts";
import { StartupError, UsageError } from "../../../src/errors.ts";
import { silentLogger } from "../../helpers/silent-logger.ts";
import { secondCopy } from "../../helpers/second-copy.ts";
import { assertRefused } from "../../helpers/thrown.ts";

/** Records its method calls, in order. */
class Diary extends BaseServable {
  readonly lines: string[] = [];
  @endpoint("/")
  run(): string {
    return "ran";
  }
  override async setup(): Promise<void> {
    this.lines.push("setup");
  }
  override teardown(): void {
    this.lines.push("teardown");
  }
}

test("a constructor with parameters is rejected, and the message suggests setup()", () => {
  class Greedy extends App {
    constructor(..._models: []) {
      super();
    }
    @endpoint("/")
    run(): void {}
  }
  class Greedier extends App {
    readonly model: unknown;
    constructor(model: unknown) {
      super();
      this.model = model;
    }
  }
  assert.ok(new Greedy());
  assertRefused(
    () => new Greedier(5),
    "CONSTRUCTOR_ARGUMENTS",
    "The constructor of Greedier takes arguments, but the framework has none to give; load what you need in setup().",
  );
});

test("a class without routes can be instantiated, but not served", () => {
  class Empty extends App {}
  const empty = new Empty();
  assert.equal(empty.collectRoutes().size, 0);
  assertRefused(
    () => empty.buildServer(),
    "ROUTES_MISSING",
    'empty has no route; put @endpoint("/") on the method it should serve.',
  );
});

test("more than one health check is rejected when the class is used", () => {
  class Twice extends App {
    @endpoint("/a", { healthCheck: true })
    a(): void {}
    @endpoint("/b", { healthCheck: true })
    b(): void {}
  }
  assertRefused(() => new Twice().collectRoutes(), "HEALTH_CHECK_TWICE", /\/a and \/b/);
  assertRefused(() => new Twice().buildServer(), "HEALTH_CHECK_TWICE", /\/a and \/b/);
});

test("a route named like one of the framework's own methods is rejected", () => {
  class Serves extends BaseServable {
    @endpoint("/serve")
    override async serve(): Promise<void> {}
  }
  assertRefused(
    () => new Serves(),
    "ROUTE_METHOD_REFUSED",
    "Serves.serve() serves /serve, but serve() is the framework's own; rename it.",
  );
  class SetsUp extends BaseServable {
    @endpoint("/setup")
    override setup(): void {}
  }
  assertRefused(() => new SetsUp(), "ROUTE_METHOD_REFUSED", /setup\(\) is the framework's own/);
});

test("this also holds for the members of App, which a class in plain JavaScript could override", () => {
  const Untyped = App as unknown as new () => object;
  class Named extends Untyped {
    @endpoint("/name")
    appName(): string {
      return "mine";
    }
  }
  class Child extends Named {}
  assertRefused(
    () => new Named(),
    "ROUTE_METHOD_REFUSED",
    "Named.appName() serves /name, but appName() is the framework's own; rename it.",
  );
  assertRefused(() => new Child(), "ROUTE_METHOD_REFUSED", /^Child\.appName\(\) serves \/name/);
  class Base extends BaseServable {
    @endpoint("/name")
    appName(): string {
      return "not a member of this one";
    }
  }
  assert.equal(new Base().collectRoutes().size, 1);
});

test("health() may be an endpoint", () => {
  class Healthy extends BaseServable {
    @endpoint("/health", { healthCheck: true })
    override health(): unknown {
      return { fine: true };
    }
  }
  assert.equal(new Healthy().collectRoutes().size, 1);
});

test("the version is the class's own, and is inherited unless it is set", () => {
  class Versioned extends App {
    static override version = "3.2.1";
  }
  class Child extends Versioned {}
  class Plain extends App {}
  assert.deepEqual(new Versioned().health(), { version: "3.2.1" });
  assert.deepEqual(new Child().health(), { version: "3.2.1" });
  assert.deepEqual(new Plain().health(), { version: "0.1.0" });
});

test("the default lifespan calls setup before the server is ready and teardown when it closes", async () => {
  const diary = new Diary();
  const server = diary.buildServer({ logger: silentLogger() });
  assert.deepEqual(diary.lines, []);
  await server.ready();
  assert.deepEqual(diary.lines, ["setup"]);
  const answer = await server.inject({ method: "POST", url: "/" });
  assert.equal(answer.json(), "ran");
  await server.close();
  assert.deepEqual(diary.lines, ["setup", "teardown"]);
});

test("teardown runs even if the code inside the lifespan fails", async () => {
  const diary = new Diary();
  const life = diary.lifespan({} as never);
  await life.next();
  await assert.rejects(life.throw(new Error("the server broke")), /the server broke/);
  assert.deepEqual(diary.lines, ["setup", "teardown"]);
  const left = new Diary();
  const leaving = left.lifespan({} as never);
  await leaving.next();
  await leaving.return();
  assert.deepEqual(left.lines, ["setup", "teardown"]);
});

test("teardown does not run if setup failed", async () => {
  class Broken extends Diary {
    override async setup(): Promise<void> {
      throw new Error("no model");
    }
  }
  const broken = new Broken();
  const server = broken.buildServer({ logger: silentLogger() });
  await assert.rejects(async () => server.ready(), /no model/);
  await server.close();
  assert.deepEqual(broken.lines, []);
});

test("a failing teardown does not prevent the server from closing", async () => {
  class Broken extends Diary {
    override teardown(): void {
      throw new Error("stuck");
    }
  }
  const server = new Broken().buildServer({ logger: silentLogger() });
  await server.ready();
  await server.close();
});

test("a custom lifespan replaces setup and teardown, or wraps them", async () => {
  class Wrapped extends Diary {
    override async *lifespan(
      ...args: Parameters<BaseServable["lifespan"]>
    ): AsyncGenerator<void, void, void> {
      this.lines.push("before");
      yield* super.lifespan(...args);
      this.lines.push("after");
    }
  }
  const wrapped = new Wrapped();
  const server = wrapped.buildServer({ logger: silentLogger() });
  await server.ready();
  await server.close();
  assert.deepEqual(wrapped.lines, ["before", "setup", "teardown", "after"]);
});

test("generating documents requires neither setup nor a server", async () => {
  const diary = new Diary();
  await diary.openapi();
  assert.deepEqual(diary.lines, []);
});

test("servable classes are recognised, in either copy of the package", async () => {
  const copy = await secondCopy()<typeof baseModule>("servable/base-servable.ts");
  class Theirs extends copy.BaseServable {}
  class Mine extends App {}
  for (const recognises of [isServableClass, copy.isServableClass]) {
    assert.ok(recognises(Mine) && recognises(Theirs) && recognises(Diary));
    for (const other of [Map, new Diary(), undefined, null, "App", {}, () => 5])
      assert.ok(!recognises(other));
  }
  assert.ok(!isServableClass(BaseServable));
});

test("an error's exit code comes from the table; it is 1 for all others", () => {
  assert.equal(exitCodeOf(new StartupError("PORT_UNAVAILABLE", "m")), 3);
  assert.equal(exitCodeOf(new UsageError("m")), 1);
  for (const error of [new Error("m"), "text", undefined]) assert.equal(exitCodeOf(error), 1);
});
