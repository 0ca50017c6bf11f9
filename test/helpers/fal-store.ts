import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { after } from "node:test";

/** A request that the store has received. */
interface StoreRequestRecord {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A server with the routes of fal's storage. */
export interface FalStore {
  readonly origin: string;
  readonly requests: StoreRequestRecord[];
  /** The content of each uploaded file, by its name. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Statuses to answer the next requests with whose URL matches. */
  readonly failures: { pattern: RegExp; status: number; times: number }[];
}

/** Starts a store, which ends with its test. */
export async function startFalStore(): Promise<FalStore> {
  const requests: StoreRequestRecord[] = [];
  const files = new Map<string, Buffer>();
  const parts = new Map<string, Map<number, Buffer>>();
  const failures: FalStore["failures"] = [];
  const server = createServer((request, response) => {
    void buffer(request).then(
      (body) => {
        const { method = "", url = "", headers } = request;
        requests.push({ method, url, headers, body });
        const answer = (status: number, value: object, more: Record<string, string> = {}): void => {
          response.writeHead(status, { "content-type": "application/json", ...more });
          response.end(JSON.stringify(value));
        };
        const failure = failures.find(({ pattern, times }) => times > 0 && pattern.test(url));
        if (failure !== undefined) {
          failure.times--;
          return answer(failure.status, { detail: "not now" });
        }
        const { pathname, searchParams } = new URL(url, "http://store");
        if (pathname.startsWith("/storage/upload/initiate")) {
          const { file_name: name } = JSON.parse(body.toString()) as { file_name: string };
          const type = searchParams.get("storage_type");
          return answer(200, {
            upload_url: `${origin}/up/${type}/${encodeURIComponent(name)}?sig=1`,
            file_url: `https://v3.fal.media/files/${type}/${name}`,
          });
        }
        const [, , type = "", name = "", part] = pathname.split("/");
        const key = decodeURIComponent(name);
        if (part === "complete") {
          const list = [...(parts.get(key) ?? new Map<number, Buffer>())].sort(
            ([one], [other]) => one - other,
          );
          files.set(key, Buffer.concat(list.map(([, bytes]) => bytes)));
          return answer(200, {});
        }
        if (part !== undefined) {
          if (type === "gcs" && method === "POST")
            return answer(200, { upload_url: `${origin}${pathname}?signed=1` });
          const own = parts.get(key) ?? new Map<number, Buffer>();
          parts.set(key, own.set(Number(part), body));
          return answer(200, {}, { etag: `"e${part}"` });
        }
        files.set(key, body);
        return answer(200, {});
      },
      () => {},
    ); // the sender has left
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, requests, files, failures };
}
