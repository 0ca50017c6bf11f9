import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import pino from "pino";
import { FrontDoor } from "../../../../src/controller/port/front-door.ts";
import { CertificateKeeper } from "../../../../src/controller/tls/certificate-keeper.ts";
import {
  expiryOf,
  platformCertificate,
  type PlatformCertificate,
} from "../../../../src/controller/tls/certificates.ts";
import { withoutOpenssl } from "../../../helpers/certificates.ts";
import { createFolder } from "../../../helpers/folders.ts";

const DAY_MS = 86_400_000;
const own = { kind: "own", names: ["servable.test", "10.1.2.3", "2001:db8::1"] } as const;
const log = pino({ level: "silent" });

test("a platform's own certificate has its names and addresses, is signed by its authority, and is kept", () => {
  const folder = createFolder();
  const made = platformCertificate(folder, own);
  const server = new X509Certificate(made.cert);
  const authority = new X509Certificate(readFileSync(made.authorityPath as string));
  assert.ok(server.checkIssued(authority) && server.verify(authority.publicKey));
  assert.ok(authority.ca && !server.ca);
  assert.equal(server.checkHost("servable.test"), "servable.test");
  for (const address of ["127.0.0.1", "::1", "10.1.2.3", "2001:db8::1"]) {
    assert.equal(server.checkIP(address), address);
  }
  assert.equal(server.checkHost("other.test"), undefined);
  assert.deepEqual(platformCertificate(folder, own), made);
  for (const name of ["ca.key", "server.key"])
    assert.equal(statSync(join(folder, "tls", name)).mode & 0o777, 0o600);
});

test("OpenSSL accepts the chain by its strict rules", { skip: withoutOpenssl }, () => {
  const folder = createFolder();
  platformCertificate(folder, own);
  const [ca, server] = ["ca.crt", "server.crt"].map((name) => join(folder, "tls", name));
  const args = ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "servable.test"];
  const output = execFileSync("openssl", [...args, "-CAfile", ca as string, server as string], {
    encoding: "utf8",
  });
  assert.match(output, /: OK/);
});

test("a certificate is renewed a month before it expires, by the same authority, and when a name is added", () => {
  const folder = createFolder();
  const start = new Date();
  const first = platformCertificate(folder, own, start);
  const after = (days: number): Date => new Date(start.getTime() + days * DAY_MS);
  assert.equal(platformCertificate(folder, own, after(59)).cert, first.cert);
  const renewed = platformCertificate(folder, own, after(61));
  assert.notEqual(renewed.cert, first.cert);
  assert.ok(expiryOf(renewed) > expiryOf(first));
  const authority = new X509Certificate(readFileSync(first.authorityPath as string));
  assert.ok(new X509Certificate(renewed.cert).verify(authority.publicKey));
  const named = platformCertificate(folder, { kind: "own", names: ["added.test"] }, after(61));
  assert.equal(new X509Certificate(named.cert).checkHost("added.test"), "added.test");
});

test("a running platform uses a renewed certificate, and keeps the former one while the files are invalid", async () => {
  const folder = createFolder();
  const paths = [join(folder, "cert.pem"), join(folder, "key.pem")] as const;
  const write = (source: PlatformCertificate): void => {
    writeFileSync(paths[0], source.cert);
    writeFileSync(paths[1], source.key);
  };
  const [first, second] = [createFolder(), createFolder()].map((each) => platformCertificate(each, own));
  assert.ok(first !== undefined && second !== undefined);
  write(first);
  const keeper = new CertificateKeeper(folder, { kind: "files", cert: paths[0], key: paths[1] }, log);
  const door = new FrontDoor({ onRequest: () => {}, onUpgrade: () => {}, onCall: () => {} }, keeper.current);
  const { port } = await door.listen({ host: "127.0.0.1", port: 0 });
  door.open();
  const shown = async (): Promise<string | undefined> => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const serial = socket.getPeerX509Certificate()?.serialNumber;
    socket.destroy();
    return serial;
  };
  const serialOf = ({ cert }: PlatformCertificate): string => new X509Certificate(cert).serialNumber;
  try {
    assert.equal(await shown(), serialOf(first));
    writeFileSync(paths[0], "broken");
    keeper.check((renewed) => door.renew(renewed));
    assert.equal(await shown(), serialOf(first));
    write(second);
    keeper.check((renewed) => door.renew(renewed));
    assert.equal(await shown(), serialOf(second));
  } finally {
    door.close();
    keeper.close();
  }
});

test("a client that offers HTTP/1.1 and HTTP/2 gets HTTP/1.1; one that offers HTTP/2 alone, as gRPC does, gets that", async () => {
  const door = new FrontDoor(
    { onRequest: () => {}, onUpgrade: () => {}, onCall: () => {} },
    platformCertificate(createFolder(), own),
  );
  const { port } = await door.listen({ host: "127.0.0.1", port: 0 });
  door.open();
  const agreed = async (...ALPNProtocols: string[]): Promise<string | false | null> => {
    const socket = connect({ host: "127.0.0.1", port, ALPNProtocols, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { alpnProtocol } = socket;
    socket.destroy();
    return alpnProtocol;
  };
  try {
    assert.equal(await agreed("h2", "http/1.1"), "http/1.1");
    assert.equal(await agreed("h2"), "h2");
    assert.equal(await agreed(), false);
  } finally {
    door.close();
  }
});

test("files that are missing, or not a certificate with its key, are refused by their names", () => {
  const folder = createFolder({ "cert.pem": "no", "key.pem": "no" });
  const files = (cert: string, key: string) =>
    ({ kind: "files", cert: join(folder, cert), key: join(folder, key) }) as const;
  assert.throws(
    () => platformCertificate(folder, files("none.pem", "key.pem")),
    /none\.pem can't be read \(ENOENT\)/,
  );
  assert.throws(
    () => platformCertificate(folder, files("cert.pem", "key.pem")),
    /cert\.pem and \S+key\.pem are not a certificate and its key, in PEM/,
  );
});

const outside = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, family }) => !internal && family === "IPv4")?.address;

test(
  "with TLS, a request in clear is answered on this machine alone",
  { skip: outside === undefined ? "this machine has no other address" : false },
  async () => {
    const door = new FrontDoor(
      { onRequest: (_request, response) => response.end("yes"), onUpgrade: () => {}, onCall: () => {} },
      platformCertificate(createFolder(), own),
    );
    const { port } = await door.listen({ host: "0.0.0.0", port: 0 });
    door.open();
    const answer = async (host: string): Promise<string> => {
      const socket = connectPlain({ host, port });
      socket.on("error", () => {}).write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      await once(socket, "close");
      return text;
    };
    try {
      assert.match(await answer("127.0.0.1"), /yes$/);
      assert.equal(await answer(outside as string), "");
    } finally {
      door.close();
    }
  },
);
