import { FalServerlessError } from "../errors.ts";
import type { Builder } from "./builders.ts";
import { lastWords } from "./engines.ts";
import { runProgram, type ProgramOptions } from "../processes/program.ts";

/** What the builders put before the reason: which layer they tried, and where. */
const PREAMBLE = /^.*?(?:pinging container registry \S+|exists in \S+): /;

/**
 * Sends an image to its registry, with the builder's own settings and logins.
 * @param tag an image of this machine, by a name that starts with its registry
 * @throws FalServerlessError with code BUILD_FAILED, in one line; the signal's reason
 */
export async function pushImage(
  builder: Builder,
  tag: string,
  options: Pick<ProgramOptions, "signal" | "onLine"> = {},
): Promise<void> {
  const { code, lines } = await runProgram(builder.command, ["push", tag], options);
  if (code === 0) return;
  const reason = lastWords(lines.join("\n")).replace(PREAMBLE, "") || `exit code ${code}`;
  throw new FalServerlessError(
    "BUILD_FAILED",
    `${tag} is built, but ${builder.command} can't push it: ${reason.replace(/\.?$/, ".")} ${advice(builder, tag, reason)}`,
  );
}

function advice({ command, flavor }: Builder, tag: string, reason: string): string {
  const [first = ""] = tag.split("/");
  const registry = /[.:]/.test(first) || first === "localhost" ? first : "docker.io";
  if (reason.includes("HTTP response to HTTPS client")) {
    return flavor === "docker"
      ? `If it is meant to have no TLS, add "${registry}" to the "insecure-registries" of Docker's daemon.json.`
      : `If it is meant to have no TLS, say so in a file in /etc/containers/registries.conf.d: [[registry]], location = "${registry}", insecure = true.`;
  }
  if (/unauthori[sz]ed|authentication|denied|forbidden|credentials/i.test(reason)) {
    return `Log in by "${command} login ${registry}", as somebody who may push there.`;
  }
  return `Is ${registry} the right registry, and are you logged in (${command} login ${registry})?`;
}
