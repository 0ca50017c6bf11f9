/** The context that a compiler passes to the decorator of a method `run`, or as `parts` override it. */
export function methodContext(
  parts: {
    kind?: string;
    name?: string | symbol;
    static?: boolean;
    private?: boolean;
    metadata?: object;
  } = {},
): ClassMethodDecoratorContext {
  return {
    kind: "method",
    name: "run",
    static: false,
    private: false,
    metadata: {},
    access: { has: () => true, get: () => () => undefined },
    addInitializer: () => undefined,
    ...parts,
  } as ClassMethodDecoratorContext;
}
