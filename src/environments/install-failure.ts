import { statfsSync } from "node:fs";
import { FalServerlessError } from "../errors.ts";
import type { NpmResult } from "./npm-run.ts";

/** The facts about an installation for the message of its failure. */
export interface InstallSubject {
  /** The requirements, in one line. */
  readonly what: string;
  /** The folder of the installation. */
  readonly directory: string;
  /** The registry that npm uses. */
  readonly registry: string;
}

/** Maximum number of output lines of npm or an install script at the end of a message. */
const SHOWN_LINES = 6;

const NETWORK =
  /^(?:ECONN\w+|ENOTFOUND|EAI_\w+|ETIMEDOUT|ESOCKETTIMEDOUT|ERR_SOCKET_TIMEOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|EIDLETIMEOUT|ERESPONSETIMEOUT|ECONNECTIONTIMEOUT|EPROTO|FETCH_ERROR|E5\d\d|E429|UND_ERR\w*|EINVALIDPROXY)$/;
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/;

/**
 * The error for a failed run of npm. Its message says what failed, why, and what to do, and ends with the last output
 * of npm.
 */
export function installFailure(subject: InstallSubject, result: NpmResult): FalServerlessError {
  const said = errorLines(result.lines);
  const code = /^code (\S+)/.exec(said.find((line) => line.startsWith("code ")) ?? "")?.[1] ?? "";
  const { why, words } = explain(code, said, subject, result);
  const quoted = words.length === 0 ? "" : `\n${words.map((line) => `  ${line}`).join("\n")}`;
  const cause = new Error(
    `npm ended with ${result.killedBy ?? `exit code ${result.exitCode}`}${code === "" ? "" : ` (${code})`}:\n${result.lines.join("\n")}`,
  );
  return failure(subject, `${why}${quoted}`, cause);
}

/** The error for an operation of an installation that the file system or the operating system refused. */
export function installTrouble(subject: InstallSubject, error: unknown): FalServerlessError {
  if (error instanceof FalServerlessError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return failure(subject, diskFull(subject.directory), error);
  return failure(subject, `${message}.`, error);
}

function failure(subject: InstallSubject, text: string, cause: unknown): FalServerlessError {
  return new FalServerlessError(
    "ENVIRONMENT_FAILED",
    `The environment of ${subject.what} could not be installed: ${text}`,
    { cause },
  );
}

interface Explanation {
  readonly why: string;
  readonly words: readonly string[];
}

function explain(
  code: string,
  said: readonly string[],
  subject: InstallSubject,
  result: NpmResult,
): Explanation {
  const script = failedScript(said);
  const all = said.join("\n");
  if (code === "ENOSPC" || code === "EDQUOT" || /\bENOSPC\b|no space left on device/i.test(all)) {
    return { why: diskFull(subject.directory), words: [] };
  }
  if (script !== undefined) return script;
  const named = (pattern: RegExp): string | undefined => pattern.exec(all)?.[1]?.replace(/\.$/, "");
  switch (code) {
    case "E404": {
      const missing = named(/'([^']+)' (?:is not in this registry|could not be found)/)?.replace(/@\*?$/, "");
      return {
        why: `${missing ?? "a package"} does not exist in the registry ${subject.registry}, or you may not see it. Correct the requirement, or log in with \`npm login\`.`,
        words: [],
      };
    }
    case "ETARGET":
    case "ENOVERSIONS": {
      const missing = named(/No (?:matching version|versions available)(?: found)? for (\S+)/);
      return {
        why: `no version of a package fits ${missing ?? "the requirement"} in the registry ${subject.registry}. Correct the requirement; \`npm view NAME versions\` lists what there is.`,
        words: [],
      };
    }
    case "ERESOLVE":
      return {
        why: "packages want versions of the same package that exclude each other. Change a requirement, or install in steps (a list of lists).",
        words: wordsOf(
          said,
          /^(?:ERESOLVE|While resolving|Found|Could not resolve|peer|Conflicting|node_modules)/i,
        ),
      };
    case "E401":
    case "E403":
    case "ENEEDAUTH":
      return {
        why: `the registry ${subject.registry} refuses this user. Log in with \`npm login\`, or look at the token in .npmrc.`,
        words: wordsOf(said),
      };
    case "EUSAGE":
      return {
        why: "the lockfile does not fit. Renew it with `npm install` in its folder.",
        words: wordsOf(said, /^(?:Missing|Invalid)/),
      };
    case "EINTEGRITY":
      return {
        why: "a package that came is not the one that was announced. Try again; if it lasts, `npm cache verify` and the lockfile are worth a look.",
        words: wordsOf(said),
      };
    case "EBADENGINE":
    case "EBADPLATFORM":
      return {
        why: "a package is not made for this Node or this machine.",
        words: wordsOf(said, /required|wanted|current|not compatible|unsupported/i),
      };
  }
  if (CERTIFICATE.test(code)) {
    return {
      why: `the certificate of the registry ${subject.registry} is not trusted (${code}). Name your own authority's in NODE_EXTRA_CA_CERTS, or in npm's \`cafile\`.`,
      words: [],
    };
  }
  if (NETWORK.test(code)) {
    return {
      why: `the registry ${subject.registry} can't be reached (${/timeout/i.test(all) ? "it does not answer in time" : code}). Check the network, the proxy (HTTPS_PROXY) and \`npm config get registry\`, then call again.`,
      words: wordsOf(said, /request to|Not Found|GET|failed|timeout|response/i).slice(0, 1),
    };
  }
  if (result.killedBy !== null)
    return { why: `npm was killed by ${result.killedBy}. Call again.`, words: [] };
  return {
    why: `npm ended with exit code ${result.exitCode}${code === "" ? "" : ` (${code})`}.`,
    words: said.length === 0 ? result.lines.slice(-SHOWN_LINES) : wordsOf(said),
  };
}

