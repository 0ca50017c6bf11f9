// Node alone: no routes, no validation.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { announce } from "./announcement.ts";
import { draw, type Prompt } from "./picture.ts";

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Prompt;
    const payload = JSON.stringify(draw(body));
    response
      .writeHead(200, {
        "content-type": "application/json; charset=utf-8",
        "content-length": Buffer.byteLength(payload),
      })
      .end(payload);
  });
});
server.listen({ host: "127.0.0.1", port: 0 }, () => {
  announce(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
