import { createInterface } from "node:readline";
import type { ReadStream } from "node:tty";
import { CancelledError } from "../core/errors.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import { visibleText } from "../core/visible.ts";

/**
 * Asks the person at a terminal yes-or-no questions, one line each. The terminal stays as it is: it edits the line, and Ctrl-C
 * is a signal like at any other time.
 *
 * @param write - writes to the terminal
 * @param signal - aborted by Ctrl-C
 * @returns a function that rejects with the reason of the signal, and with a CancelledError when the input ends (Ctrl-D).
 */
export function askAt(
  input: ReadStream,
  write: (text: string) => void,
  signal: AbortSignal,
): (text: string, usual: boolean) => Promise<boolean> {
  let lines: AsyncIterator<string> | undefined;
  return async (text, usual) => {
    lines ??= createInterface({ input, terminal: false })[Symbol.asyncIterator]();
    const question = `${visibleText(text)} ${usual ? "[Y/n]" : "[y/N]"} `;
    input.ref();
    try {
      for (let prompt = question; ; prompt = "Answer y or n: ") {
        write(prompt);
        const { done, value } = await unlessAborted(lines.next(), signal);
        if (done === true) throw new CancelledError("cancelled: the questions were not answered");
        const answer = value.trim().toLowerCase();
        if (answer === "") return usual;
        if (/^y(es)?$/.test(answer)) return true;
        if (/^no?$/.test(answer)) return false;
      }
    } finally {
      // Afterwards it keeps nothing alive.
      input.unref();
    }
  };
}
