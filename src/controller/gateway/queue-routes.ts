import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Dispatcher } from "../queue/dispatcher.ts";
import type { RequestQueue } from "../queue/request-queue.ts";
import type { StatusWatch } from "../queue/status-watch.ts";
import type { LiveApp } from "../scheduler/live-app.ts";
import type { RequestRow } from "../state/requests.ts";
import { withoutParameters, type Admission, type Admitted } from "./admission.ts";
import type { CallerLimits } from "./caller-limits.ts";
import { requestHeaders } from "./forwarded-headers.ts";
import { GatewayError } from "./gateway-error.ts";
import type { QueueAddress } from "./queue-address.ts";
import { statusAnswer, type RequestUrls } from "./queue-status.ts";
import { startTimeoutOf } from "./start-timeout.ts";

/** The parts that the routes need. */
export interface QueueRouteParts {
  readonly queue: RequestQueue;
  readonly dispatcher: Dispatcher;
  readonly watch: StatusWatch;
  readonly admission: Admission;
  readonly limits: CallerLimits;
  /** A request to an app was queued. */
  readonly onSubmitted: (app: LiveApp, method: string) => void;
  /** The clock: milliseconds since 1970. */
  readonly now: () => number;
  /** The largest input, in bytes. */
  readonly maxInputBytes: number;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const WEBHOOK = "fal_webhook";
const MAX_LENGTH = "fal_max_queue_length";
const TOKEN = "fal_jwt_token";
/** The longest id of a caller's own. */
const MAX_KEY = 255;
/** Interval of comments in a stream, so that nobody on the way closes it, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/** The routes of the queue: submit, status, status stream, result and cancel. */
export class QueueRoutes {
  readonly #parts: QueueRouteParts;

  constructor(parts: QueueRouteParts) {
    this.#parts = parts;
  }

  /** Handles a request. @throws GatewayError */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    { address, action, id, base }: QueueAddress,
    requestId: string,
  ): Promise<void> {
    const admitted = await this.#parts.admission.admit(request, address, requestId);
    if (action === "submit") return this.#submit(request, response, admitted, { base, path: address.path });
    assertMethod(request, action);
    const row = UUID.test(id) ? await this.#parts.queue.find(nameOf(admitted.app), id) : undefined;
    if (row === undefined) {
      const message = `There is no request ${id.slice(0, 100)} of ${address.owner}/${address.app}.`;
      if (action === "cancel") return sendJson(response, 404, id, notFound(message));
      throw new GatewayError("not_found", message);
    }
    const urls = urlsOf(base, row.id);
    if (action === "cancel") return this.#cancel(response, row);
    if (action === "result") return this.#result(response, row);
    const withLogs = /^(?:1|true)$/i.test(parametersOf(request).get("logs") ?? "");
    if (action === "stream") return this.#stream(response, row, { app: admitted.app, urls, withLogs });
    const body = statusAnswer(row, { ...(await this.#facts(row, admitted.app)), urls, withLogs });
    sendJson(response, body.status === "COMPLETED" ? 200 : 202, row.id, body);
  }

  async #submit(
    request: IncomingMessage,
    response: ServerResponse,
    { app, facts, keyId }: Admitted,
    { base, path }: { readonly base: string; readonly path: string },
  ): Promise<void> {
    const { queue, now, limits, maxInputBytes } = this.#parts;
    limits.begin(keyId)?.();
    const id = randomUUID();
    const { method = "POST", headers } = request;
    const parameters = parametersOf(request);
    const own = app.row.scale.requestStartTimeoutSeconds;
    const seconds = startTimeoutOf(request) ?? (own > 0 ? own : undefined);
    const options = {
      priority: priorityOf(headers["x-fal-queue-priority"]),
      maxQueueLength: maxLengthOf(parameters.get(MAX_LENGTH)),
      webhookUrl: webhookOf(parameters.get(WEBHOOK)),
      mayRetry: !isOn(headers["x-fal-no-retry"]),
      keepsData: headers["x-fal-store-io"] !== "0",
      idempotencyKey: idempotencyKeyOf(headers["x-fal-request-id"], keyId),
      hint: textOf(headers["x-fal-runner-hint"]),
    };
    const forwarded = requestHeaders(request, { ...facts, requestId: id });
    const body = await readInput(request, maxInputBytes);
    delete forwarded["content-length"];
    const at = now();
    const submitted = await queue.submit({
      ...{ ...nameOf(app), id, caller: keyId ?? facts.callerId, ...options },
      ...{ method, path: withoutParameters(path, [TOKEN, WEBHOOK, MAX_LENGTH]), headers: forwarded, body },
      submittedAt: new Date(at),
      startBy: seconds === undefined ? undefined : new Date(at + seconds * 1_000),
    });
    if (submitted.kind === "full") {
      throw new GatewayError(
        "too_many_requests",
        `${submitted.waiting} requests wait for ${app.row.name}, and ${MAX_LENGTH} allows ${String(options.maxQueueLength)}.`,
        { "retry-after": "1" },
      );
    }
    if (submitted.kind === "queued") this.#parts.onSubmitted(app, method);
    const row = submitted.kind === "known" ? submitted.row : undefined;
    const requestId = row?.id ?? id;
    const isWaiting = row === undefined || row.state === "queued";
    const place = submitted.kind === "queued" ? { ...nameOf(app), ...submitted.place } : row;
    sendJson(response, 200, requestId, {
      status: "IN_QUEUE",
      request_id: requestId,
      queue_position: isWaiting && place !== undefined ? await this.#position(place) : 0,
      ...urlsOf(base, requestId),
    });
  }

  /** The position of a request that was stored: if it can't be counted, the answer is a success nevertheless. */
  async #position(place: Parameters<RequestQueue["position"]>[0]): Promise<number> {
    return this.#parts.queue.position(place).catch(() => 0);
  }

  async #facts(row: RequestRow, app: LiveApp): Promise<{ position: number; waitReason: string }> {
    return {
      position: row.state === "queued" ? await this.#parts.queue.position(row) : 0,
      waitReason: app.waitReason(),
    };
  }

