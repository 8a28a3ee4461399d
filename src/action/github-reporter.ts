import * as core from "@actions/core";
import type { Clock } from "../core/clock.ts";
import { formatSeconds } from "../core/format.ts";
import { Pace } from "../core/progress-text.ts";
import type { Reporter } from "../core/reporter.ts";
import type { Masker } from "../core/secrets.ts";
import { visibleLine, withoutCommands } from "../core/visible.ts";

const progressEveryMs = 30_000;

/**
 * Writes the progress of an operation to the log of the step: one collapsible group per phase, and an annotation only if
 * a person must act. Groups do not nest on GitHub, so an inner group becomes a title inside the outer one.
 */
export function githubReporter(masker: Masker, clock: Clock): Reporter {
  let depth = 0;
  let lastProgressMs = clock.monotonicMs();
  const pace = new Pace();
  const shown = (message: string) => withoutCommands(visibleLine(masker.mask(message)));
  const write = (message: string) => core.info(shown(message));
  return {
    async group(title, work) {
      if (depth === 0) core.startGroup(shown(title));
      else write(`• ${title}`);
      depth += 1;
      pace.clear();
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
    progress(name, amount) {
      const nowMs = clock.monotonicMs();
      const message = amount === undefined ? name : pace.text(name, amount, nowMs);
      if (nowMs - lastProgressMs < progressEveryMs) return;
      lastProgressMs = nowMs;
      write(message);
    },
    secret(value) {
      // From now on the runner masks this text, in this log and in the logs of later steps.
      for (const form of masker.add(value)) core.setSecret(form);
    },
  };
}
