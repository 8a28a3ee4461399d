import type { Timing } from "../../src/core/timing.ts";

/** One line of the table: a phase, and who had the time of it. */
export interface Phase {
  readonly title: string;
  readonly seconds: number;
  /** Of these, while a program ran that this one had started; undefined for a build that does not tell. */
  readonly inPrograms: number | undefined;
}

/**
 * The phases of a run as it tells them itself, and last the time that is in none of them. A build without `timing` lines
 * tells its phases only by the lines `done in`.
 */
export function phasesOf(log: string, seconds: number): Phase[] {
  const timings = log.split("\n").flatMap((line) => {
    const json = /^\s*timing (\{.*\})$/.exec(line)?.[1];
    return json === undefined ? [] : [JSON.parse(json) as Timing];
  });
  const told = timings.length === 0 ? toldPhases(log) : timedPhases(timings);
  const rest = seconds - told.reduce((sum, phase) => sum + phase.seconds, 0);
  const inPrograms = timings.length === 0 ? undefined : outsidePrograms(timings);
  return [...told, { title: "in no phase", seconds: rest, inPrograms }];
}

/** Only the outermost: the inner ones are a part of them. */
function timedPhases(timings: readonly Timing[]): Phase[] {
  const outermost = outermostOf(timings);
  return outermost.map(({ name, startMs, endMs }) => ({
    title: name,
    seconds: (endMs - startMs) / 1000,
    inPrograms: covered(programsOf(timings), startMs, endMs) / 1000,
  }));
}

function outsidePrograms(timings: readonly Timing[]): number {
  const end = Math.max(...timings.map(({ endMs }) => endMs));
  const all = covered(programsOf(timings), 0, end);
  const inside = outermostOf(timings).map(({ startMs, endMs }) =>
    covered(programsOf(timings), startMs, endMs),
  );
  return (all - inside.reduce((sum, ms) => sum + ms, 0)) / 1000;
}

function outermostOf(timings: readonly Timing[]): Timing[] {
  const phases = timings.filter(({ what }) => what === "phase");
  return phases
    .filter((one) => !phases.some((other) => other !== one && encloses(other, one)))
    .toSorted((a, b) => a.startMs - b.startMs);
}

function encloses(outer: Timing, inner: Timing): boolean {
  return outer.startMs <= inner.startMs && outer.endMs >= inner.endMs;
}

function programsOf(timings: readonly Timing[]): Timing[] {
  return timings.filter(({ what }) => what === "program").toSorted((a, b) => a.startMs - b.startMs);
}

/** Milliseconds of a span in which at least one of the programs ran; these are sorted by their start. */
function covered(programs: readonly Timing[], fromMs: number, toMs: number): number {
  let sum = 0;
  let at = fromMs;
  for (const { startMs, endMs } of programs) {
    const [begin, end] = [Math.max(at, startMs), Math.min(toMs, endMs)];
    if (end <= begin) continue;
    sum += end - begin;
    at = end;
  }
  return sum;
}

/** `• Title`, indented lines, `done in 1.4 s`. */
function toldPhases(log: string): Phase[] {
  const phases: Phase[] = [];
  let title: string | undefined;
  for (const line of log.split("\n")) {
    title = /^• (.*)$/.exec(line)?.[1] ?? title;
    const done = /^ {2}done in (?:(\d+) min )?([\d.]+) s$/.exec(line);
    if (done === null || title === undefined) continue;
    const seconds = Number(done[1] ?? 0) * 60 + Number(done[2]);
    phases.push({ title, seconds, inPrograms: undefined });
    title = undefined;
  }
  return phases;
}
