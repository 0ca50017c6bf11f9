/** Parameters of endpoints that must and must not compile. Nothing here runs: the type check is the test. */
import { Type, type Static } from "typebox";
import { currentRequest } from "../../src/current.ts";
import { App, endpoint, type BatchContext, type RequestContext } from "../../src/index.ts";

const Params = Type.Object({ id: Type.Integer() });
type Params = Static<typeof Params>;
const Query = Type.Object({ limit: Type.Integer({ default: 10 }), tag: Type.Optional(Type.String()) });
type Query = Static<typeof Query>;
const Headers = Type.Object({ "x-count": Type.Integer() });
type Headers = Static<typeof Headers>;
const Body = Type.Object({ name: Type.String() });
type Body = Static<typeof Body>;

export class Accepted extends App {
  @endpoint("/a/:id", { method: "GET", params: Params, query: Query, headers: Headers })
  all(ctx: RequestContext<{ params: Params; query: Query; headers: Headers }>): string {
    const other: unknown = ctx.headers["x-other"];
    return `${ctx.params.id.toFixed()}${ctx.query.limit.toFixed()}${ctx.headers["x-count"].toFixed()}${String(other)}`;
  }

  @endpoint("/b/:id/:name", { method: "DELETE" })
  texts({ params }: RequestContext<{ params: { id: string; name: string } }>): string {
    return params.id + params.name;
  }

  @endpoint("/c/:id", { method: "PUT", input: Body, query: Query })
  body(input: Body, { query }: RequestContext<{ query: Query }>): string {
    return input.name + query.limit.toFixed();
  }

  @endpoint("/d/:id", { method: "GET" })
  plain(ctx: RequestContext): string | undefined {
    return ctx.params["id"];
  }

  @endpoint("/e", { method: "GET", query: Query })
  caller(ctx: RequestContext<{ query: Query; caller: { name: string } }>): string {
    return ctx.caller.name;
  }

  @endpoint("/f/:id", { params: Params, input: Body, batch: { maxSize: 2 } })
  batch(inputs: Body[], batch: BatchContext<{ params: Params }>): number[] {
    return inputs.map((_, index) => batch.requests[index]?.params.id ?? 0);
  }

  @endpoint("/groups/:id/:model", {
    query: Query,
    headers: Headers,
    input: Body,
    batch: {
      maxSize: 2,
      groupBy: ({ name }, { params, query, headers, caller }) =>
        name +
        params.id +
        params.model +
        query.limit.toFixed() +
        headers["x-count"].toFixed() +
        String(caller),
      cost: (_input, { query }) => query.limit,
    },
  })
  groups(inputs: Body[]): string[] {
    return inputs.map(({ name }) => name);
  }

  @endpoint("/typed-groups/:id", {
    params: Params,
    input: Body,
    batch: { maxSize: 2, groupBy: (_input, { params }) => params.id.toFixed() },
  })
  typedGroups(inputs: Body[], _batch: BatchContext<{ params: Params }>): string[] {
    return inputs.map(({ name }) => name);
  }

  @endpoint("/g/:id", { method: "GET", params: Params, query: Query })
  part({ query }: Pick<RequestContext<{ query: Query }>, "query">): number {
    return query.limit;
  }
}

/** The parts of the current request have the types that are given. */
export function currentParts(): [string, number, unknown, string | undefined, unknown] {
  const typed = currentRequest<{ caller: { name: string }; query: Query }>();
  return [
    typed?.caller.name ?? "",
    typed?.query.limit ?? 0,
    currentRequest()?.caller,
    currentRequest()?.params["id"],
    // @ts-expect-error the query has no such parameter
    typed?.query.other,
  ];
}

export class Refused extends App {
  // @ts-expect-error the query has another type
  @endpoint("/a", { method: "GET", query: Query })
  query(_ctx: RequestContext<{ query: { limit: string } }>): void {}

  // @ts-expect-error with a schema, the query is not text
  @endpoint("/b", { method: "GET", query: Query })
  text(_ctx: RequestContext): void {}

  // @ts-expect-error the path has no such parameter
  @endpoint("/c/:id", { method: "GET" })
  name(_ctx: RequestContext<{ params: { name: string } }>): void {}

  // @ts-expect-error without a schema, a parameter is text
  @endpoint("/d/:id", { method: "GET" })
  number(_ctx: RequestContext<{ params: { id: number } }>): void {}

  // @ts-expect-error the header is a number
  @endpoint("/e", { method: "GET", headers: Headers })
  header(_ctx: RequestContext<{ headers: { "x-count": string } }>): void {}

  // @ts-expect-error not a method of an endpoint
  @endpoint("/f", { method: "HEAD" })
  method(): void {}

  // @ts-expect-error the path has no such parameter
  @endpoint("/h/:id", { input: Body, batch: { maxSize: 2, groupBy: (_input, { params }) => params.model } })
  group(inputs: Body[]): number[] {
    return inputs.map(() => 1);
  }

  // @ts-expect-error without a schema, a parameter is text
  @endpoint("/i/:id", { input: Body, batch: { maxSize: 2, cost: (_input, { params }) => params.id } })
  cost(inputs: Body[]): number[] {
    return inputs.map(() => 1);
  }

  // @ts-expect-error the second parameter has another query
  @endpoint("/g", { input: Body, query: Query })
  second(_input: Body, _ctx: RequestContext<{ query: { limit: boolean } }>): void {}
}
