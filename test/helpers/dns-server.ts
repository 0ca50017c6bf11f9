import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv4 } from "node:net";
import { after } from "node:test";

/** A question that a DNS server got. */
interface DnsQuestion {
  readonly name: string;
  readonly type: "A" | "AAAA";
}

/** Decides about the answer: addresses, no such name, or no answer at all. */
export type DnsAnswers = (question: DnsQuestion) => readonly string[] | "missing" | "silence";

/** A DNS server over UDP on a loopback address. */
export interface DnsServer {
  /** As `host:port`. */
  readonly address: string;
  readonly questions: readonly DnsQuestion[];
}

const TYPES = { A: 1, AAAA: 28 } as const;

/** Starts a DNS server, which is closed after the test or the file that calls this. */
export async function startDnsServer(answers: DnsAnswers): Promise<DnsServer> {
  const questions: DnsQuestion[] = [];
  const socket: Socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const question = readQuestion(query);
    if (question === undefined) return;
    questions.push(question);
    const answer = answers(question);
    if (answer !== "silence") socket.send(writeAnswer(query, question, answer), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  after(() => socket.close());
  return { address: `127.0.0.1:${socket.address().port}`, questions };
}

function readQuestion(query: Buffer): DnsQuestion | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  const type = query.readUInt16BE(at + 1);
  const known = (["A", "AAAA"] as const).find((name) => TYPES[name] === type);
  return known === undefined ? undefined : { name: labels.join("."), type: known };
}

function writeAnswer(query: Buffer, { type }: DnsQuestion, answer: readonly string[] | "missing"): Buffer {
  const end = query.indexOf(0, 12) + 5;
  const addresses = answer === "missing" ? [] : answer.filter((each) => isIPv4(each) === (type === "A"));
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(answer === "missing" ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8); // no other records
  const records = addresses.map((address) => {
    const bytes = isIPv4(address) ? address.split(".").map(Number) : ipv6Bytes(address);
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0); // the name of the question
    record.writeUInt16BE(TYPES[type], 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(0, 6); // not to be kept
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, Buffer.from(bytes)]);
  });
  return Buffer.concat([head, query.subarray(12, end), ...records]);
}

function ipv6Bytes(address: string): number[] {
  const [start = "", end] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const words = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));
  const first = words(start);
  const last = words(end ?? "");
  const middle = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...middle, ...last].flatMap((word) => [word >> 8, word & 0xff]);
}
