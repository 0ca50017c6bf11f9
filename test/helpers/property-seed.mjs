// Preloaded by scripts/test.mjs: in CI all property tests start from one seed, so that a failure is caused by the
// change under test. Elsewhere each run tries other values.
import { configureGlobal } from "fast-check";

if (process.env.CI !== undefined) configureGlobal({ seed: 20_261_123 });
