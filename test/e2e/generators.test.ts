import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { cleanEnvironment, cliCommand } from "../helpers/cli.ts";
import { createToolProject } from "../helpers/tool-packages.ts";

const run = promisify(execFile);

const APP = `
import { Type, type Static } from "typebox";
import { Image } from "servable/media";
import { App, bearerTokens, bytes, endpoint, form, multipart, realtime, upload, type RequestContext } from "servable";

const Item = Type.Object(
  {
    id: Type.Integer(),
    name: Type.String({ maxLength: 100 }),
    scores: Type.Record(Type.String(), Type.Number()),
    anything: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    kind: Type.Union([Type.Literal("a"), Type.Literal("b")]),
    note: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "Item" },
);
type Item = Static<typeof Item>;
const Query = Type.Object({ page: Type.Integer({ default: 1 }), tag: Type.Optional(Type.Array(Type.String())) });
const Params = Type.Object({ id: Type.Integer() });
const Picture = multipart({ image: upload({ maxBytes: 1_000_000, contentTypes: ["image/png"] }), title: Type.String() });
const Album = multipart({
  cover: Image({ contentTypes: ["image/png", "image/jpeg"], description: "The first page." }),
  pages: Type.Array(Image(), { maxItems: 5 }),
  title: Type.String(),
}, { $id: "Album" });
const Login = form(Type.Object({ user: Type.String(), password: Type.String() }));

const item: Item = { id: 1, name: "one", scores: {}, kind: "a", note: null };

export class Shop extends App {
  static override auth = bearerTokens({ env: "API_KEYS" });

  @endpoint("/items", { method: "GET", query: Query, output: Type.Array(Item) })
  list(_ctx: RequestContext<{ query: Static<typeof Query> }>): Item[] {
    return [item];
  }

  @endpoint("/items/:id", { method: "GET", params: Params, output: Item })
  one(_ctx: RequestContext<{ params: Static<typeof Params> }>): Item {
    return item;
  }

  @endpoint("/items/:id", { method: "DELETE", params: Params, status: 204 })
  remove(_ctx: RequestContext<{ params: Static<typeof Params> }>): void {}

  @endpoint("/items", { input: Item, output: Item, status: 201, batch: { maxSize: 4 }, timeoutMs: 1000 })
  add(items: Item[]): Item[] {
    return items;
  }

  @endpoint("/watch", { input: Item, output: Item, stream: true })
  async *watch(input: Item): AsyncGenerator<Item> {
    yield input;
  }

  @endpoint("/picture", { input: Picture, output: bytes({ contentType: "image/png" }) })
  async picture({ image }: Static<typeof Picture>): Promise<Uint8Array> {
    return image.bytes();
  }

  @endpoint("/album", { input: Album, output: Type.Object({ cover: Image() }) })
  album({ cover }: Static<typeof Album>): { cover: Image } {
    return { cover };
  }

  @endpoint("/raw", { input: bytes({ contentType: "audio/wav", maxBytes: 1000 }) })
  raw(input: Uint8Array): number {
    return input.length;
  }

  @endpoint("/login", { input: Login, public: true })
  login(input: Static<typeof Login>): string {
    return input.user;
  }

  @realtime("/live", { input: Item, output: Item })
  live(input: Item): Item {
    return input;
  }
}
`;

/** Programs that call the app by the generated types. Compiled only. */
const CALLS = `
import type { paths } from "./types.ts";
import { add, album, list, one } from "./client/index.ts";

type Answer = paths["/items/{id}"]["get"]["responses"][200]["content"]["application/json"];
const score = (answer: Answer): number | undefined => answer.scores["a"];
type Page = NonNullable<paths["/items"]["get"]["parameters"]["query"]>["page"];
const page: Page = 2;

const item = { id: 1, name: "one", scores: { a: 1 }, kind: "a", note: null } as const;
export const results = [
  list({ query: { page, tag: ["x"] } }),
  one({ path: { id: 1 } }),
  add({ body: item }),
  album({ body: { cover: new Blob(["a"]), pages: [new File(["b"], "b.png")], title: "Dogs" } }),
  score,
];
`;

