/**
 * A function that runs in a container on a platform, for the tests.
 * @module
 */
import { readFileSync } from "node:fs";
import { FalServerlessHost, fn } from "../../src/index.ts";
import { BASE_IMAGE } from "./image-project.ts";

export const lines: string[] = [];

const host = new FalServerlessHost({
  baseImage: BASE_IMAGE,
  onLog: ({ message, source }) => lines.push(`${source} ${message}`),
});

export const describeSurroundings = fn(
  { host, requirements: [["is-number@7.0.0"], ["is-odd@3.0.1"]] },
  async (value: number) => {
    const specifier = "is-odd";
    const { default: isOdd } = (await import(specifier)) as { default: (value: number) => boolean };
    console.log("printed inside");
    return {
      isOdd: isOdd(value),
      user: process.getuid?.(),
      program: readFileSync("/proc/1/cmdline", "utf8").split("\0").slice(0, 2),
    };
  },
);
