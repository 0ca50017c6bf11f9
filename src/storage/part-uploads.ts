/** How a file is uploaded in parts. */
interface PartUploads {
  readonly count: number;
  /** Maximum number of parts that are uploaded at the same time. */
  readonly atOnce: number;
  readonly signal: AbortSignal;
  /** Uploads a part, and resolves to its ETag. @param number from 1 */
  upload(number: number, signal: AbortSignal): Promise<string>;
}

/**
 * Uploads the parts of a file, and resolves to their ETags in order. If a part fails, the others end, too: when the promise
 * rejects, no request is under way any more.
 * @throws the error of the part that failed first, or the reason of the signal
 */
export async function uploadInParts({ count, atOnce, signal, upload }: PartUploads): Promise<string[]> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const etags: string[] = [];
  let next = 1;
  const work = async (): Promise<void> => {
    for (let number = next++; number <= count; number = next++) {
      either.throwIfAborted();
      etags[number - 1] = await upload(number, either);
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, count) }, () =>
    work().catch((error: unknown) => failure.abort(error)),
  );
  await Promise.all(workers);
  either.throwIfAborted();
  return etags;
}
