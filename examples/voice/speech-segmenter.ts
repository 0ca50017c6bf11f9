import { FRAME_SECONDS } from "./frame.ts";

/** Minimum probability of the frame that begins speech. */
const BEGIN = 0.5;
/** Minimum probability of the frames that continue speech. */
const GO_ON = 0.35;
/** Number of frames without speech that end a segment: 256 ms, longer than the pauses between words. */
const SILENT_FRAMES = 8;
/** Minimum length of a segment: 128 ms; shorter ones are a click or a cough. */
const SPOKEN_FRAMES = 4;

/** A stretch of speech, in seconds from the start of the audio. */
export interface SpeechSegment {
  readonly start: number;
  readonly end: number;
}

/** Turns the probabilities of consecutive frames into segments of speech. */
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

  /** Takes the probability of the next frame. Returns a segment if this frame ends one. */
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

  /** Ends the audio and returns the open segment, if there is one. */
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