  async #stream(
    response: ServerResponse,
    first: RequestRow,
    {
      app,
      urls,
      withLogs,
    }: { readonly app: LiveApp; readonly urls: RequestUrls; readonly withLogs: boolean },
  ): Promise<void> {
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
      "x-fal-request-id": first.id,
    });
    response.flushHeaders();
    const heartbeat = setInterval(() => response.write(": waiting\n\n"), HEARTBEAT_MS);
    let last = "";
    try {
      for await (const { row, position } of this.#parts.watch.follow(first, whenClosed(response))) {
        const body = statusAnswer(row, { position, waitReason: app.waitReason(), urls, withLogs });
        // Reasons have times in them, and are not news.
        const { reason: _reason, ...news } = body as typeof body & { readonly reason?: string };
        const text = JSON.stringify(news);
        if (text !== last) response.write(`data: ${JSON.stringify(body)}\n\n`);
        last = text;
      }
    } finally {
      clearInterval(heartbeat);
      response.end();
    }
  }

  async #result(response: ServerResponse, row: RequestRow): Promise<void> {
    if (row.state !== "completed" && row.state !== "cancelled") {
      throw new GatewayError("bad_request", `The request ${row.id} is still in progress.`, {
        "x-fal-request-id": row.id,
      });
    }
    const answer = await this.#parts.queue.answer(row);
    if (answer === undefined) {
      throw new GatewayError(
        "not_found",
        `The answer of the request ${row.id} was removed${row.keepsData ? "" : " after it was fetched: x-fal-store-io was 0"}.`,
        { "x-fal-request-id": row.id },
      );
    }
    const { "content-length": _length, ...headers } = answer.headers;
    response.writeHead(answer.status, {
      ...(headers as Record<string, string | string[]>),
      "x-fal-request-id": row.id,
      "content-length": answer.body.length,
    });
    response.end(answer.body);
    if (!row.keepsData) {
      response.once("finish", () => void this.#parts.queue.forgetAnswer(row.id).catch(() => {}));
    }
  }

  async #cancel(response: ServerResponse, { id }: RequestRow): Promise<void> {
    const { queue, dispatcher } = this.#parts;
    switch (await queue.cancel(id, (running) => dispatcher.signalCancel(running.id))) {
      case "cancelled":
        return sendJson(response, 200, id, { status: "OK", success: true });
      case "requested":
        return sendJson(response, 202, id, { status: "CANCELLATION_REQUESTED", success: true });
      case "ended":
        return sendJson(response, 400, id, {
          ...{ status: "ALREADY_COMPLETED", success: false },
          ...{ detail: "The request has ended already.", message: "The request has ended already." },
        });
      case "unknown":
        return sendJson(response, 404, id, notFound(`There is no request ${id}.`));
    }
  }
}

