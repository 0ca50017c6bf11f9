// The host of a picture, which also takes files as S3 and fal do.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { announce } from "./announcement.ts";
import { PICTURE } from "./thumbnail.ts";

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.writeHead(200, { "content-type": "image/jpeg", "content-length": PICTURE.length });
    return void response.end(PICTURE);
  }
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "application/json", etag: '"1"' });
    const file = `${url}/files/1`;
    response.end(
      request.method === "POST" ? JSON.stringify({ upload_url: file, file_url: file }) : undefined,
    );
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
announce(url);
