/** Paths with the methods they are served with. */
export class PathTable {
  readonly #fixed = new Map<string, Set<string>>();
  /** Paths with parameters or wildcards, with an expression that the paths of requests match. */
  readonly #patterns = new Map<string, { readonly expression: RegExp; readonly methods: Set<string> }>();

  add(path: string, methods: string | readonly string[]): void {
    const known = this.#methodsOf(path);
    for (const method of [methods].flat()) known.add(method);
  }

  /** The methods of a request's path, sorted; undefined for an unknown path. */
  methods(path: string): readonly string[] | undefined {
    const found = new Set(this.#fixed.get(path));
    for (const { expression, methods } of this.#patterns.values()) {
      if (expression.test(path)) for (const method of methods) found.add(method);
    }
    return found.size === 0 ? undefined : [...found].sort();
  }

  #methodsOf(path: string): Set<string> {
    const known = this.#fixed.get(path) ?? this.#patterns.get(path)?.methods;
    if (known !== undefined) return known;
    const methods = new Set<string>();
    if (/[:*]/.test(path)) this.#patterns.set(path, { expression: expressionOf(path), methods });
    else this.#fixed.set(path, methods);
    return methods;
  }
}

/** The parts of a path as Fastify writes it: a parameter, with or without an expression of its own, or a wildcard. */
const VARIABLE = /:[A-Za-z0-9_]+(?:\([^)]*\))?\??|\*/g;

function expressionOf(path: string): RegExp {
  const fixed = path.split(VARIABLE).map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const variables = (path.match(VARIABLE) ?? []).map((text) => (text === "*" ? ".*" : "[^/]+"));
  return new RegExp(`^${fixed.map((text, index) => text + (variables[index] ?? "")).join("")}$`);
}
