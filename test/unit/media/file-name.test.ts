import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { fileNameOf } from "../../../src/media/file-name.ts";

const URL_OF = (path: string): URL => new URL(`http://x.test${path}`);

test("the name comes from the header, otherwise from the URL, and never has a folder", () => {
  const rows: [path: string, header: string | undefined, name: string | undefined][] = [
    ["/a/b.png", undefined, "b.png"],
    ["/a/b%20c.png?x=/y.z", undefined, "b c.png"],
    ["/a/", undefined, undefined],
    ["/", undefined, undefined],
    ["/%2e%2e%2fpasswd", undefined, "passwd"],
    ["/%zz.bin", undefined, "%zz.bin"],
    ["/b.png", "inline", "b.png"],
    ["/b.png", 'attachment; filename="c d.png"', "c d.png"],
    ["/b.png", "attachment; filename=c.png; size=3", "c.png"],
    ["/b.png", 'attachment; filename="../../etc/passwd"', "passwd"],
    ["/b.png", 'attachment; filename="C:\\\\x\\\\y.png"', "y.png"],
    ["/b.png", "attachment; filename=x; filename*=UTF-8''%e2%82%ac.png", "€.png"],
    ["/b.png", "attachment; filename*=iso-8859-1'en'%a3.png", "£.png"],
    ["/b.png", 'attachment; filename="\u00e2\u0082\u00ac.png"', "€.png"],
    ["/b.png", 'attachment; filename=""', "b.png"],
    ["/b.png", 'attachment; filename=".."', "b.png"],
    ["/b.png", 'attachment; filename=".servable-x.lock"', "servable-x.lock"],
    ["/b.png", 'attachment; filename="a\u0000\r\n\u202eb.png"', "ab.png"],
  ];
  for (const [path, header, name] of rows)
    assert.equal(fileNameOf(URL_OF(path), header), name, `${path} ${header}`);
});

test("a long name is shortened before its extension", () => {
  const name = fileNameOf(URL_OF(`/${"ä".repeat(300)}.safetensors`), undefined) ?? "";
  assert.ok(Buffer.byteLength(name) <= 200 && name.endsWith("ä.safetensors"), name);
});

test("any header gives a safe name", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (value, rest) => {
      const name = fileNameOf(URL_OF("/x"), `attachment; filename="${value}"${rest}`) ?? "";
      assert.ok(
        name !== "" && !/^\.|[/\\]|[\0-\x1f]/.test(name) && Buffer.byteLength(name) <= 210,
        JSON.stringify(name),
      );
    }),
  );
});
