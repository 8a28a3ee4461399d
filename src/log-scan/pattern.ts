import { RefusedError } from "../core/errors.ts";
import { endsWithin } from "../core/time-limit.ts";
import type { LogEvent } from "./event.ts";

/** Longest part of a record that a user's pattern is tried on: a careless one must not take minutes. */
const WINDOW = 4_000;

/** Longest time that a pattern may take for a whole log, and what large logs get beside it. */
const PATTERN_MS = 5_000;
const PATTERN_MS_PER_MIB = 200;

/**
 * Compiles the patterns of an input. They ignore case, and `^` and `$` stand for line ends.
 *
 * @throws RefusedError naming the input and the pattern that is no regular expression.
 */
export function compilePatterns(input: string, patterns: readonly string[]): readonly RegExp[] {
  return patterns.map((pattern) => {
    if (pattern.trim() === "") {
      throw new RefusedError(`${input}: an empty pattern would match every record`, {
        hint: `Remove the empty line from ${input}.`,
        class: "bad-pattern",
      });
    }
    try {
      return new RegExp(pattern, "im");
    } catch (cause) {
      throw new RefusedError(`${input}: ${JSON.stringify(pattern)} is not a regular expression`, {
        hint: "Write it in JavaScript's syntax; a backslash takes away the meaning of ( ) [ ] { } * + ? . | ^ $.",
        class: "bad-pattern",
        cause,
      });
    }
  });
}

/**
 * Which records have a message or an exception that matches one of the patterns. A pattern that backtracks without end on
 * a line that somebody made for it is ended.
 *
 * @param options - `ifUndecided`: what holds for the record at which a pattern was ended; later ones it does not match.
 * `limitMs`: the time of each pattern, see {@link limitFor}
 * @returns one truth a record, in their order.
 */
export function matchesOf(
  patterns: readonly RegExp[],
  events: readonly LogEvent[],
  { ifUndecided, limitMs }: { readonly ifUndecided: boolean; readonly limitMs: number },
): readonly boolean[] {
  const found = events.map(() => false);
  for (const pattern of patterns) {
    let at = 0;
    const ended = endsWithin(limitMs, () => {
      for (; at < events.length; at++) {
        found[at] ||= pattern.test(textOf(events[at] as LogEvent));
      }
    });
    if (!ended && ifUndecided) found[at] = true;
  }
  return found;
}

/** How long a pattern may take for a log of this length. */
export function limitFor(length: number): number {
  return PATTERN_MS + (length / 2 ** 20) * PATTERN_MS_PER_MIB;
}

/** Whether one of the patterns of `log-allow` matches a text of our own. What takes too long does not. */
export function allows(patterns: readonly string[], text: string, limitMs = PATTERN_MS): boolean {
  return patterns.some((pattern) => {
    const expression = new RegExp(pattern);
    let matches = false;
    endsWithin(limitMs, () => {
      matches = expression.test(text);
    });
    return matches;
  });
}

function textOf({ category, message, exception }: LogEvent): string {
  return `${category} ${message.slice(0, WINDOW)}\n${exception.slice(0, WINDOW)}`;
}
