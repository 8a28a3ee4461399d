import { readFileSync } from "node:fs";

/**
 * The paths at which file systems are mounted for this process.
 *
 * @param mountinfo - as proc(5) describes it, one character a byte
 */
export function mountPoints(
  mountinfo: string = readFileSync("/proc/self/mountinfo", "latin1"),
): string[] {
  const paths = mountinfo.split("\n").flatMap((line) => line.split(" ")[4] ?? []);
  return paths.map(unescaped);
}

/** The kernel escapes blanks and backslashes in a path as octal numbers. */
function unescaped(path: string): string {
  const bytes = path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
