import { Type, type Static } from "typebox";

/** The query string of the benchmark with parameters. */
export const Search = Type.Object({
  q: Type.String({ minLength: 1 }),
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 10 }),
  exact: Type.Boolean(),
});
export type Search = Static<typeof Search>;

/** Its answer. */
export const Page = Type.Object({ query: Type.String(), limit: Type.Integer(), exact: Type.Boolean() });
export type Page = Static<typeof Page>;
