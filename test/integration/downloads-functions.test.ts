import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { downloadFile, fn, LocalHost } from "servable";
import { FileHost } from "../helpers/file-host.ts";
import { createFolder } from "../helpers/folders.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";

useFunctionCache();

const host = new LocalHost();
after(() => host.close());

export const download = fn({ host }, (url: string, folder: string, allowedHosts: string[]) =>
  downloadFile(url, folder, { allowedHosts, showProgress: false }),
);

test("an isolated function downloads without further requirements", async () => {
  const files = await FileHost.start();
  const url = files.add("/x.txt", Buffer.from("text"));
  assert.equal(readFileSync(await download(url, createFolder(), files.hosts), "utf8"), "text");
});
