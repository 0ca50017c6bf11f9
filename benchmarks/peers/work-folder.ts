import { join, resolve } from "node:path";
import { ROOT } from "../lib/staged-package.ts";

/** The folder of this benchmark's sources. */
export const SOURCES = join(ROOT, "benchmarks/peers");

/** The folder of installed products, logs and results: the variable PEERS_WORK, by default `.cache/peers`. */
export const WORK = resolve(process.env["PEERS_WORK"] ?? join(ROOT, ".cache/peers"));
