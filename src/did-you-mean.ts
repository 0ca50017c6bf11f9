import { distance } from "fastest-levenshtein";

/**
 * The closest known name to a misspelt word: equal except for case, dashes and underscores, or at most two typos away.
 */
export function closestName(word: string, known: Iterable<string>): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_ ]/g, "");
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of known) {
    const steps = plain(word) === plain(name) ? 0 : distance(plain(word), plain(name));
    if (steps < bestDistance) [best, bestDistance] = [name, steps];
  }
  const allowed = word.length <= 4 ? 1 : 2;
  return bestDistance <= allowed ? best : undefined;
}

/** `; did you mean "x"?`, or an empty string if no known name is close. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const name = closestName(word, known);
  return name === undefined ? "" : `; did you mean "${name}"?`;
}