/** Finds a failed install script in npm's output, which has the script's folder, its command and its output. */
function failedScript(said: readonly string[]): Explanation | undefined {
  const failed = said.findIndex((line) => line === "command failed");
  const command = said[failed + 1];
  if (failed === -1 || command === undefined) return undefined;
  const path = said.find((line) => line.startsWith("path "))?.slice("path ".length) ?? "";
  const name = /node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)$/.exec(path)?.[1]?.replace("\\", "/");
  const output = said.slice(failed + 2).filter((line) => line.trim() !== "");
  return {
    why: `the install script of ${name ?? "a package"} failed: ${command.replace(/^command (?:sh|\S*cmd(?:\.exe)?) (?:-c|\/d \/s \/c) /, "")}${output.length === 0 ? " (it said nothing)" : ""}`,
    words: output.slice(-SHOWN_LINES),
  };
}

/** The errors that npm printed, without its prefix and without lines about npm itself. */
function errorLines(lines: readonly string[]): string[] {
  return lines
    .map((line) => /^npm (?:ERR!|error)(?: (.*))?$/.exec(line)?.[1])
    .filter((line): line is string => line !== undefined)
    .filter((line) => !/^(?:A complete log of|Log files were not|\s+at )|debug-\d+\.log/.test(line));
}

function wordsOf(said: readonly string[], wanted: RegExp = /./): string[] {
  return said
    .filter((line) => !/^(?:code|errno|syscall|path) /.test(line))
    .map((line) => line.replace(/^(?:404|notarget|ERESOLVE)\s+/, "").trim())
    .filter((line) => line !== "" && wanted.test(line))
    .slice(0, SHOWN_LINES);
}

function diskFull(directory: string): string {
  let left = "";
  try {
    const { bavail, bsize } = statfsSync(directory);
    left = `; ${((bavail * bsize) / 1e6).toFixed(1)} MB are free`;
  } catch {
    // the folder has been removed
  }
  return `the disk is full (ENOSPC) in ${directory}${left}. Make room, for instance with \`servable env prune\`, and call again.`;
}
