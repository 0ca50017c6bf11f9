import { routesOf } from "../banner.ts";
import { findServables } from "../exported-servables.ts";
import { messageOf } from "../load-failure.ts";
import { loadModule } from "../module-loader.ts";
import { parseTarget } from "../target.ts";
import type { Finding } from "./finding.ts";

/** Loads a file and makes each class it exports, as `servable run` would, without running setup. */
export async function checkFile(text: string): Promise<Finding> {
  try {
    const { file, shown, className } = parseTarget(text);
    const found = findServables(await loadModule(file));
    const wanted = className === undefined ? found : found.filter(({ name }) => name === className);
    if (wanted.length === 0) {
      return {
        name: shown,
        status: "failed",
        message: `exports no servable class${className === undefined ? "" : ` ${className}`}`,
        advice: "write: export default class MyApp extends App { … }",
      };
    }
    const described = wanted.map((servable) => {
      const app = servable.create();
      app.buildServer(); // compiles the schemas
      return `${servable.name} (${routesOf(app)
        .map(({ kind, path }) => `${kind} ${path}`)
        .join(", ")})`;
    });
    return { name: shown, status: "ok", message: described.join("; ") };
  } catch (error) {
    return { name: text, status: "failed", message: messageOf(error).replace(/^\w+Error: /, "") };
  }
}
