/** A record's head: an ISO time or a bracketed one, and a level. */
const HEAD =
  /(?:\[?\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?\]? {1,3}\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)\b|\[\d{2}:\d{2}:\d{2} (?:VRB|DBG|INF|WRN|ERR|FTL)\])/;
/** What is drawn and drawn over: bars, percentages, an estimated time. */
const DRAWN =
  /[\u2500-\u259f\u2800-\u28ff#=>]{3,}|\d{1,3}(?:\.\d{1,2})?\s?%|\(?(?:eta|ETA)[: ]|\d+\/\d+|\.{3,}\s*$/;
/** A record that quotes another one is no progress bar. */
const LEVEL_FIRST =
  /^[\s[<(|]*(?:[A-Z]{4,11}|[A-Z][a-z]{3,10}|info|warn|fail|crit|dbug|trce)\b[\])|>: ]/;
/** No progress bar is longer. */
const LONGEST = 1_000;

/**
 * Cuts a progress bar off the record that follows it on the same line: a bar ends in no line break. Returns the line
 * itself where there is nothing to cut.
 */
export function splitGlued(text: string): readonly string[] {
  if (text.length < 30) return [text];
  const window = text.length > LONGEST ? text.slice(0, LONGEST) : text;
  if (!/\d{2}:\d{2}:\d{2}/.test(window)) return [text];
  const found = HEAD.exec(window);
  if (found === null || found.index === 0) return [text];
  const before = text.slice(0, found.index);
  if (!DRAWN.test(before) || LEVEL_FIRST.test(before)) return [text];
  return [before, text.slice(found.index)];
}