const FILES = {
  "app.ts": APP,
  "calls.ts": CALLS,
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      ...{ module: "NodeNext", target: "ES2022", strict: true, noEmit: true, skipLibCheck: true },
      ...{ lib: ["ES2023", "DOM", "DOM.Iterable"], allowImportingTsExtensions: true },
    },
    files: ["calls.ts"],
  }),
};

describe("the OpenAPI document of an app with methods, parameters, files, streams and keys is read without a complaint", async () => {
  const folder = await createToolProject("generators", FILES);
  const [program = "", ...args] = cliCommand();
  // With the root path under which a platform serves the app.
  const env = cleanEnvironment({ FAL_APP_ROOT_PATH: "/user/shop" });
  await run(program, [...args, "openapi", "app.ts", "--output", "openapi.json"], { cwd: folder, env });

  const call = async (program: string, ...args: string[]): Promise<string> => {
    const env = cleanEnvironment({ NO_COLOR: "1" });
    try {
      const { stdout, stderr } = await run(process.execPath, [program, ...args], { cwd: folder, env });
      return stdout + stderr;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${program} failed:\n${stdout}\n${stderr}`, { cause: error });
    }
  };
  const installed = (path: string): string => join(folder, "../node_modules", path);

  test("by Redocly's recommended rules: no error but that fal's keyword `ui` has no x-", async () => {
    const args = [installed("@redocly/cli/bin/cli.js"), "lint", "openapi.json", "--format", "json"];
    // It exits with 1 if it finds an error.
    const { stdout } = (await run(process.execPath, args, { cwd: folder, env }).catch(
      (error: unknown) => error,
    )) as { stdout: string };
    const { problems } = JSON.parse(stdout) as { problems: { severity: string; message: string }[] };
    const errors = problems.filter(({ severity }) => severity === "error").map(({ message }) => message);
    assert.deepEqual(new Set(errors), new Set(["Property `ui` is not expected here."]), stdout);
  });

  test("by openapi-typescript and @hey-api/openapi-ts: no warning, and calls compile", async () => {
    const types = await call(
      installed("openapi-typescript/bin/cli.js"),
      ...["openapi.json", "--output", "types.ts"],
    );
    assert.doesNotMatch(types, /warn|error/i);
    const client = await call(
      installed("@hey-api/openapi-ts/bin/run.js"),
      ...["--input", "openapi.json", "--output", "client", "--no-log-file"],
    );
    assert.doesNotMatch(client, /warn|error/i);
    await call(installed("typescript/lib/tsc.js"), "-p", ".");
  });

  test("the parts of a multipart body that are pictures are bytes of their types", () => {
    const text = readFileSync(join(folder, "openapi.json"), "utf8");
    const { paths, components } = JSON.parse(text) as {
      paths: Record<string, { post?: { requestBody: { content: object } } }>;
      components: { schemas: Record<string, { properties: Record<string, object> }> };
    };
    assert.deepEqual(paths["/album"]?.post?.requestBody.content, {
      "multipart/form-data": {
        schema: { $ref: "#/components/schemas/Album" },
        encoding: { cover: { contentType: "image/png, image/jpeg" }, pages: { contentType: "image/*" } },
      },
    });
    const url = "The file, or its http, https or data URL as text.";
    const page = { type: "string", format: "binary", contentMediaType: "application/octet-stream" };
    assert.deepEqual(components.schemas["Album"]?.properties, {
      cover: { ...page, description: `The first page.\n\n${url}`, title: "Cover" },
      pages: {
        type: "array",
        items: { ...page, description: url },
        maxItems: 5,
        title: "Pages",
      },
      title: { type: "string", title: "Title" },
    });
  });

  test("maps are additionalProperties, and every named schema is used", () => {
    const text = readFileSync(join(folder, "openapi.json"), "utf8");
    const { components } = JSON.parse(text) as {
      components: { schemas: Record<string, { properties?: Record<string, object> }> };
    };
    assert.deepEqual(components.schemas["Item"]?.properties?.["scores"], {
      type: "object",
      additionalProperties: { type: "number" },
      title: "Scores",
    });
    for (const name of Object.keys(components.schemas)) {
      assert.ok(text.includes(`"#/components/schemas/${name}"`), `${name} is not used`);
    }
  });
});
