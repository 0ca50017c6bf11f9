import type { App, ServeOptions } from "servable";
import { silentLogger } from "./silent-logger.ts";

/** A served app, with the port of its metrics. */
export interface ServedApp extends AsyncDisposable {
  readonly url: string;
  post(path: string, body?: unknown, init?: RequestInit): Promise<Response>;
  metrics(): Promise<Metrics>;
  /** Reads the metrics until the condition holds; the test's own timeout is the limit. */
  metricsWhen(holds: (metrics: Metrics) => boolean): Promise<Metrics>;
}

/** One reading of the metrics. */
export class Metrics {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The value of one sample; labels in any order, without `app_name`. NaN if the sample is missing. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries({ app_name: "fal", ...labels }).map(([key, value]) => `${key}="${value}"`);
    for (const line of this.text.split("\n")) {
      const [, sample, inBraces, value] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
      if (sample !== name) continue;
      const given = [...(inBraces ?? "").matchAll(/\w+="[^"]*"/g)].map(([label]) => label);
      if (given.length === wanted.length && wanted.every((label) => given.includes(label)))
        return Number(value);
    }
    return NaN;
  }
}

/** Serves an app on ports of its own; disposing stops it. */
export function serveApp(app: App, options: ServeOptions = {}): Promise<ServedApp> {
  return serveWith((given) => app.serve(given), options);
}

/** Like `serveApp`, with any function that serves until its signal aborts. */
export async function serveWith(
  serve: (options: ServeOptions) => Promise<unknown>,
  options: ServeOptions = {},
): Promise<ServedApp> {
  const stop = new AbortController();
  let served: Promise<unknown> | undefined;
  const { url, metricsUrl = "" } = await new Promise<{ url: string; metricsUrl: string | undefined }>(
    (resolve, reject) => {
      served = serve({
        ...{ port: 0, metricsPort: 0, logger: silentLogger(), handleSignals: false },
        ...{ signal: stop.signal, onListening: resolve, ...options },
      });
      served.catch(reject);
    },
  );
  const metrics = async (): Promise<Metrics> => new Metrics(await (await fetch(metricsUrl)).text());
  return {
    url,
    metrics,
    post: (path, body, init = {}) =>
      fetch(url + path, {
        method: "POST",
        ...init,
        headers: { "content-type": "application/json", ...init.headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    async metricsWhen(holds) {
      for (;;) {
        const now = await metrics();
        if (holds(now)) return now;
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await served;
    },
  };
}
