// A Fastify route that converts and validates its query string.
import { fastify } from "fastify";
import { announce } from "./announcement.ts";
import { Page, Search } from "./search-page.ts";

const server = fastify({ logger: false });
server.get<{ Querystring: Search }>(
  "/",
  { schema: { querystring: Search, response: { 200: Page } } },
  async ({ query }) => ({
    query: query.q,
    limit: query.limit,
    exact: query.exact,
  }),
);
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
