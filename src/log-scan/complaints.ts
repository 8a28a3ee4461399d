import { decode } from "./decode.ts";
import { clean } from "./quote.ts";
import { harmlessRule, toRecord } from "./record.ts";

const levels = new Set(["warn", "error", "fatal"]);

/**
 * The warnings and failures of a log as templates: the first line of each, with numbers and ids replaced by `#`, each
 * once, in order. Pure.
 */
export function complaints(text: string): string[] {
  const found = new Set<string>();
  decode(text, (event) => {
    const { level = "", rule, message, exception } = toRecord(event);
    const isComplaint = rule !== undefined || levels.has(level);
    if (!isComplaint || harmlessRule(event) !== undefined) return;
    const line = clean(message.trim() === "" ? exception : message);
    if (line !== "") found.add(line.replace(/\b[0-9a-f]{8,}\b|\d+/gi, "#"));
  });
  return [...found];
}
