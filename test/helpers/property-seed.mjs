// Preloaded by scripts/test.mjs: in CI all property tests start from one seed, so that a change is judged by what it
// changes. Elsewhere each run looks at other values.
import { configureGlobal } from "fast-check";

if (process.env.CI !== undefined) configureGlobal({ seed: 20_261_123 });
