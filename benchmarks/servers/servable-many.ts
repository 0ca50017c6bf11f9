// A servable with many endpoints.
import { App, endpoint } from "servable";
import { announce } from "./announcement.ts";
import { ENDPOINTS, resultOf, schemasOf } from "./many-schemas.ts";

/** Its endpoints are added below: a decorator is a function. */
class Many extends App {}
const metadata = Object.create(null) as DecoratorMetadataObject;
Object.defineProperty(Many, Symbol.metadata, { value: metadata });
for (let index = 0; index < ENDPOINTS; index++) {
  const { input, output } = schemasOf(index);
  const name = `method${index}`;
  const method = async (_input: unknown): Promise<object> => resultOf(index);
  const context = { kind: "method", name, static: false, private: false, metadata };
  const decorate = endpoint(`/path-${index}`, { input, output }) as (
    method: unknown,
    context: object,
  ) => void;
  decorate(method, context);
  Object.defineProperty(Many.prototype, name, { value: method });
}

await new Many().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url),
});