function nameOf({ row }: LiveApp): { readonly environment: string; readonly app: string } {
  return { environment: row.environment, app: row.name };
}

function urlsOf(base: string, id: string): RequestUrls {
  const url = `${base}/requests/${id}`;
  return { response_url: url, status_url: `${url}/status`, cancel_url: `${url}/cancel` };
}

function notFound(message: string): object {
  return { status: "NOT_FOUND", success: false, detail: message, error_type: "not_found", message };
}

function assertMethod({ method }: IncomingMessage, action: string): void {
  const allowed = action === "cancel" ? ["PUT", "POST"] : ["GET", "HEAD"];
  if (allowed.includes(method ?? "GET")) return;
  throw new GatewayError("method_not_allowed", `This address answers ${allowed.join(", ")} only.`, {
    allow: allowed.join(", "),
  });
}

function sendJson(response: ServerResponse, status: number, requestId: string, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-fal-request-id": requestId,
  });
  response.end(body);
}

function parametersOf({ url = "" }: IncomingMessage): URLSearchParams {
  const query = url.indexOf("?");
  return new URLSearchParams(query < 0 ? "" : url.slice(query));
}

function priorityOf(header: string | string[] | undefined): number {
  if (header === undefined || header === "normal") return 0;
  if (header === "low") return 1;
  throw new GatewayError(
    "bad_request",
    `x-fal-queue-priority has to be "normal" or "low", not "${String(header).slice(0, 50)}".`,
  );
}

function maxLengthOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new GatewayError(
    "bad_request",
    `${MAX_LENGTH} has to be a whole number, not "${text.slice(0, 50)}".`,
  );
}

function webhookOf(text: string | null): string | undefined {
  if (text === null) return undefined;
  if (text.length <= 2_000 && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) {
    return new URL(text).href;
  }
  throw new GatewayError(
    "bad_request",
    `${WEBHOOK} has to be an http or https URL of at most 2000 characters.`,
  );
}

/** A caller without a key has no ids of its own: they would be those of all such callers. */
function idempotencyKeyOf(
  header: string | string[] | undefined,
  keyId: string | undefined,
): string | undefined {
  if (header === undefined || keyId === undefined) return undefined;
  const key = String(header);
  if (/^[\x21-\x7e]+$/.test(key) && key.length <= MAX_KEY) return key;
  throw new GatewayError(
    "bad_request",
    `x-fal-request-id has to have 1 to ${MAX_KEY} visible characters, without spaces.`,
  );
}

function isOn(header: string | string[] | undefined): boolean {
  return typeof header === "string" && /^(?:1|true|yes)$/i.test(header);
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}

function whenClosed(response: ServerResponse): AbortSignal {
  const left = new AbortController();
  if (response.destroyed) left.abort();
  else response.once("close", () => left.abort());
  return left.signal;
}

/** Reads an input. @throws GatewayError if it is too large, or the caller leaves */
async function readInput(request: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  if (length === undefined && encoding === undefined) return null;
  const chunks: Buffer[] = [];
  let size = Number(length ?? 0) > maxBytes ? Infinity : 0;
  try {
    if (Number.isFinite(size)) {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > maxBytes) break;
        chunks.push(chunk);
      }
    }
  } catch {
    throw new GatewayError("client_disconnected", "The caller left before its request was complete.");
  }
  if (size > maxBytes) {
    throw new GatewayError(
      "payload_too_large",
      `An input of the queue may have ${maxBytes} bytes at most: quotas.queue_input_mb of platform.toml.`,
    );
  }
  return Buffer.concat(chunks);
}
