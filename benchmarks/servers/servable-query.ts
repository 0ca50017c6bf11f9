// The same route as a servable, served as in production.
import { App, endpoint, type RequestContext } from "servable";
import { announce } from "./announcement.ts";
import { Page, Search } from "./search-page.ts";

/** Answers searches. */
export class Searches extends App {
  @endpoint("/", { method: "GET", query: Search, output: Page })
  async search({ query }: RequestContext<{ query: Search }>): Promise<Page> {
    return { query: query.q, limit: query.limit, exact: query.exact };
  }
}

await new Searches().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url),
});
