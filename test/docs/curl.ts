import assert from "node:assert/strict";
import { png } from "../helpers/pictures.ts";
import { readStreamed } from "../helpers/streamed-text.ts";

/** A parsed curl command of the documentation. */
export interface CurlCommand {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | FormData | undefined;
  /** The PATTERN of `| grep PATTERN`, which filters the lines of the response. */
  readonly grep: RegExp | undefined;
}

/** Parses a curl command as a shell would. Accepts only the options that the documentation uses. */
export function parseCurl(text: string): CurlCommand {
  const words = shellWords(text);
  const pipe = words.indexOf("|");
  const [program, ...args] = pipe < 0 ? words : words.slice(0, pipe);
  assert.equal(program, "curl");
  const [filter, pattern, ...rest] = pipe < 0 ? [] : words.slice(pipe + 1);
  assert.ok(filter === undefined || (filter === "grep" && pattern !== undefined && rest.length === 0), text);

  let url: string | undefined;
  let method: string | undefined;
  let body: string | undefined;
  let form: FormData | undefined;
  const headers: Record<string, string> = {};
  const next = (option: string): string => {
    const value = args.shift();
    assert.ok(value !== undefined, `${option} lacks its value in: ${text}`);
    return value;
  };
  for (let word = args.shift(); word !== undefined; word = args.shift()) {
    if (word === "-X") method = next(word);
    else if (word === "-d") body = next(word);
    else if (word === "-F") addPart((form ??= new FormData()), next(word));
    else if (word === "-H") {
      const [name = "", value = ""] = next(word).split(/:\s*(.*)/);
      headers[name.toLowerCase()] = value;
    } else if (!/^-[sSN]+$/.test(word)) {
      assert.ok(!word.startsWith("-") && url === undefined, `unexpected ${word} in: ${text}`);
      url = word;
    }
  }
  assert.ok(url !== undefined, `no address in: ${text}`);
  return {
    url: new URL(url),
    method: method ?? (body === undefined && form === undefined ? "GET" : "POST"),
    headers:
      body === undefined ? headers : { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: form ?? body,
    grep: pattern === undefined ? undefined : new RegExp(pattern),
  };
}

/** A picture of 1,234 bytes, in place of all files of the documentation, which do not exist. */
const PICTURE = Uint8Array.from({ ...png(2, 1), length: 1_234 });

/** Adds `name=text` or `name=@file`. */
function addPart(form: FormData, text: string): void {
  const [, name = "", at, value = "", type] = /^([^=]+)=(@?)(.*?)(?:;type=(.*))?$/s.exec(text) ?? [];
  if (at === "") form.append(name, value);
  else form.append(name, new Blob([PICTURE], { type: type ?? "image/png" }), value);
}

/** Sends the command to the same path of another address, and returns what curl would print. */
export async function sendCurl(
  command: CurlCommand,
  origin: string,
): Promise<{ status: number; printed: string }> {
  const { method, headers, body, grep } = command;
  const url = new URL(command.url.pathname + command.url.search, origin);
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  const { text } = await readStreamed(answer); // curl also prints the received part of an aborted response
  const lines =
    grep === undefined
      ? text
      : text
          .split("\n")
          .filter((line) => grep.test(line))
          .join("\n");
  return { status: answer.status, printed: lines.trim() };
}

function shellWords(text: string): string[] {
  const token = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\\n|\\(.)|([^\s'"\\|]+)|(\s+)|(\|)/gsy;
  const words: string[] = [];
  let word: string | undefined;
  let read = 0;
  const close = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  for (const [whole, single, double, escaped, plain, space, pipe] of text.trim().matchAll(token)) {
    read += whole.length;
    if (space !== undefined || whole === "\\\n") close();
    else if (pipe !== undefined) {
      close();
      words.push("|");
    } else word = (word ?? "") + (single ?? double?.replaceAll(/\\(.)/gs, "$1") ?? escaped ?? plain ?? "");
  }
  close();
  assert.equal(read, text.trim().length, `an open quote in: ${text}`);
  return words;
}
