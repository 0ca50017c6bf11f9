// Talks to the running app: node --import tsx client.ts [URL]. Any websocket and MessagePack library works.
import { once } from "node:events";
import { decode, encode } from "@msgpack/msgpack";
import { WebSocket } from "ws";

const url = (process.argv[2] ?? "http://127.0.0.1:8080").replace(/^http/, "ws");

/** Opens a session. Results arrive as binary frames, control messages as JSON texts. */
async function connect(path: string, onResult: (result: unknown) => void): Promise<WebSocket> {
  const socket = new WebSocket(url + path);
  socket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) return onResult(decode(data));
    const message = JSON.parse(data.toString());
    if (message.error === "INTERNAL_ERROR") console.error(`The app rejected it: ${message.reason}`);
  });
  await once(socket, "open");
  return socket;
}

// Unary: one result for each message, in order. The session stays open for more.
let answered = (_words: string[]): void => {};
const suggestions = await connect("/suggest", (result) => answered((result as { words: string[] }).words));
for (const text of ["", "she w", "the rabbit "]) {
  const words = await new Promise<string[]>((resolve) => {
    answered = resolve;
    suggestions.send(encode({ text, top: 3 }));
  });
  console.log(`${JSON.stringify(text)} → ${words.join(", ")}`);
}
suggestions.close();

// Server streaming: one message, then results until the app closes the session.
const written: string[] = [];
const stream = await connect("/write", (result) => written.push((result as { word: string }).word));
stream.send(encode({ start: "Alice", length: 12 }));
await once(stream, "close");
console.log(written.join(" "));
