// What `ws` and a MessagePack codec alone take: frames are decoded and encoded, and nothing is checked.
import { Decoder, Encoder } from "@msgpack/msgpack";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { announce } from "./announcement.ts";

const encoder = new Encoder();
const decoder = new Decoder();

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (data) => socket.send(encoder.encode(decoder.decode(data as Buffer))));
});
server.on("listening", () => announce(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`));
