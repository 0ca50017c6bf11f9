import { finished } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isWithoutBody } from "../../answer-header.ts";
import { FalServerlessError, OutputValidationError, StreamTimeoutException } from "../../errors.ts";
import { kindOf } from "../../json/kinds.ts";
import { bytesRuleOf } from "../../routes/bytes.ts";
import { essenceOf, matchesType } from "../../routes/content-types.ts";
import type { FileAnswer } from "../../routes/file-answer.ts";
import type { HttpContext } from "../http/http-context.ts";
import type { RouteRuntime } from "../http/route-runtime.ts";
import { breakOff } from "../streams/event-stream.ts";
import type { ByteSource } from "./byte-source.ts";
import { openFile } from "./file-body.ts";
import { bodyOf, type ResultBody } from "./result-body.ts";
import { bytesKind } from "../../routes/bytes-result.ts";
import { nextPiece, SourceStream } from "./source-stream.ts";

/** A request that is being answered. */
export interface Exchange {
  readonly context: HttpContext;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Answers with an error. */
  fail(error: unknown): void;
  /** Sends a complete answer. */
  finish(status: number, payload: Buffer | undefined, contentType: string): void;
  /** Ends the call once its answer is sent, or can't be sent any more. */
  end(status: number): void;
}

const BINARY = "application/octet-stream";

/** Sends the results of a route that are bytes: buffers, blobs, streams, files and responses. */
export class BytesAnswers {
  readonly #route: RouteRuntime;
  readonly #rule: ReturnType<typeof bytesRuleOf>;

  constructor(route: RouteRuntime) {
    this.#route = route;
    this.#rule = bytesRuleOf(route.signature.output);
  }

  /** Whether a result is sent as it is, and not as JSON. */
  takes(value: unknown, context: HttpContext): boolean {
    if (this.#rule !== undefined || bytesKind(value) !== undefined) return true;
    const type = context.bodyForm?.contentType;
    return type !== undefined && typeof value === "string" && !isJsonType(type);
  }

  /** Sends a result. */
  send(value: unknown, exchange: Exchange): void {
    let body: ResultBody | Promise<ResultBody>;
    try {
      body = this.#bodyOf(value, exchange);
    } catch (error) {
      return exchange.fail(error);
    }
    if (body instanceof Promise) void body.then((opened) => this.#sendBody(opened, exchange), exchange.fail);
    else this.#sendBody(body, exchange);
  }

  #bodyOf(value: unknown, { context, request }: Exchange): ResultBody | Promise<ResultBody> {
    const kind = bytesKind(value);
    if (kind === "file") return openFile(value as FileAnswer, request.raw);
    if (typeof value === "string" && this.#rule === undefined) {
      const content = Buffer.from(value);
      return { content, length: content.length };
    }
    if (kind === undefined) {
      const isEmpty = value === undefined || value === null;
      if (isEmpty && isWithoutBody(this.#route.statusOf(context))) return { content: undefined, length: 0 };
      const other = kindOf(value);
      const what =
        other === undefined ? (value === null ? "null" : `a value of type ${typeof value}`) : other.what;
      throw this.#unsendable(
        `${what}, but its output is bytes(); return a Buffer, a stream, file() or a Response`,
      );
    }
    try {
      return bodyOf(value as object, kind);
    } catch (error) {
      throw this.#unsendable(error instanceof Error ? error.message : String(error), error);
    }
  }

  #sendBody(body: ResultBody, exchange: Exchange): void {
    const { context, reply } = exchange;
    const status = body.status ?? this.#route.statusOf(context);
    const source = Buffer.isBuffer(body.content) ? undefined : body.content;
    if (!context.isRunning) return source?.stop(); // answered by a server that no longer waits
    let type: string;
    try {
      type = this.#checkedType(body, context, status);
      this.#checkLength(body.length, status);
    } catch (error) {
      source?.stop();
      return exchange.fail(error);
    }
    if (source === undefined) {
      applyHead(body, exchange);
      exchange.finish(status, body.content as Buffer | undefined, type);
    } else if (isWithoutBody(status) || exchange.request.method === "HEAD") {
      source.stop();
      applyHead(body, exchange);
      if (body.length !== undefined && !isWithoutBody(status)) reply.header("content-length", body.length);
      exchange.finish(status, undefined, type);
    } else void this.#sendSource(source, body, status, type, exchange);
  }

  async #sendSource(
    source: ByteSource,
    body: ResultBody,
    status: number,
    type: string,
    exchange: Exchange,
  ): Promise<void> {
    const route = this.#route;
    const { context, request, reply } = exchange;
    const { clock } = route.options;
    const { length } = body;
    const { minBytes, maxBytes } = (length === undefined && this.#rule) || {}; // a known length was checked
    const limits = { minBytes, maxBytes, length, timeoutMs: route.timeoutMs, clock };
    context.watch(() => source.stop());
    let first: Uint8Array | undefined;
    try {
      // The head is sent with the first piece, so that an earlier error gets its own status.
      first = await nextPiece(source, limits);
    } catch (error) {
      source.stop();
      this.#countTimeout(error);
      return exchange.fail(context.abortReason ?? error);
    }
    if (!context.isRunning) return source.stop();
    if (context.clientLeft) {
      source.stop();
      reply.hijack(); // no answer to send
      return exchange.end(route.lostStatus(context));
    }
    let failedWith: number | undefined;
    const stream = new SourceStream(source, first, limits, (error) => fail(error));
    const fail = (thrown: unknown): void => {
      if (failedWith !== undefined) return;
      const error = context.abortReason ?? thrown;
      this.#countTimeout(error);
      failedWith = route.answer(context, error).status;
      context.abort(error);
      source.stop();
      breakOff(reply.raw, clock);
    };
    context.onForcedAbort(fail);
    finished(reply.raw, () => {
      stream.destroy();
      exchange.end(failedWith ?? (context.clientLeft ? route.lostStatus(context) : status));
    });
    try {
      applyHead(body, exchange);
      route.applyHeaders(context, request, reply);
      if (length !== undefined) reply.header("content-length", length);
      reply.code(status).header("content-type", type).send(stream);
    } catch (error) {
      context.log.error({ err: error }, "the answer could not be sent");
      reply.raw.destroy();
    }
  }

  #countTimeout(error: unknown): void {
    if (error instanceof StreamTimeoutException) this.#route.metrics.timeouts.stream++;
  }

