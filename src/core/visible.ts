/**
 * Characters that do something instead of being shown: C0 and C1 controls (ESC and CR among them), line and paragraph
 * separators, and the marks that turn the direction of text around.
 */
const unseen =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Text of any origin as one harmless line. File names, logs and what other programs say reach our own output: a line
 * break in one of them must not begin a line of ours, and an escape sequence must not reach a terminal.
 */
export function visibleLine(text: string): string {
  return text.replaceAll(unseen, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    return short[character] ?? (code < 256 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex}`);
  });
}

/** The JSON of a value as one line that is as harmless: what JSON itself may leave as it is, is escaped, too. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(unseen, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** {@link visibleLine} of each line; line breaks and tabs stay. */
export function visibleText(text: string): string {
  return text
    .split("\n")
    .map((line) => line.split("\t").map(visibleLine).join("\t"))
    .join("\n");
}

/**
 * Lines that the runner of GitHub only shows. It obeys one that begins with `::` after blanks, and an older form with
 * `##[` anywhere (actions/runner, `src/Runner.Common/ActionCommand.cs`).
 */
export function withoutCommands(text: string): string {
  return text
    .split("\n")
    .map((line) => line.replace(/^(\s*):(?=:)/, "$1\\:").replaceAll("##[", "#\\#["))
    .join("\n");
}
