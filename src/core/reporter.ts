import type { Amount } from "./progress-text.ts";

/**
 * The log of an operation, written like a table of contents: one titled group per phase, one line per decision, `debug`
 * for everything else, and `warning` only if a person must act. The terminal and GitHub have their own implementations;
 * {@link silentReporter} is for tests.
 */
export interface Reporter {
  /** Runs `work` as one titled phase and logs its duration. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
  info(message: string): void;
  debug(message: string): void;
  warning(message: string): void;
  /**
   * Progress of a long step; implementations may drop most calls. With an amount, the message is the name of the step, and
   * the reporter adds the rate and the time left.
   */
  progress(message: string, amount?: Amount): void;
  /** Masks this text in all output from now on, also in URL-encoded, base64 and hex form. */
  secret(value: string): void;
}

/** A reporter that discards everything. */
export const silentReporter: Reporter = {
  group: (_title, work) => work(),
  info: () => undefined,
  debug: () => undefined,
  warning: () => undefined,
  progress: () => undefined,
  secret: () => undefined,
};

/** A reporter that also collects its warnings, for a result that repeats them. */
export function collecting(reporter: Reporter, warnings: string[]): Reporter {
  return {
    group: (title, work) => reporter.group(title, work),
    info: (message) => reporter.info(message),
    debug: (message) => reporter.debug(message),
    warning: (message) => {
      warnings.push(message);
      reporter.warning(message);
    },
    progress: (message, amount) => reporter.progress(message, amount),
    secret: (value) => reporter.secret(value),
  };
}

/** A reporter that knows from earlier how much a step will be about, by its name. */
export function expecting(
  reporter: Reporter,
  expected: Readonly<Record<string, number>>,
): Reporter {
  return {
    ...reporter,
    progress: (name, amount) =>
      reporter.progress(name, amount && { ...amount, of: amount.of ?? expected[name] }),
  };
}
