import type * as HubClient from "@huggingface/hub";
import { DownloadError } from "../file-errors.ts";
import { Backoff } from "../processes/backoff.ts";
import { pause } from "../processes/timers.ts";
import type { ModelWeightsOptions } from "./options.ts";
import type { ExpectedContent } from "./transfer.ts";

/** A file of a repository on a hub. */
export interface HubFile {
  readonly kind: "model" | "dataset" | "space";
  /** Such as `org/model`. */
  readonly repository: string;
  readonly revision: string;
  readonly path: string;
}

/** Where a file of a hub is, and what it must contain. */
export interface LocatedHubFile {
  readonly url: string;
  readonly expected: ExpectedContent;
}

/** A hub and the credentials for it. */
export interface Hub {
  /** Without a slash at its end. */
  readonly url: string;
  /** Whether the user has chosen it, so that it may be inside. */
  readonly isOwn: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

const DEFAULT_HUB = "https://huggingface.co";
const KINDS = { models: "model", datasets: "dataset", spaces: "space" } as const;

/**
 * Reads `hf://org/model@revision/path`; `hf://datasets/…` and `hf://spaces/…` are other kinds of repositories. The
 * default revision is "main".
 * @throws DownloadError for another form
 */
export function parseHubUrl(url: string): HubFile {
  const [, kind = "models", repository = "", revision = "main", path = ""] =
    /^hf:\/\/(?:(models|datasets|spaces)\/)?([\w.-]+\/[\w.-]+)(?:@(refs\/(?:pr|convert)\/[\w.-]+|[^/@]+))?\/(.+)$/.exec(
      url,
    ) ?? [];
  const isSafe = path !== "" && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  if (!isSafe) {
    throw new DownloadError(
      "hub",
      `"${url.slice(0, 200)}" is not a file of a hub: write hf://org/model@revision/path/of/the/file.`,
    );
  }
  return {
    kind: KINDS[kind as keyof typeof KINDS],
    repository,
    revision: decodeURIComponent(revision),
    path,
  };
}

/** The hub of these options and the environment. */
export function hubOf(
  { hubUrl, token }: Pick<ModelWeightsOptions, "hubUrl" | "token">,
  environment: NodeJS.ProcessEnv = process.env,
): Hub {
  const own = hubUrl ?? (environment["HF_ENDPOINT"] || undefined);
  const key = token ?? (environment["HF_TOKEN"] || undefined);
  const url = (own ?? DEFAULT_HUB).replace(/\/+$/, "");
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
    throw new DownloadError("hub", `The hub's address "${url}" is not a URL. Check hubUrl and HF_ENDPOINT.`);
  }
  return {
    url,
    isOwn: url !== DEFAULT_HUB,
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  };
}

/** Asks the hub for the hash and size of a file, and for the commit that has last changed it. */
export async function locateHubFile(
  file: HubFile,
  hub: Hub,
  signal: AbortSignal | undefined,
): Promise<LocatedHubFile> {
  const client = await loadClient();
  const { kind, repository, revision, path } = file;
  const request: typeof fetch = (input, init) =>
    fetch(input, {
      ...init,
      headers: { ...(init?.headers as Record<string, string> | undefined), ...hub.headers },
      ...(signal === undefined ? {} : { signal }),
    });
  const ask = (): ReturnType<typeof client.pathsInfo> =>
    client.pathsInfo({
      repo: { type: kind, name: repository },
      paths: [path],
      expand: true,
      revision,
      hubUrl: hub.url,
      fetch: request,
    });
  const [info] = await retried(ask, file, signal);
  if (info?.type !== "file" || info.path !== path) {
    throw new DownloadError("hub", `${nameOf(file)} has no file "${path}" in revision "${revision}".`);
  }
  // The commit, so that the file can't change between this answer and the download.
  const commit = info.lastCommit?.id ?? revision;
  const prefix = kind === "model" ? "" : `${kind}s/`;
  const encodedPath = path.split("/").map(encodeURIComponent).join("/");
  const isLarge = info.lfs !== undefined;
  return {
    url: `${hub.url}/${prefix}${repository}/resolve/${encodeURIComponent(commit)}/${encodedPath}`,
    expected: {
      sizeBytes: info.size,
      ...(isLarge ? { sha256: info.lfs?.oid } : {}),
      ...(!isLarge && /^[0-9a-f]{40}$/.test(info.oid ?? "") ? { gitBlob: info.oid } : {}),
    },
  };
}

/** Maximum number of requests for the properties of a file. */
const MAX_ATTEMPTS = 4;

async function retried<T>(ask: () => Promise<T>, file: HubFile, signal: AbortSignal | undefined): Promise<T> {
  const backoff = new Backoff({ firstMs: 300, lastMs: 3000, jitter: 0.5 });
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      const { statusCode: status } = error as { readonly statusCode?: unknown };
      const isPassing = status === undefined || status === 429 || Number(status) >= 500;
      if (!isPassing || attempt >= MAX_ATTEMPTS) throw hubError(error, file);
    }
    await pause(backoff.next(), signal);
  }
}

function hubError(cause: unknown, file: HubFile): DownloadError {
  const { statusCode: status, message } = cause as Error & { readonly statusCode?: unknown };
  const what = nameOf(file);
  const why =
    status === 401 || status === 403
      ? `${what} is private, gated or does not exist. Set HF_TOKEN to a token that may read it, and accept its terms on the hub.`
      : status === 404
        ? `${what} has no revision "${file.revision}", or does not exist.`
        : status === undefined
          ? `The hub could not be asked for ${what}: ${causeOf(cause)}.`
          : `The hub answered with status ${String(status)} for ${what}: ${message.slice(0, 200)}`;
  return new DownloadError("hub", why, { cause });
}

function causeOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}

function nameOf({ kind, repository }: HubFile): string {
  return `The ${kind} ${repository}`;
}

async function loadClient(): Promise<typeof HubClient> {
  try {
    return await import("@huggingface/hub");
  } catch (cause) {
    throw new DownloadError(
      "hub",
      "URLs that begin with hf:// need the package @huggingface/hub. Run: npm install @huggingface/hub",
      { cause },
    );
  }
}
