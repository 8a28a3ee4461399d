import type { Writable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import { formatSeconds } from "../core/format.ts";
import { type Amount, Pace } from "../core/progress-text.ts";
import type { Reporter } from "../core/reporter.ts";
import type { Masker } from "../core/secrets.ts";
import { tellTiming } from "../core/timing.ts";
import { visibleLine } from "../core/visible.ts";

/** Where and how a terminal reporter writes. */
interface TerminalOptions {
  /** Standard error. Standard output is reserved for the result. */
  readonly stream: Writable;
  /** On a terminal, progress is one line with a bar that is rewritten; elsewhere, a line every half minute. */
  readonly interactive: boolean;
  readonly debug: boolean;
  readonly masker: Masker;
  readonly clock: Clock;
}

const everyMs = { interactive: 100, plain: 30_000 };
const clearLine = "\r\u001b[2K";

/** Writes the progress of an operation to standard error, indented by one step per phase. */
export function terminalReporter(options: TerminalOptions): Reporter {
  const { stream, interactive, masker, clock } = options;
  let depth = 0;
  let progressShown = false;
  let lastProgressMs = Number.NEGATIVE_INFINITY;
  const pace = new Pace();
  const write = (text: string) => {
    const clear = progressShown ? clearLine : "";
    progressShown = false;
    const indent = "  ".repeat(depth);
    stream.write(`${clear}${indent}${visibleLine(masker.mask(text))}\n`);
  };
  const progress = (name: string, amount?: Amount) => {
    const nowMs = clock.monotonicMs();
    const message = amount === undefined ? name : pace.text(name, amount, nowMs, interactive);
    if (nowMs - lastProgressMs < (interactive ? everyMs.interactive : everyMs.plain)) return;
    lastProgressMs = nowMs;
    if (!interactive) {
      write(message);
      return;
    }
    const columns = (stream as Writable & { columns?: number }).columns || 80;
    const line = `${"  ".repeat(depth)}${visibleLine(masker.mask(message))}`.slice(0, columns - 1);
    stream.write(`${clearLine}${line}`);
    progressShown = true;
  };
  return {
    async group(title, work) {
      write(`• ${title}`);
      depth += 1;
      pace.clear();
      lastProgressMs = clock.monotonicMs();
      const startMs = clock.monotonicMs();
      try {
        const value = await work();
        write(`done in ${formatSeconds((clock.monotonicMs() - startMs) / 1000)}`);
        return value;
      } finally {
        tellTiming("phase", title, startMs);
        depth -= 1;
      }
    },
    info: write,
    debug: (message) => options.debug && write(message),
    warning: (message) => write(`warning: ${message}`),
    progress,
    secret: (value) => void masker.add(value),
  };
}
