/** Matches the same sentence with other numbers, ids and quoted values. */
export function patternOf(line: string): string {
  return line
    .replace(/…$/, "")
    .split(/(\d+|[0-9a-f]{8,})/i)
    .map((part, at) => (at % 2 === 1 ? "[0-9a-f]+" : part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")))
    .join("");
}
