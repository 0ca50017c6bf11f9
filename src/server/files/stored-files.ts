import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerFor } from "../../answers.ts";
import { FileAnswer } from "../../routes/file-answer.ts";
import { documentPath } from "../../routes/path-pattern.ts";
import type { MediaServer } from "../../routes/media-runtime.ts";
import type { AnswerHeaders } from "../http/answer-headers.ts";
import type { AnswerCounter } from "../metrics/answer-counter.ts";
import type { ServerMetrics } from "../metrics/metrics.ts";
import type { ByteSource } from "../results/byte-source.ts";
import { openFile } from "../results/file-body.ts";

/** The path of stored files: the id of a file and its name. */
const PATH = "/_files/:id/:name";

/**
 * Serves the stored files of a server. The address of a file is enough to read it, and is too long to guess. Browsers run
 * no script of a file, whatever its type.
 */
export function mountFiles(
  server: FastifyInstance,
  files: MediaServer,
  { headers, metrics, counter }: { headers: AnswerHeaders; metrics: ServerMetrics; counter: AnswerCounter },
): void {
  const counted = metrics.route("GET", documentPath(PATH));
  server.get(
    PATH,
    { exposeHeadRoute: true, config: { isFrameworkRoute: true, isPublic: true } },
    async (request, reply) => {
      const started = performance.now();
      counted.inProgress++;
      let status: number;
      try {
        status = await send(request, reply, files, headers);
      } catch (error) {
        const answer = answerFor(error);
        ({ status } = answer);
        headers.sendJson(request, reply, status, JSON.stringify(answer.body));
      }
      counted.inProgress--;
      counter.count(counted, reply.raw, status, started);
      return reply;
    },
  );
}

async function send(
  request: FastifyRequest,
  reply: FastifyReply,
  files: MediaServer,
  headers: AnswerHeaders,
): Promise<number> {
  const { id, name } = request.params as { id: string; name: string };
  const file = await files.find(id, name);
  if (file === undefined) {
    headers.sendJson(request, reply, 404, '{"detail":"Not Found"}');
    return 404;
  }
  const { path, contentType, fileName, isInline, maxAgeSeconds } = file;
  const cacheControl = `private, max-age=${maxAgeSeconds}, immutable`;
  const options = { contentType, filename: fileName, download: !isInline, cacheControl };
  const body = await openFile(new FileAnswer(path, options), request.raw);
  const { content, length, status = 200 } = body;
  const source = content as ByteSource | undefined;
  headers.apply(request, reply);
  for (const [header, value] of [...(body.headers ?? []), ...Object.entries(SAFE_HEADERS)]) {
    reply.header(header, value);
  }
  reply.code(status);
  if (source === undefined) return (reply.send(), status);
  reply.header("content-type", contentType).header("content-length", length);
  if (request.method === "HEAD") source.stop();
  reply.send(request.method === "HEAD" ? Readable.from([]) : streamOf(source));
  return status;
}

/** Headers that keep browsers from running a file: they guess no other type, and a document is in a sandbox. */
const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "cross-origin-resource-policy": "cross-origin",
};

function streamOf(source: ByteSource): Readable {
  return new Readable({
    read() {
      source.next().then(
        (piece) => this.push(piece ?? null),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      source.stop();
      done(error);
    },
  });
}
