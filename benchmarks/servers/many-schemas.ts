import { Type } from "typebox";

/** The number of endpoints of the servers that have many. */
export const ENDPOINTS = 500;

/** The schemas of one of many endpoints: no two are the same. */
export function schemasOf(index: number) {
  const input = Type.Object({
    prompt: Type.String({ minLength: 1 }),
    [`field${index}`]: Type.Optional(Type.String()),
    steps: Type.Integer({ minimum: 1, maximum: 100, default: 25 }),
    format: Type.Union([Type.Literal("png"), Type.Literal("jpeg")]),
    size: Type.Object({ width: Type.Integer(), height: Type.Integer() }),
  });
  const output = Type.Object({
    images: Type.Array(Type.Object({ url: Type.String(), width: Type.Integer(), height: Type.Integer() })),
    [`result${index}`]: Type.String(),
    seed: Type.Integer(),
  });
  return { input, output };
}

/** A valid body of every endpoint. */
export const BODY = { prompt: "a lighthouse", format: "png", size: { width: 1024, height: 768 } };

/** The result of an endpoint. */
export function resultOf(index: number) {
  return {
    images: [{ url: "https://a.example/1.png", width: 1024, height: 768 }],
    [`result${index}`]: "",
    seed: 1,
  };
}
