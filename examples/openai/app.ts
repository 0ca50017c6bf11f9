import { readFile } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { App, AppException, endpoint, raw, type RequestContext, type StreamEvent } from "servable";
import { Type, type Static } from "typebox";
import { WordModel } from "./word-model.ts";

const MODEL = "words-1";
const TEXT = new URL("../../CONTRIBUTING.md", import.meta.url);

const Message = Type.Object({ role: Type.String(), content: Type.String() });
const Request = Type.Object({
  model: Type.String(),
  messages: Type.Array(Message, { minItems: 1 }),
  stream: Type.Optional(Type.Boolean()),
  max_tokens: Type.Integer({ minimum: 1, maximum: 100_000, default: 30 }),
  seed: Type.Optional(Type.Integer()),
});
type Request = Static<typeof Request>;

const head = { id: Type.String(), created: Type.Integer(), model: Type.String() };
const Completion = Type.Object({
  ...head,
  object: Type.Literal("chat.completion"),
  choices: Type.Array(
    Type.Object({ index: Type.Integer(), message: Message, finish_reason: Type.Literal("length") }),
  ),
});
type Completion = Static<typeof Completion>;

const Chunk = Type.Object({
  ...head,
  object: Type.Literal("chat.completion.chunk"),
  choices: Type.Array(
    Type.Object({
      index: Type.Integer(),
      delta: Type.Object({ role: Type.Optional(Type.String()), content: Type.Optional(Type.String()) }),
      finish_reason: Type.Union([Type.Literal("length"), Type.Null()]),
    }),
  ),
});
type Chunk = Static<typeof Chunk>;

const Models = Type.Object({
  object: Type.Literal("list"),
  data: Type.Array(
    Type.Object({
      id: Type.String(),
      object: Type.Literal("model"),
      created: Type.Integer(),
      owned_by: Type.String(),
    }),
  ),
});

/** Generates text for the clients of OpenAI's API. */
export default class Chat extends App {
  #model: WordModel | undefined;

  override async setup(): Promise<void> {
    this.#model = new WordModel(await readFile(TEXT, "utf8"));
  }

  /** OpenAI's clients read `error.message`, where other clients of this package read `detail`. */
  override configure(server: FastifyInstance): void {
    server.addHook("onSend", async (_request, reply, payload) => {
      if (reply.statusCode < 400 || typeof payload !== "string") return payload;
      const { detail } = JSON.parse(payload) as { detail: unknown };
      const message = typeof detail === "string" ? detail : JSON.stringify(detail);
      return JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } });
    });
  }

  @endpoint("/v1/models", { method: "GET", output: Models })
  models(): Static<typeof Models> {
    return { object: "list", data: [{ id: MODEL, object: "model", created: 0, owned_by: "servable" }] };
  }

  @endpoint("/v1/chat/completions", { input: Request, output: Completion, item: Chunk, stream: "optional" })
  async complete(
    request: Request,
    ctx: RequestContext,
  ): Promise<Completion | AsyncGenerator<Chunk | StreamEvent<never>>> {
    if (request.model !== MODEL) throw new AppException(`The model "${request.model}" does not exist`, 404);
    const shared = { id: `chatcmpl-${ctx.requestId}`, created: Math.floor(Date.now() / 1000), model: MODEL };
    if (request.stream === true) return this.#stream(request, shared, ctx);
    const content = [...this.#words(request)].join(" ");
    const message = { role: "assistant", content };
    return {
      ...shared,
      object: "chat.completion",
      choices: [{ index: 0, message, finish_reason: "length" }],
    };
  }

  async *#stream(
    request: Request,
    shared: Pick<Chunk, "id" | "created" | "model">,
    ctx: RequestContext,
  ): AsyncGenerator<Chunk | StreamEvent<never>> {
    const chunk = (delta: Chunk["choices"][number]["delta"], reason: "length" | null): Chunk => ({
      ...shared,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason: reason }],
    });
    let count = 0;
    try {
      yield chunk({ role: "assistant", content: "" }, null);
      for (const word of this.#words(request)) {
        await nextTurn(); // other requests run in between
        yield chunk({ content: count++ === 0 ? word : ` ${word}` }, null);
      }
      yield chunk({}, "length");
      yield raw("[DONE]");
    } finally {
      ctx.log.info({ words: count }, "a stream has ended");
    }
  }

  *#words({ max_tokens, seed = Date.now() }: Request): Generator<string> {
    if (this.#model === undefined) throw new AppException("The model is not loaded", 503);
    let left = max_tokens;
    for (const word of this.#model.words(seed)) {
      if (left-- === 0) return;
      yield word;
    }
  }
}
