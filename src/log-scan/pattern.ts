import { RefusedError } from "../core/errors.ts";
import type { LogEvent } from "./event.ts";

/** Longest part of a record that a user's pattern is tried on: a careless one must not take minutes. */
const WINDOW = 4_000;

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

/** Whether a record's message or exception matches one of the patterns. */
export function matchesAny(patterns: readonly RegExp[], event: LogEvent): boolean {
  if (patterns.length === 0) return false;
  const text = `${event.category} ${event.message.slice(0, WINDOW)}\n${event.exception.slice(0, WINDOW)}`;
  return patterns.some((pattern) => pattern.test(text));
}
