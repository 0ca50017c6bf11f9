import { InvalidArgumentError, Option } from "commander";

/** A port, 0 for any. @throws InvalidArgumentError, which the command line explains */
export function port(text: string): number {
  return wholeNumber(text, 0, 65_535);
}

/** A number of requests. @throws InvalidArgumentError */
export function count(text: string): number {
  return wholeNumber(text, 1, Number.MAX_SAFE_INTEGER);
}

/** Spaces of indentation. @throws InvalidArgumentError */
export function indent(text: string): number {
  return wholeNumber(text, 0, 10);
}

/** All values of an option that can be given often, in their order. */
export function collected(value: string, others: readonly string[] = []): string[] {
  return [...others, value];
}

/** `--build-arg`, of whatever builds an image. */
export function buildArgOption(): Option {
  return new Option(
    "--build-arg <name=value>",
    "a value of an ARG of the Dockerfile, such as BASE_IMAGE; can be given often",
  ).argParser(collected);
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const upTo = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new InvalidArgumentError(`It must be a whole number ${upTo}.`);
}
