import { CancelledError } from "./errors.ts";

/** A request of the operating system or of GitHub to end this run. */
export interface Cancellation {
  readonly signal: AbortSignal;
  /** The name of the first signal; `undefined` if there was none. */
  cancelledBy(): string | undefined;
}

const ending = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Turns the first signal into an abort. Later signals are only reported: the undo must not be interrupted
 * by an impatient second Ctrl-C or by the SIGTERM that GitHub sends 7.5 s after its SIGINT.
 */
export function listenForSignals(tell: (message: string) => void): Cancellation {
  const controller = new AbortController();
  let first: string | undefined;
  for (const name of ending) {
    process.on(name, () => {
      if (first !== undefined) {
        tell(`${name}: still putting things back; this must not be interrupted`);
        return;
      }
      first = name;
      tell(`${name}: stopping, and putting back what was begun`);
      controller.abort(new CancelledError(`cancelled by ${name}`));
    });
  }
  return { signal: controller.signal, cancelledBy: () => first };
}
