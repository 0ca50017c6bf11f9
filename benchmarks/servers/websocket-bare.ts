// `ws` and msgpackr alone: frames are decoded and encoded, without validation.
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import { announce } from "./announcement.ts";

/** The part of msgpackr that is used here. */
interface Msgpackr {
  Packr: new (options: { useRecords: boolean; variableMapSize: boolean }) => {
    pack(value: unknown): Buffer;
    unpack(frame: Uint8Array): unknown;
  };
}

const rivals = createRequire(join(process.env["BENCHMARK_RIVALS"] ?? ".", "index.js"));
const { Packr } = rivals("msgpackr") as Msgpackr;
const packr = new Packr({ useRecords: false, variableMapSize: true }); // as compact as the output of other encoders

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (data) => socket.send(packr.pack(packr.unpack(data as Buffer))));
});
server.on("listening", () => announce(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`));
