import { matches } from "../formats.ts";
import { buildAutomaton, TooLargeError } from "./automaton.ts";
import { parsePattern, type Part } from "./syntax.ts";

const MAX_STATES = 5000;

/**
 * Compiles a pattern into a test that follows all paths at once, in time proportional to the text. Slower than the
 * regex engine for patterns without backtracking. Undefined for patterns with lookarounds, backreferences or large
 * counts.
 */
export function linearTest(source: string): ((text: string) => boolean) | undefined {
  const alternatives = alternativesOf(parsePattern(source));
  const tests = alternatives.map(alternativeTest);
  if (tests.some((test) => test === undefined)) return undefined;
  return (text) => tests.some((test) => test?.(text));
}

function alternativeTest(part: Part): ((text: string) => boolean) | undefined {
  const parts = part.kind === "sequence" ? part.parts : [part];
  const atStart = parts[0]?.kind === "start";
  const atEnd = parts.at(-1)?.kind === "end";
  const body = parts.slice(atStart ? 1 : 0, atEnd ? -1 : undefined);
  if (body.some(asserts)) return undefined;
  try {
    const automaton = buildAutomaton({ kind: "sequence", parts: body }, MAX_STATES, 1000);
    if (!automaton.isExact) return undefined;
    const { states, first, last, matchesEmpty } = automaton;
    const firsts = [...first.keys()];
    const nexts = states.map(({ next }) => [...next.keys()]);
    const takes = states.map(({ source }) => characterTest(source));
    return (text) => {
      if (matchesEmpty && (!atEnd || !atStart || text === "")) return true;
      let expected: Iterable<number> = firsts;
      let accepted = false;
      for (const character of text) {
        accepted = false;
        const reached = new Set<number>();
        for (const state of expected) {
          if (!takes[state]?.(character)) continue;
          if (last.has(state)) {
            if (!atEnd) return true;
            accepted = true;
          }
          for (const next of nexts[state] as number[]) reached.add(next);
        }
        if (!atStart) for (const state of firsts) reached.add(state);
        expected = reached;
      }
      return accepted;
    };
  } catch (error) {
    if (error instanceof TooLargeError) return undefined;
    throw error;
  }
}

/** `^a|b$` are two patterns, `^(?:a|b)$` is one. */
function alternativesOf(part: Part): readonly Part[] {
  return part.kind === "choice" ? part.parts.flatMap(alternativesOf) : [part];
}

function asserts(part: Part): boolean {
  switch (part.kind) {
    case "character":
      return false;
    case "sequence":
    case "choice":
      return part.parts.some(asserts);
    case "repeat":
      return asserts(part.part);
    default:
      return true;
  }
}

function characterTest(source: string): (character: string) => boolean {
  if ([...source].length === 1 && source !== ".") return (character) => character === source;
  const pattern = new RegExp(`^(?:${source})$`, "u");
  return (character) => matches(pattern, character);
}
