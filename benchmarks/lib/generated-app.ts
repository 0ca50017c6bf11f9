/** The amount of generated code. */
export interface AppSize {
  readonly classes: number;
  readonly endpointsPerClass: number;
}

/**
 * The sources of an app with many endpoints, by file name: one class per file, and for each endpoint its own schemas
 * and a method. The variant without decorators has the same classes, schemas and method types.
 */
export function generateApp(
  { classes, endpointsPerClass }: AppSize,
  decorated: boolean,
): Map<string, string> {
  const files = new Map<string, string>();
  for (let number = 0; number < classes; number++) {
    const numbers = Array.from({ length: endpointsPerClass }, (_, index) => index);
    files.set(
      `app-${number}.ts`,
      [
        'import { Type, type Static } from "typebox";',
        `import { App, ${decorated ? "endpoint, " : ""}type RequestContext } from "servable";`,
        ...numbers.map(schemasOf),
        `export class App${number} extends App {`,
        '  static override version = "1.0.0";',
        ...numbers.map((index) => methodOf(index, decorated)),
        "}",
        "",
      ].join("\n"),
    );
  }
  return files;
}

function schemasOf(index: number): string {
  return `
const Input${index} = Type.Object({
  prompt: Type.String({ minLength: 1 }),
  field${index}: Type.Optional(Type.String()),
  steps: Type.Integer({ minimum: 1, maximum: 100, default: 25 }),
  format: Type.Union([Type.Literal("png"), Type.Literal("jpeg")]),
  size: Type.Object({ width: Type.Integer(), height: Type.Integer() }),
});
type Input${index} = Static<typeof Input${index}>;
const Output${index} = Type.Object({
  images: Type.Array(Type.Object({ url: Type.String(), width: Type.Integer(), height: Type.Integer() })),
  result${index}: Type.String(),
  seed: Type.Integer(),
});
type Output${index} = Static<typeof Output${index}>;`;
}

function methodOf(index: number, decorated: boolean): string {
  const decorator = `  @endpoint("/path-${index}", { input: Input${index}, output: Output${index} })\n`;
  return `
${decorated ? decorator : ""}  async method${index}(input: Input${index}, ctx: RequestContext): Promise<Output${index}> {
    const { width, height } = input.size;
    return { images: [{ url: ctx.requestId, width, height }], result${index}: input.prompt, seed: input.steps };
  }`;
}
