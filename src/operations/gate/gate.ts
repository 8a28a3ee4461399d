import type { MigrationProgress } from "../../log-scan/progress.ts";
import type { LogVerdict } from "../../log-scan/scan.ts";
import type { Check, Reason } from "../../model/result.ts";

/** The observed state of one container at one moment. */
export interface Seen {
  readonly service: string;
  readonly name: string;
  readonly id: string;
  readonly imageId: string;
  /** Whether it was started for this gate to judge: its log and each restart of it count. */
  readonly isNew: boolean;
  /** Whether it may end by itself with exit code 0: a one-shot job may, a server may not. */
  readonly ends: "never" | "may" | "must";
  readonly state: string;
  readonly health: string;
  readonly exitCode: number;
  readonly restartCount: number;
  readonly startedAt: string;
  /** Whether it runs, or has ended as it should, and all health checks pass. */
  readonly good: boolean;
  /** Whether its server answered at all; undefined if it was not probed. */
  readonly answers?: boolean | undefined;
  readonly detail: string;
}

/** One look at the whole stack. */
export interface Look {
  readonly atMs: number;
  readonly containers: readonly Seen[];
  /** The current log verdict of each new container, by container name. */
  readonly logs: ReadonlyMap<
    string,
    { readonly verdict: LogVerdict; readonly progress: MigrationProgress }
  >;
  /** What the logs of new containers say that are not judged here. */
  readonly others?: ReadonlyMap<string, MigrationProgress> | undefined;
  /** A mark that changes while the database is at work, where the log says nothing. */
  readonly activity?: string | undefined;
  /** Whether a new container computes. It counts as migration work if the log announced a migration. */
  readonly computes?: boolean | undefined;
  /** Whether a database session of a new container waits for a lock. */
  readonly blocked?: boolean | undefined;
}

/** The time limits and rules of a gate. */
export interface GateRules {
  readonly startedMs: number;
  readonly healthTimeoutMs: number;
  readonly soakMs: number;
  /** How long a log must show a failure before it counts while the container still runs. */
  readonly logMs?: number;
  /** After this time, a start that only waits for the migration lock counts as hung. */
  readonly hangMs?: number;
  /** Names of containers that logged before: an empty log of such a container does not pass. */
  readonly mustLog?: ReadonlySet<string> | undefined;
}

/** What the gate decided. */
export interface GateVerdict {
  readonly passed: boolean;
  readonly checks: readonly Check[];
  readonly reason?: Reason;
}

const defaultLogMs = 4_000;
const defaultHangMs = 45_000;
const badLooksInSoak = 3;
/**
 * Work that only the database shows extends the time limit to this many times `healthTimeoutMs` after the last
 * progress in the log.
 */
const silentExtensions = 6;

/** Decides from a series of looks whether a started stack is good. Pure: the caller provides the looks and the time. */
export class Gate {
  readonly #rules: GateRules;
  #goodSinceMs: number | undefined;
  #badLooks = 0;
  readonly #logBadSinceMs = new Map<string, number>();
  readonly #steps = new Map<string, { steps: number; atMs: number }>();
  readonly #starts = new Map<string, { startedAt: string; restarts: number }>();
  #activity: string | undefined;
  /** When the log last showed migration progress. */
  #toldMs: number;
  #blockedSinceMs: number | undefined;
  /** When a migration last made progress, by its log or by work in its database. */
  #migratedMs: number;
  /** Whether one was under way at the last look, by its log. */
  #migrates: boolean | undefined;

  constructor(rules: GateRules) {
    this.#rules = rules;
    this.#migratedMs = rules.startedMs;
    this.#toldMs = rules.startedMs;
  }

  /** When everything became good; undefined before that. */
  get goodSinceMs(): number | undefined {
    return this.#goodSinceMs;
  }

