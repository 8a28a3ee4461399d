import * as core from "@actions/core";
import type { Clock } from "../core/clock.ts";
import { formatSeconds } from "../core/format.ts";
import type { Reporter } from "../core/reporter.ts";
import type { Masker } from "../core/secrets.ts";
import { visibleLine, withoutCommands } from "../core/visible.ts";

const progressEveryMs = 10_000;

/**
 * Tells what an operation does in the log of the step: one folding group a phase, an annotation only for
 * what a person must act on. Groups do not nest on GitHub, so an inner one is a title in the outer.
 */
export function githubReporter(masker: Masker, clock: Clock): Reporter {
  let depth = 0;
  let lastProgressMs = clock.monotonicMs();
  const shown = (message: string) => withoutCommands(visibleLine(masker.mask(message)));
  const write = (message: string) => core.info(shown(message));
  return {
    async group(title, work) {
      if (depth === 0) core.startGroup(shown(title));
      else write(`• ${title}`);
      depth += 1;
      const startMs = clock.monotonicMs();
      lastProgressMs = startMs;
      try {
        const value = await work();
        write(`done in ${formatSeconds((clock.monotonicMs() - startMs) / 1000)}`);
        return value;
      } finally {
        depth -= 1;
        if (depth === 0) core.endGroup();
      }
    },
    info: write,
    debug: (message) => core.debug(shown(message)),
    warning: (message) => core.warning(shown(message), { title: "Sophon Keeper" }),
    progress(message) {
      const nowMs = clock.monotonicMs();
      if (nowMs - lastProgressMs < progressEveryMs) return;
      lastProgressMs = nowMs;
      write(message);
    },
    secret(value) {
      // The runner masks what it is told from here on, in this log and in that of later steps.
      for (const form of masker.add(value)) core.setSecret(form);
    },
  };
}
