import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A log as a program writes it, and what is to be said of it. */
export interface Start {
  readonly about: string;
  readonly verdict: "failed" | "clean" | "unverifiable";
  /** The classes that a person would accept; empty unless it failed. */
  readonly classes: readonly string[];
  /** What the decisive evidence must hold; empty unless it failed. */
  readonly evidence: string;
  readonly text: string;
}

const folder = join(import.meta.dirname, "../../fixtures/starts");

/** The logs of a file: each under a line `### verdict classes | about | evidence`; `\e` is an escape byte. */
function startsIn(name: string): Start[] {
  const parts = readFileSync(join(folder, name), "utf8").split(/^### /m).slice(1);
  return parts.map((part) => {
    const end = part.indexOf("\n");
    const [left = "", about = "", evidence = ""] = part.slice(0, end).split(" | ");
    const [verdict, classes = ""] = left.split(" ");
    return {
      about,
      verdict: verdict as Start["verdict"],
      classes: classes === "" ? [] : classes.split(","),
      evidence,
      text: part.slice(end + 1).replaceAll("\\e", "\u001b"),
    };
  });
}

/** Logs of good and failed starts, and texts that are none. */
export const starts: readonly Start[] = readdirSync(folder).sort().flatMap(startsIn);
