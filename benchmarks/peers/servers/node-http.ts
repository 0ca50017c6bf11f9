// Node alone: no routes, no validation.
import { createServer } from "node:http";
import type { Prompt } from "./schemas.ts";
import { paint, PORT } from "./work.ts";

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const payload = JSON.stringify(paint(JSON.parse(Buffer.concat(chunks).toString("utf8")) as Prompt));
    response
      .writeHead(200, {
        "content-type": "application/json; charset=utf-8",
        "content-length": Buffer.byteLength(payload),
      })
      .end(payload);
  });
}).listen(PORT, "127.0.0.1");
