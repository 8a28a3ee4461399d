/**
 * Where an operation tells what it does. The log is a table of contents: one titled group a phase,
 * one line a decision; `debug` for the rest; `warning` only for what a person must act on.
 * Each face has its own implementation (terminal, GitHub); {@link silentReporter} is for tests.
 */
export interface Reporter {
  /** Runs `work` as one titled phase and tells how long it took. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
  info(message: string): void;
  debug(message: string): void;
  warning(message: string): void;
  /** Progress of a long step; a face may drop most of the calls. */
  progress(message: string): void;
  /** From now on this text is masked in whatever is printed, also URL-encoded, base64 and hex. */
  secret(value: string): void;
}

/** A reporter that says nothing. */
export const silentReporter: Reporter = {
  group: (_title, work) => work(),
  info: () => undefined,
  debug: () => undefined,
  warning: () => undefined,
  progress: () => undefined,
  secret: () => undefined,
};

/** The same reporter; its warnings are collected, too, for a result that repeats them. */
export function collecting(reporter: Reporter, warnings: string[]): Reporter {
  return {
    group: (title, work) => reporter.group(title, work),
    info: (message) => reporter.info(message),
    debug: (message) => reporter.debug(message),
    warning: (message) => {
      warnings.push(message);
      reporter.warning(message);
    },
    progress: (message) => reporter.progress(message),
    secret: (value) => reporter.secret(value),
  };
}
