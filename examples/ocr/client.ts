// Sends pictures to the running app, all at once, and prints the lines of each.
// npm run client -- [FILE…]. The variable URL, if set, is the app's address.
import { openAsBlob } from "node:fs";
import { basename } from "node:path";
import type { Text } from "./app.ts";

const url = process.env["URL"] ?? "http://127.0.0.1:8080";
const files = process.argv.length > 2 ? process.argv.slice(2) : ["pictures/newspaper.png"];

async function read(file: string): Promise<string> {
  const body = new FormData();
  body.set("picture", await openAsBlob(file), basename(file));
  const answer = await fetch(`${url}/upload`, { method: "POST", body });
  if (!answer.ok) throw new Error(`${file}: ${answer.status} ${await answer.text()}`);
  const { lines } = (await answer.json()) as Text;
  return lines.map(({ text, confidence }) => `${confidence.toFixed(2)}  ${text}`).join("\n");
}

for (const result of await Promise.allSettled(files.map(read))) {
  if (result.status === "fulfilled") {
    console.log(result.value);
  } else {
    console.error(String((result.reason as Error).message));
    process.exitCode = 1;
  }
}
