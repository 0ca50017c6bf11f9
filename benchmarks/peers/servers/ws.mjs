// Bare ws with msgpackr: decodes and encodes each message, validates nothing.
import { createServer } from "node:http";
import { Packr } from "msgpackr";
import { WebSocketServer } from "ws";
import { PORT } from "./work.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const http = createServer((_request, response) => response.end("ok"));
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (data) => socket.send(packr.pack(packr.unpack(data))));
});
http.listen(PORT, "127.0.0.1");
