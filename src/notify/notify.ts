import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import { type Address, parseAddress } from "../options/notify-address.ts";
import type { LastRun } from "./last-runs.ts";
import type { Message } from "./message.ts";
import { send, sendStart } from "./send.ts";

/** When somebody is told. */
type NotifyEvent = "failure" | "recovery" | "success";

/** What a run is for those who are told: the first success after a failure is a recovery. */
export function eventOf(
  isGood: boolean,
  before: Pick<LastRun, "exitCode"> | undefined,
): NotifyEvent {
  if (!isGood) return "failure";
  return before !== undefined && before.exitCode !== 0 ? "recovery" : "success";
}

interface NotifyDependencies {
  readonly clock: Clock;
  readonly warn: (text: string) => void;
  /** How long one attempt may take, in milliseconds. Default: 10 s. */
  readonly attemptMs?: number | undefined;
}

/**
 * Tells everybody at once. A healthchecks-like service is told of every run, since silence is its alarm; the others of
 * the events that were asked for. Never throws: what did not arrive is a warning.
 */
export async function notify(
  addresses: readonly string[],
  { message, event, wanted }: { message: Message; event: NotifyEvent; wanted: readonly string[] },
  { clock, warn, attemptMs }: NotifyDependencies,
): Promise<void> {
  const told = addresses
    .map(parseAddress)
    .filter(({ kind }) => kind === "healthchecks" || wanted.includes(event));
  await Promise.all(
    told.map((address) => warned(address, send(address, message, { clock, attemptMs }), warn)),
  );
}

/** Tells the services that watch for runs that never end. Never throws. */
export async function notifyStart(
  addresses: readonly string[],
  warn: (text: string) => void,
): Promise<void> {
  await Promise.all(
    addresses.map(parseAddress).map((address) => warned(address, sendStart(address), warn)),
  );
}

async function warned(address: Address, sent: Promise<void>, warn: (text: string) => void) {
  try {
    await sent;
  } catch (error) {
    warn(`notify: ${address.label} was not told: ${describeError(error)}`);
  }
}
