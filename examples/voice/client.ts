// Streams a WAV file to the running app and prints each segment of speech when it comes back.
// npm run client -- [FILE] [URL]
import { readFile } from "node:fs/promises";
import { decode, encode } from "@msgpack/msgpack";
import { WebSocket } from "ws";
import { framesOf } from "./frame.ts";
import { readWav } from "./wav-file.ts";

const [file = "speech.wav", url = "ws://127.0.0.1:8080/segments"] = process.argv.slice(2);
const pcm = readWav(await readFile(file));

const socket = new WebSocket(url);
socket.on("open", () => {
  for (const frame of framesOf(pcm)) socket.send(encode({ pcm: frame }));
  socket.close(1000); // no more audio; an open segment is sent before the answer to this
});
socket.on("message", (data, isBinary) => {
  if (isBinary) {
    const { start, end } = decode(data as Buffer) as { start: number; end: number };
    console.log(`${start.toFixed(2)} s to ${end.toFixed(2)} s`);
    return;
  }
  const message = JSON.parse(String(data)) as { type: string; reason?: string };
  if (message.type === "x-fal-error") fail(message.reason ?? "an error");
});
socket.on("error", (error) => fail(error.message));

function fail(reason: string): void {
  console.error(reason);
  process.exitCode = 1;
}
