// Fastify routes that take pictures, and return one, as they are written by hand. The arguments are a storage and the address
// of file-host.ts.
import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { fastify, type FastifyPluginCallback, type FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { announce } from "./announcement.ts";
import { PICTURE, PICTURE_HEIGHT, PICTURE_WIDTH, shrink, Size, STORED } from "./thumbnail.ts";

const [storage = "data", host = ""] = process.argv.slice(2);
const MAX_BYTES = 50 * 1024 * 1024;
const TYPE = "image/jpeg";

const Url = Type.Object({ image: Type.String() });
const Picture = Type.Object({
  image: Type.Object({
    url: Type.String(),
    content_type: Type.String(),
    file_name: Type.String(),
    file_size: Type.Integer(),
    width: Type.Integer(),
    height: Type.Integer(),
  }),
});

/** The part of @fastify/multipart that is used here. */
interface WithFile {
  file(): Promise<{ toBuffer(): Promise<Buffer> } | undefined>;
}

const rivals = createRequire(join(process.env["BENCHMARK_RIVALS"] ?? ".", "index.js"));
const plugin = rivals("@fastify/multipart") as FastifyPluginCallback<{ limits: { fileSize: number } }>;

const server = fastify({ logger: false });
server.register(plugin, { limits: { fileSize: MAX_BYTES } });

server.post(
  "/shrink",
  { schema: { body: Url, response: { 200: Size } } },
  async ({ body }: FastifyRequest<{ Body: Static<typeof Url> }>) => shrink(await bytesOf(body.image)),
);
server.post("/shrink-upload", { schema: { response: { 200: Size } } }, (request) => shrinkUpload(request));
server.post("/draw", { schema: { response: { 200: Picture } } }, async () => {
  await shrink(PICTURE);
  const name = `${randomUUID()}.jpg`;
  return {
    image: {
      url: await store(name, PICTURE),
      content_type: TYPE,
      file_name: name,
      file_size: PICTURE.length,
      width: PICTURE_WIDTH,
      height: PICTURE_HEIGHT,
    },
  };
});

async function shrinkUpload(request: FastifyRequest): Promise<Static<typeof Size>> {
  const file = await (request as FastifyRequest & WithFile).file();
  if (file === undefined) throw new Error("no file");
  return shrink(await file.toBuffer());
}

async function bytesOf(url: string): Promise<Uint8Array> {
  const comma = url.indexOf(";base64,");
  if (url.startsWith("data:image/") && comma > 0) {
    return Buffer.from(url.slice(comma + ";base64,".length), "base64");
  }
  if (new URL(url).origin !== host) throw new Error("not an allowed host");
  const answer = await fetch(url, { signal: AbortSignal.timeout(120_000) });
  if (!answer.ok || Number(answer.headers.get("content-length")) > MAX_BYTES) throw new Error("no file");
  return new Uint8Array(await answer.arrayBuffer());
}

const aws = new AwsClient({
  accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "",
  secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? "",
  service: "s3",
  region: "us-east-1",
});
if (storage === "local") await mkdir(STORED, { recursive: true });

async function store(name: string, bytes: Buffer<ArrayBuffer>): Promise<string> {
  if (storage === "local") return storeInFolder(name, bytes);
  if (storage === "s3") return storeInBucket(name, bytes);
  if (storage === "fal") return storeAtFal(name, bytes);
  return `data:${TYPE};base64,${bytes.toString("base64")}`;
}

async function storeInFolder(name: string, bytes: Buffer): Promise<string> {
  const path = join(STORED, name);
  await writeFile(`${path}.part`, bytes); // nobody gets a part of a file
  await rename(`${path}.part`, path);
  return `http://127.0.0.1/files/${name}`;
}

async function storeInBucket(name: string, body: Buffer<ArrayBuffer>): Promise<string> {
  const url = `${host}/pictures/${name}`;
  const { ok } = await aws.fetch(url, { method: "PUT", headers: { "content-type": TYPE }, body });
  if (!ok) throw new Error("not stored");
  return (await aws.sign(`${url}?X-Amz-Expires=3600`, { aws: { signQuery: true } })).url;
}

async function storeAtFal(name: string, body: Buffer<ArrayBuffer>): Promise<string> {
  const begun = await fetch(`${host}/storage/upload/initiate?storage_type=fal-cdn-v3`, {
    method: "POST",
    headers: { authorization: `Key ${process.env["FAL_KEY"]}`, "content-type": "application/json" },
    body: JSON.stringify({ file_name: name, content_type: TYPE }),
  });
  const { upload_url, file_url } = (await begun.json()) as { upload_url: string; file_url: string };
  const { ok } = await fetch(upload_url, { method: "PUT", headers: { "content-type": TYPE }, body });
  if (!ok) throw new Error("not stored");
  return file_url;
}

announce(await server.listen({ host: "127.0.0.1", port: 0 }));
