// Bare Fastify with its plugin, which stores the file in a temporary file, too.
import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fastify, type FastifyPluginCallback, type FastifyRequest } from "fastify";
import { announce } from "./announcement.ts";

/** The part of the plugin that is used here. */
interface WithFiles {
  saveRequestFiles(): Promise<{ files: { filepath: string }[] }>;
}

const rivals = createRequire(join(process.env["BENCHMARK_RIVALS"] ?? ".", "index.js"));
const plugin = rivals("@fastify/multipart") as FastifyPluginCallback<{ limits: { fileSize: number } }>;

const server = fastify({ logger: false, bodyLimit: 200_000_000 });
server.register(plugin, { limits: { fileSize: 200_000_000 } });
async function store(request: FastifyRequest): Promise<{ size: number }> {
  const { files } = await (request as FastifyRequest & WithFiles).saveRequestFiles();
  const [file] = files;
  return { size: file === undefined ? 0 : statSync(file.filepath).size };
}
server.post("/", (request) => store(request));
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
