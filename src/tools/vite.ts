/**
 * `servable/vite`: decorated classes under Vite and Vitest, whose own compiler leaves standard decorators as they are.
 * @module
 */
import { mayHaveDecorators, translateDecorators, type Translated } from "./decorators.ts";

/** The parts of the plugin that Vite uses. */
export interface ServableVitePlugin {
  readonly name: "servable";
  readonly enforce: "pre";
  transform(code: string, id: string): Promise<Translated | undefined>;
}

/**
 * The plugin: `plugins: [servable()]` in `vite.config.ts` or `vitest.config.ts`. Files without a decorator are compiled
 * by Vite itself.
 */
export function servable(): ServableVitePlugin {
  return {
    name: "servable",
    enforce: "pre",
    async transform(code, id) {
      const path = id.replace(/[?#].*$/, "");
      if (path.includes("/node_modules/") || !mayHaveDecorators(path, code)) return undefined;
      return translateDecorators(code, path, undefined);
    },
  };
}
