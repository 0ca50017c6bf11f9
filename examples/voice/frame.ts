/** Samples per second, of one channel. */
export const SAMPLE_RATE = 16_000;
/** Samples of one step of the model: 32 ms. */
export const FRAME_SAMPLES = 512;
/** A sample is a 16-bit signed integer, little-endian. */
export const FRAME_BYTES = FRAME_SAMPLES * 2;
/** Length of a frame in seconds. */
export const FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE;

/** Divides audio into frames; the last one is padded with silence. */
export function* framesOf(pcm: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < pcm.byteLength; start += FRAME_BYTES) {
    const frame = pcm.subarray(start, start + FRAME_BYTES);
    if (frame.byteLength === FRAME_BYTES) {
      yield frame;
    } else {
      const filled = new Uint8Array(FRAME_BYTES);
      filled.set(frame);
      yield filled;
    }
  }
}

/** The samples of one frame, each from -1 to 1. */
export function samplesOf(pcm: Uint8Array): Float32Array {
  const view = new DataView(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  const samples = new Float32Array(FRAME_SAMPLES);
  for (let index = 0; index < FRAME_SAMPLES; index++) {
    samples[index] = view.getInt16(index * 2, true) / 32_768;
  }
  return samples;
}
