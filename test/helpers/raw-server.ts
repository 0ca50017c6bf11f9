import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { after } from "node:test";

/** A server that answers each request with bytes of the test's choice. */
export interface RawServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** The head of each request. */
  readonly requests: string[];
  /** The open connections. */
  readonly sockets: ReadonlySet<Socket>;
}

/** Starts a server that calls `answer` with each request's head. Closed after the test or the file that calls this. */
export async function startRawServer(answer: (socket: Socket, head: string) => void): Promise<RawServer> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    let head = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      head += text;
      if (!head.includes("\r\n\r\n")) return;
      requests.push(head);
      answer(socket, head);
      head = "";
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, origin: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, requests, sockets };
}