  /** Takes a look and returns the verdict, or undefined while there is none yet. */
  take(look: Look): GateVerdict | undefined {
    this.#note(look);
    const reason =
      this.#ended(look) ?? this.#badLog(look) ?? this.#hangs(look) ?? this.#unhealthy(look);
    if (reason !== undefined) return { passed: false, checks: checksOf(look, reason), reason };
    const since = this.#goodSinceMs;
    if (since === undefined || this.#badLooks > 0) return undefined;
    if (look.atMs - since < this.#rules.soakMs) return undefined;
    // Do not pass while a log shows a new failure that may still be confirmed.
    if (this.#logBadSinceMs.size > 0) return undefined;
    const silent = this.#silent(look);
    if (silent !== undefined) {
      return { passed: false, checks: checksOf(look, silent), reason: silent };
    }
    return { passed: true, checks: checksOf(look, undefined) };
  }

  #note(look: Look): void {
    const { atMs } = look;
    const isLate = atMs - this.#toldMs > silentExtensions * this.#rules.healthTimeoutMs;
    const computes = look.computes === true && isAnnounced(look) && mayMigrate(look);
    if (computes && !isLate) this.#migratedMs = atMs;
    const migrates = isAnnounced(look) && mayMigrate(look);
    // It has ended since the last look, which may be long ago on a busy host. What it was for is starting only now.
    if (this.#migrates && !migrates && !isLate) this.#migratedMs = atMs;
    this.#migrates = migrates;
    if (look.activity !== this.#activity) {
      const counts = this.#activity !== undefined && look.activity !== undefined && !isLate;
      if (counts && mayMigrate(look)) this.#migratedMs = atMs;
      this.#activity = look.activity;
    }
    this.#blockedSinceMs = look.blocked === true ? (this.#blockedSinceMs ?? atMs) : undefined;
    for (const [name, { verdict, progress }] of look.logs) {
      if (this.#steps.get(name)?.steps !== progress.steps) {
        this.#steps.set(name, { steps: progress.steps, atMs });
        if (progress.applying !== undefined) this.#migratedMs = this.#toldMs = atMs;
      }
      if (verdict.verdict !== "failed") this.#logBadSinceMs.delete(name);
      else if (!this.#logBadSinceMs.has(name)) this.#logBadSinceMs.set(name, atMs);
    }
    for (const [name, { steps, applying }] of look.others ?? []) {
      if (this.#steps.get(name)?.steps === steps) continue;
      this.#steps.set(name, { steps, atMs });
      if (applying !== undefined) this.#migratedMs = this.#toldMs = atMs;
    }
    if (look.containers.every(({ good }) => good)) {
      this.#goodSinceMs ??= look.atMs;
      this.#badLooks = 0;
    } else if (this.#goodSinceMs !== undefined) this.#badLooks += 1;
  }

  #ended({ containers, logs }: Look): Reason | undefined {
    for (const seen of containers) {
      const first = this.#starts.get(seen.name);
      if (first === undefined && seen.startedAt !== "" && seen.state === "running") {
        // A container that is not new may have been restarted long ago.
        const restarts = seen.isNew ? 0 : seen.restartCount;
        this.#starts.set(seen.name, { startedAt: seen.startedAt, restarts });
      }
      const told = logs.get(seen.name)?.verdict.decisive;
      const because = told === undefined ? {} : { evidence: told.evidence };
      const reason = (name: string, message: string): Reason => ({
        class: told?.class ?? name,
        message: `${seen.service}: ${message}${told === undefined ? "" : `. ${told.meaning}`}`,
        ...because,
      });
      if (hasEndedWell(seen)) continue;
      if (seen.state === "gone") return reason("gone", "its container is gone");
      const killed = seen.exitCode === 137 ? " (killed: out of memory, most likely)" : "";
      if (seen.state === "exited" || seen.state === "dead") {
        return reason("exited", `it ended with code ${seen.exitCode}${killed}`);
      }
      const again = first !== undefined && seen.startedAt !== first.startedAt;
      const more = seen.restartCount > (first?.restarts ?? (seen.isNew ? 0 : seen.restartCount));
      if (seen.state === "restarting" || more || again) {
        // The engine reports exit code 0 for a container that runs again, so omit the code then.
        const code = seen.state === "restarting" ? ` with code ${seen.exitCode}${killed}` : "";
        return reason("crash-loop", `it ended${code} and was started again`);
      }
    }
    return undefined;
  }

  #badLog({ atMs, logs }: Look): Reason | undefined {
    for (const [name, since] of this.#logBadSinceMs) {
      const decisive = logs.get(name)?.verdict.decisive;
      if (decisive === undefined) continue;
      // A lock, or a database that is still starting, may resolve by itself: a lock once its migration is done.
      const from = decisive.transient ? Math.max(since, this.#migratedMs) : since;
      const patience = decisive.transient ? this.#hangMs() : (this.#rules.logMs ?? defaultLogMs);
      if (atMs - from < patience) continue;
      return { class: decisive.class, message: decisive.meaning, evidence: decisive.evidence };
    }
    return undefined;
  }

  #hangs({ atMs, logs }: Look): Reason | undefined {
    const hung = (who: string, ms: number): Reason => {
      const seconds = Math.round(ms / 1000);
      const message = `${who} has waited for the migration lock for ${seconds} s without progress: a killed migration left it behind, or another process holds it`;
      return { class: "hung", message };
    };
    const blocked = atMs - Math.max(this.#blockedSinceMs ?? atMs, this.#migratedMs);
    if (blocked >= this.#hangMs() && this.#goodSinceMs === undefined) {
      return hung("the database session of an upgraded service", blocked);
    }
    for (const [name, { progress }] of logs) {
      const own = this.#steps.get(name)?.atMs ?? atMs;
      // A second container may rightly wait for the one that migrates.
      const waited = atMs - Math.max(own, this.#migratedMs);
      if (progress.waitingForLock && waited >= this.#hangMs()) return hung(name, waited);
    }
    return undefined;
  }

  /** At the end of the soak, a container that logged before but is silent now cannot be judged. */
  #silent({ logs }: Look): Reason | undefined {
    for (const [name, { verdict }] of logs) {
      if (verdict.verdict !== "unverifiable" || !this.#rules.mustLog?.has(name)) continue;
      const message = `${name} has logged nothing, so its log cannot be judged; the previous version did log`;
      return { class: "no-log", message };
    }
    return undefined;
  }

  #hangMs(): number {
    return this.#rules.hangMs ?? Math.min(defaultHangMs, this.#rules.healthTimeoutMs);
  }

  #unhealthy(look: Look): Reason | undefined {
    const { atMs, containers } = look;
    const bad = containers.filter(({ good }) => !good);
    if (bad.length === 0) return undefined;
    const said = bad.map(({ service, detail }) => `${service}: ${detail}`).join("; ");
    if (this.#goodSinceMs !== undefined) {
      if (this.#badLooks < badLooksInSoak) return undefined;
      const seconds = Math.round((atMs - this.#goodSinceMs) / 1000);
      return { class: "not-lasting", message: `healthy, but not for ${seconds} s: ${said}` };
    }
    // The time limit starts again with each progress, so it never interrupts a migration that moves on.
    if (atMs - this.#migratedMs < this.#rules.healthTimeoutMs) return undefined;
    const seconds = Math.round((atMs - this.#rules.startedMs) / 1000);
    if (mayMigrate(look)) {
      const still = Math.round((atMs - this.#migratedMs) / 1000);
      const applying = [...look.logs.values()].find(({ progress }) => progress.applying)?.progress;
      const what = applying === undefined ? "the start" : `migration ${applying.applying}`;
      const message = `${what} hangs: no log line and no work in the database for ${still} s; not healthy after ${seconds} s: ${said}`;
      return { class: "hung", message };
    }
    return { class: "unhealthy", message: `not healthy after ${seconds} s: ${said}` };
  }
}

/** Whether a one-shot job has completed successfully. */
export function hasEndedWell({ ends, state, exitCode }: Pick<Seen, "ends" | "state" | "exitCode">) {
  return ends !== "never" && state === "exited" && exitCode === 0;
}

/** The log says which migration is under way. */
function isAnnounced({ logs, others }: Pick<Look, "logs" | "others">): boolean {
  const all = [...[...logs.values()].map(({ progress }) => progress), ...(others?.values() ?? [])];
  return all.some(({ applying }) => applying !== undefined);
}

/** A migration is under way by the log, or may be: a server that was started and neither says so nor answers. */
function mayMigrate({ containers, logs, others }: Look): boolean {
  const started = [...logs.values()].some(({ progress }) => progress.started);
  if (started) return false;
  if (isAnnounced({ logs, others })) return true;
  return containers.some(
    ({ isNew, state, answers, ends }) =>
      isNew && state === "running" && (answers === false || ends === "must"),
  );
}

function checksOf({ containers, logs }: Look, reason: Reason | undefined): Check[] {
  const health = containers.map(
    (seen): Check => ({
      name: "health",
      component: seen.service,
      status: seen.good ? "pass" : "fail",
      detail: seen.detail,
    }),
  );
  const scanned = [...logs].map(
    ([name, { verdict }]): Check => ({
      name: "log",
      component: name,
      status: verdict.verdict === "failed" ? "fail" : "pass",
      detail: logDetail(verdict),
    }),
  );
  const decisive: Check[] =
    reason === undefined
      ? []
      : [{ name: reason.class, status: "fail", detail: reason.evidence ?? reason.message }];
  return [...decisive, ...health, ...scanned];
}

function logDetail({ verdict, decisive, judged }: LogVerdict): string {
  if (verdict === "unverifiable") return "nothing logged";
  return decisive?.evidence ?? `no sign of failure in ${judged} records of the last start`;
}
