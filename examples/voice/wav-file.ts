import { SAMPLE_RATE } from "./frame.ts";

/** Thrown for bytes that are not a WAV file of this example's kind; the message gives the reason. */
export class WavError extends Error {
  override name = "WavError";
}

const PCM = 1;
/** A chunk is a name of four letters, a length in four bytes, and that number of bytes. */
const CHUNK_HEAD = 8;

/**
 * The samples of a WAV file, as they are stored: 16-bit PCM, one channel, 16 kHz.
 * @throws WavError
 */
export function readWav(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (nameAt(file, 0) !== "RIFF" || nameAt(file, 8) !== "WAVE") throw new WavError("This is not a WAV file");
  let formatSeen = false;
  for (let at = 12; at + CHUNK_HEAD <= file.byteLength;) {
    const name = nameAt(file, at);
    const length = view.getUint32(at + 4, true);
    const start = at + CHUNK_HEAD;
    if (start + length > file.byteLength) throw new WavError("The WAV file is cut short");
    if (name === "fmt ") {
      if (length < 16) throw new WavError("The WAV file's format is cut short");
      assertFormat(view, start);
      formatSeen = true;
    }
    if (name === "data" && formatSeen) return file.subarray(start, start + length - (length % 2));
    at = start + length + (length % 2); // chunks start at even offsets
  }
  throw new WavError("The WAV file holds no samples");
}

function assertFormat(view: DataView, at: number): void {
  const [encoding, channels, rate, bits] = [
    view.getUint16(at, true),
    view.getUint16(at + 2, true),
    view.getUint32(at + 4, true),
    view.getUint16(at + 14, true),
  ];
  if (encoding === PCM && channels === 1 && rate === SAMPLE_RATE && bits === 16) return;
  throw new WavError(
    `The WAV file must be 16-bit PCM, one channel, ${SAMPLE_RATE} Hz; ` +
      `got ${bits}-bit ${encoding === PCM ? "PCM" : `encoding ${encoding}`}, channels: ${channels}, ${rate} Hz`,
  );
}

function nameAt(file: Uint8Array, at: number): string {
  return String.fromCharCode(...file.subarray(at, at + 4));
}
