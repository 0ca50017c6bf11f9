import { FRAME_SECONDS } from "./frame.ts";

/** Speech begins with a frame at least so likely… */
const BEGIN = 0.5;
/** …and goes on with frames at least so likely. */
const GO_ON = 0.35;
/** So many frames without speech end a segment: 256 ms, longer than the pauses between words. */
const SILENT_FRAMES = 8;
/** What is shorter than this is a click or a cough: 128 ms. */
const SPOKEN_FRAMES = 4;

/** A stretch of speech, in seconds from the start of the audio. */
export interface SpeechSegment {
  readonly start: number;
  readonly end: number;
}

/** Turns the probabilities of one frame after another into segments of speech. */
export class SpeechSegmenter {
  #frames = 0;
  #open: { first: number; last: number } | undefined;

  /** Frames so far. */
  get frames(): number {
    return this.#frames;
  }

  /** Whether a segment is open. */
  get speaking(): boolean {
    return this.#open !== undefined;
  }

  /** Takes the next frame's probability; returns the segment that it closes, if it does. */
  push(probability: number): SpeechSegment | undefined {
    const index = this.#frames++;
    if (this.#open === undefined) {
      if (probability >= BEGIN) this.#open = { first: index, last: index };
    } else if (probability >= GO_ON) {
      this.#open.last = index;
    } else if (index - this.#open.last >= SILENT_FRAMES) {
      return this.end();
    }
    return undefined;
  }

  /** The audio is over: returns the segment that was still open, if one was. */
  end(): SpeechSegment | undefined {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined || open.last - open.first + 1 < SPOKEN_FRAMES) return undefined;
    return { start: secondsAt(open.first), end: secondsAt(open.last + 1) };
  }
}

function secondsAt(frame: number): number {
  return Math.round(frame * FRAME_SECONDS * 1000) / 1000;
}
