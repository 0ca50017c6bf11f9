import { fn } from "servable";
import { Type, type Static } from "typebox";

const Title = Type.Object({
  title: Type.String({ minLength: 1, maxLength: 200 }),
  locale: Type.String({ default: "en", description: "The language, such as de: Ä becomes Ae there." }),
});
type Title = Static<typeof Title>;
const Slug = Type.Object({ slug: Type.String() });
type Slug = Static<typeof Slug>;

/** Makes the slug of a page's address from its title. */
export const makeSlug = fn(
  {
    requirements: ["slugify@1.6.6"],
    serve: true,
    input: Title,
    output: Slug,
    exposedPort: 0, // any free port
    metricsPort: 0,
  },
  async ({ title, locale }: Title): Promise<Slug> => {
    const { default: slugify } = await import("slugify");
    return { slug: slugify(title, { lower: true, strict: true, locale }) };
  },
);

const server = makeSlug.spawn();
const url = await server.url;
console.log(`served at ${url}; try it at ${url}/docs`);

for (const body of [{ title: "Ärger im Büro?", locale: "de" }, { title: "" }]) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/`, { method: "POST", headers, body: JSON.stringify(body) });
  console.log(answer.status, await answer.text());
}

server.stream.cancel();
await server.result.catch(() => console.log("stopped"));