  /** The content type of an answer. A type that the route does not declare is refused. */
  #checkedType(body: ResultBody, context: HttpContext, status: number): string {
    const declared = this.#rule?.contentTypes;
    const [only] = declared?.length === 1 && !declared[0]?.includes("*") ? declared : [];
    const type = body.statedType ?? context.bodyForm?.contentType ?? body.likelyType ?? only ?? BINARY;
    // A response of its own with an error or a redirect has a body of another kind.
    const isOther = status < 200 || status > 299 || body.content === undefined;
    if (isOther || matchesType(declared, type)) return type;
    throw new OutputValidationError(this.#route.signature.methodName, [
      {
        type: "content_type",
        loc: ["body"],
        msg: `the result is ${essenceOf(type)}, but its output is bytes() of ${declared?.join(", ")}`,
      },
    ]);
  }

  #checkLength(length: number | undefined, status: number): void {
    const { minBytes = 0, maxBytes = Infinity } = this.#rule ?? {};
    if (length === undefined || status === 206 || status > 299 || (length >= minBytes && length <= maxBytes))
      return;
    const limit = length < minBytes ? `minBytes: ${minBytes}` : `maxBytes: ${maxBytes}`;
    throw new OutputValidationError(this.#route.signature.methodName, [
      { type: "bytes_length", loc: ["body"], msg: `the result has ${length} bytes, against ${limit}` },
    ]);
  }

  #unsendable(what: string, cause?: unknown): FalServerlessError {
    const message = `${this.#route.signature.methodName}() returned what can't be sent: ${what}.`;
    return new FalServerlessError("OUTPUT_UNSENDABLE", message, { cause });
  }
}

/** Adds the headers of the result itself. Not before it is certain that no error is answered instead. */
function applyHead({ headers }: ResultBody, { context }: Exchange): void {
  const encoding = context.bodyForm?.contentEncoding;
  if (encoding !== undefined) context.addHeaders([["content-encoding", encoding]]);
  if (headers !== undefined) context.addHeaders(headers);
}

const JSON_TYPE = "application/json; charset=utf-8";

/**
 * The content type of a result that is sent as JSON: the handler's own, if that is a kind of JSON.
 * @throws FalServerlessError for another type, and for a content encoding
 */
export function jsonType(context: HttpContext, methodName: string): string {
  const { contentType, contentEncoding } = context.bodyForm ?? {};
  if (contentEncoding === undefined && contentType === undefined) return JSON_TYPE;
  if (contentEncoding === undefined && isJsonType(contentType)) return contentType as string;
  const set =
    contentEncoding === undefined ? `content-type ${contentType}` : `content-encoding ${contentEncoding}`;
  const message = `${methodName}() set ${set}, but its result is sent as JSON; return a Buffer or a Response.`;
  throw new FalServerlessError("OUTPUT_UNSENDABLE", message);
}

function isJsonType(contentType: string | undefined): boolean {
  const essence = essenceOf(contentType);
  return essence === "application/json" || essence.endsWith("+json");
}
