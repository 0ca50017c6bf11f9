import { GatewayError } from "../gateway/gateway-error.ts";

const TOKEN = "[\\w!#$%&'*+.^`|~-]{1,100}";
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?: *; *${TOKEN}=(?:${TOKEN}|"[ !#-\\[\\]-~]{0,100}"))*$`);
const UNKNOWN_TYPE = "application/octet-stream";

/** Types that browsers show without running scripts. */
const SHOWN =
  /^(?:(?:image\/(?:apng|avif|bmp|gif|heic|heif|jpe?g|jxl|png|tiff|webp|x-icon|vnd\.microsoft\.icon))|(?:audio|video)\/[\w.-]+|text\/(?:plain|csv|markdown|vtt)|application\/json)$/;
/** Types that a page may load as a script, also where its address is that of a script. */
const SCRIPT = /(?:java|ecma|j|live)script|wasm/;

/** The type of a file as its sender states it. @throws GatewayError for what can't be a type */
export function parseType(given: unknown): string {
  if (given === undefined || given === null || given === "") return UNKNOWN_TYPE;
  if (typeof given === "string" && given.length <= 255 && MEDIA_TYPE.test(given)) return given;
  throw new GatewayError(
    "bad_request",
    `The content type has to be one such as "image/png", not ${JSON.stringify(String(given).slice(0, 100))}.`,
  );
}

/** How a file of a type is served. */
export interface ServedType {
  readonly type: string;
  /** Whether browsers save it and don't show it. */
  readonly isDownload: boolean;
}

/** How a file is served so that it can't run scripts, neither as a page nor within another one. */
export function servedType(stated: string): ServedType {
  const essence = (stated.split(";")[0] ?? "").trim().toLowerCase();
  if (SCRIPT.test(essence)) return { type: UNKNOWN_TYPE, isDownload: true };
  return { type: stated, isDownload: !SHOWN.test(essence) };
}
