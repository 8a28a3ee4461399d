/** Longer lines are hard to read, however wide the terminal is. */
export const widest = 96;
const narrowest = 40;

/**
 * Wraps a text and indents each line by the given number of spaces.
 *
 * @param columns - of the terminal; at most {@link widest} are used
 */
export function wrap(text: string, indent: number, columns = widest): string[] {
  const width = Math.max(narrowest, Math.min(widest, columns));
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && indent + line.length + 1 + word.length > width) {
      lines.push(" ".repeat(indent) + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return line === "" ? lines : [...lines, " ".repeat(indent) + line];
}
