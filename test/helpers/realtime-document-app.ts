import { Type, type Static } from "typebox";
import { App, endpoint, realtime, websocket, type RawWebSocket } from "../../src/index.ts";

const Stroke = Type.Object(
  { x: Type.Number(), y: Type.Number(), colour: Type.String({ default: "black" }) },
  { $id: "Stroke" },
);
type Stroke = Static<typeof Stroke>;
const Sketch = Type.Object({ url: Type.String(), strokes: Type.Array(Stroke) }, { $id: "Sketch" });
type Sketch = Static<typeof Sketch>;
const Zoom = Type.Object({ factor: Type.Number({ exclusiveMinimum: 0 }), frame_count: Type.Integer() });
const Tile = Type.Object({ index: Type.Integer() }, { $id: "Tile" });
type Tile = Static<typeof Tile>;

const sketch: Sketch = { url: "data:,", strokes: [] };

/** Every kind of websocket route beside endpoints, with everything a document can describe about them. */
export class RealtimeDocumentApp extends App {
  static override version = "2.0.0";
  static override appName = "sketches";

  @endpoint("/", { input: Stroke, output: Sketch })
  draw(_stroke: Stroke): Sketch {
    return sketch;
  }

  @endpoint("/both", { input: Stroke, output: Sketch })
  both_post(_stroke: Stroke): Sketch {
    return sketch;
  }

  @realtime("/both", { input: Stroke, output: Sketch })
  both_rt(_stroke: Stroke): Sketch {
    return sketch;
  }

  @realtime("/rt", { input: Stroke, output: Sketch, description: "Draws *as you go*." })
  rt(_stroke: Stroke): Sketch {
    return sketch;
  }

  @realtime("/batched", {
    input: Stroke,
    output: Sketch,
    buffering: 2,
    sessionTimeout: 10,
    maxBatchSize: 4,
    contentType: "application/json",
  })
  batched(strokes: Stroke[]): Sketch[] {
    return strokes.map(() => sketch);
  }

  @realtime("/tiles", { input: Zoom, output: Tile, mode: "server_streaming" })
  async *tiles(_zoom: Static<typeof Zoom>): AsyncGenerator<Tile> {
    yield { index: 0 };
  }

  @realtime("/collect", { input: Stroke, mode: "client_streaming" })
  async collect(_strokes: AsyncIterable<Stroke>): Promise<object> {
    return {};
  }

  @realtime("/untyped", { mode: "bidi" })
  async *untyped(inputs: AsyncIterable<Record<string, unknown>>): AsyncGenerator<object> {
    yield* inputs;
  }

  @websocket("/raw", { description: "Anything goes." })
  raw(_socket: RawWebSocket): void {}
}
