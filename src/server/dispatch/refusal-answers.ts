import { answerFor } from "../../answers.ts";
import { errorOf, type Refusal } from "../../dispatch/refusal.ts";

/** The parts of the answer to a refused request. */
export interface RefusalAnswer {
  readonly status: number;
  /** The body, as JSON. */
  readonly payload: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
}

/** The answers to refused requests. One answer mostly serves many in a row: it changes with the time to retry after. */
export class RefusalAnswers {
  #code: string | undefined;
  #status = 0;
  #seconds = 0;
  #answer: RefusalAnswer | undefined;

  /** The answer to a refusal: the same object while the answer is the same. */
  for(refusal: Refusal): RefusalAnswer {
    const seconds = Math.ceil(refusal.retryAfterMs / 1000);
    const { code, status } = refusal;
    if (
      this.#answer === undefined ||
      code !== this.#code ||
      status !== this.#status ||
      seconds !== this.#seconds
    ) {
      const { body, headers = {}, status: sent } = answerFor(errorOf(refusal));
      this.#answer = { status: sent, payload: JSON.stringify(body), headers };
      this.#code = code;
      this.#status = status;
      this.#seconds = seconds;
    }
    return this.#answer;
  }
}
