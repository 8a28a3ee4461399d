import { channel, subscribe } from "node:diagnostics_channel";

/** Something that took its time: a titled phase, a program, or a task with its helper container. */
export interface Timing {
  readonly what: "phase" | "program" | "task";
  readonly name: string;
  /** Milliseconds since the process began. */
  readonly startMs: number;
  readonly endMs: number;
}

const name = "sophon-keeper.timing";
const timings = channel(name);

/** Tells how long something took that began at `startMs` (`performance.now()`) and ends now. Costs nothing where nobody listens. */
export function tellTiming(what: Timing["what"], title: string, startMs: number): void {
  if (!timings.hasSubscribers) return;
  const timing: Timing = { what, name: title, startMs, endMs: performance.now() };
  timings.publish(timing);
}

/** Hears every timing of this process from now on. */
export function listenToTimings(listener: (timing: Timing) => void): void {
  subscribe(name, (message) => listener(message as Timing));
}
