import { request } from "node:http";
import { Backoff } from "./backoff.ts";
import { pause } from "./timers.ts";

/** The variables by which a platform says where a runner announces that it takes requests. */
const URL_VARIABLE = "SERVABLE_ANNOUNCE_URL";
const TOKEN_VARIABLE = "SERVABLE_ANNOUNCE_TOKEN";

/** Where a runner announces itself. */
export interface Announcement {
  readonly url: string;
  readonly token: string;
}

/**
 * Takes the address of the platform from the environment, so that the app does not see the token. Undefined if this
 * process is not a runner of a platform.
 */
export function takeAnnouncement(environment: NodeJS.ProcessEnv = process.env): Announcement | undefined {
  const url = environment[URL_VARIABLE];
  const token = environment[TOKEN_VARIABLE];
  delete environment[URL_VARIABLE];
  delete environment[TOKEN_VARIABLE];
  return url === undefined || token === undefined ? undefined : { url, token };
}

/** Tells the platform the port that requests can be sent to. Tries again until it is heard: the platform may be starting. */
export async function announceReady({ url, token }: Announcement, port: number): Promise<void> {
  const backoff = new Backoff({ firstMs: 50, lastMs: 2_000 });
  for (;;) {
    const status = await post(url, token, JSON.stringify({ port })).catch(() => 0);
    // Refused: the platform does not know this runner any more, and ends it.
    if (status >= 200 && status < 500) return;
    await pause(backoff.next(), undefined);
  }
}

function post(url: string, token: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: "POST",
      agent: false,
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      },
    });
    call.once("response", (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.once("error", reject);
    call.end(body);
  });
}
