import type { MigrationProgress } from "../../log-scan/progress.ts";
import type { LogVerdict } from "../../log-scan/scan.ts";
import type { Check, Reason } from "../../model/result.ts";

/** One container as it was seen at one moment. */
export interface Seen {
  readonly service: string;
  readonly name: string;
  readonly id: string;
  readonly imageId: string;
  /** It was started to be judged by this gate: its log counts, and so does each restart of it. */
  readonly isNew: boolean;
  /** Whether it may end by itself, with exit code 0: a one-shot job, not a server. */
  readonly ends: "never" | "may" | "must";
  readonly state: string;
  readonly health: string;
  readonly exitCode: number;
  readonly restartCount: number;
  readonly startedAt: string;
  /** It runs (or has ended as it should), and everything that was asked about its health says that it is well. */
  readonly good: boolean;
  /** Whether its server answered at all; undefined where it was not asked. */
  readonly answers?: boolean | undefined;
  readonly detail: string;
}

/** One look at the whole stack. */
export interface Look {
  readonly atMs: number;
  readonly containers: readonly Seen[];
  /** By container name, for those that are new: what the log says now. */
  readonly logs: ReadonlyMap<
    string,
    { readonly verdict: LogVerdict; readonly progress: MigrationProgress }
  >;
  /** What the logs of new containers say that are not judged here. */
  readonly others?: ReadonlyMap<string, MigrationProgress> | undefined;
  /** A mark that changes while the database is at work, where the log says nothing. */
  readonly activity?: string | undefined;
  /** A new container computes: where the log announced a migration, that is taken for its work. */
  readonly computes?: boolean | undefined;
  /** A session of a new container waits for a lock in its database. */
  readonly blocked?: boolean | undefined;
}

/** How long what may last. */
export interface GateRules {
  readonly startedMs: number;
  readonly healthTimeoutMs: number;
  readonly soakMs: number;
  /** A log that fails for this long is believed while the container still runs. */
  readonly logMs?: number;
  /** A start that only waits for the migration lock hangs after this. */
  readonly hangMs?: number;
  /** Names of containers that logged before: an empty log of theirs is no clean one. */
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
/** Work that only the database shows extends the time to this many times `healthTimeoutMs`, counted from the last log line. */
const silentExtensions = 6;

/** Decides by a series of looks whether a started stack is good. Pure: the caller brings looks and time. */
export class Gate {
  readonly #rules: GateRules;
  #goodSinceMs: number | undefined;
  #badLooks = 0;
  readonly #logBadSinceMs = new Map<string, number>();
  readonly #steps = new Map<string, { steps: number; atMs: number }>();
  readonly #starts = new Map<string, { startedAt: string; restarts: number }>();
  #activity: string | undefined;
  /** When the log last proved progress of a migration. */
  #toldMs: number;
  #blockedSinceMs: number | undefined;
  /** When a migration last made progress: it said something, or its database was at work. */
  #migratedMs: number;

  constructor(rules: GateRules) {
    this.#rules = rules;
    this.#migratedMs = rules.startedMs;
    this.#toldMs = rules.startedMs;
  }

  /** When everything became good and stayed so; undefined while it is not. */
  get goodSinceMs(): number | undefined {
    return this.#goodSinceMs;
  }

  /** The verdict, once there is one. */
  take(look: Look): GateVerdict | undefined {
    this.#note(look);
    const reason =
      this.#ended(look) ?? this.#badLog(look) ?? this.#hangs(look) ?? this.#unhealthy(look);
    if (reason !== undefined) return { passed: false, checks: checksOf(look, reason), reason };
    const since = this.#goodSinceMs;
    if (since === undefined || this.#badLooks > 0) return undefined;
    if (look.atMs - since < this.#rules.soakMs) return undefined;
    // A log that just began to fail is not passed over.
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
        // One that is not new may have been restarted long ago.
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
        // The code of one that runs again is told as 0, whatever it ended with.
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
      // A lock, or a database that is not up yet, may still come by itself.
      const patience = decisive.transient ? this.#hangMs() : (this.#rules.logMs ?? defaultLogMs);
      if (atMs - since < patience) continue;
      return { class: decisive.class, message: decisive.meaning, evidence: decisive.evidence };
    }
    return undefined;
  }

  #hangs({ atMs, logs }: Look): Reason | undefined {
    const hung = (who: string, ms: number): Reason => {
      const seconds = Math.round(ms / 1000);
      const message = `${who} waits for the migration lock for ${seconds} s and gets no further: a killed migration left it, or another one holds it`;
      return { class: "hung", message };
    };
    const blocked = atMs - Math.max(this.#blockedSinceMs ?? atMs, this.#migratedMs);
    if (blocked >= this.#hangMs() && this.#goodSinceMs === undefined) {
      return hung("the database session of an upgraded service", blocked);
    }
    for (const [name, { progress }] of logs) {
      const own = this.#steps.get(name)?.atMs ?? atMs;
      // A second container waits for the one that migrates, and rightly so.
      const waited = atMs - Math.max(own, this.#migratedMs);
      if (progress.waitingForLock && waited >= this.#hangMs()) return hung(name, waited);
    }
    return undefined;
  }

  /** At the end of the soak: who logged before and says nothing now cannot be judged. */
  #silent({ logs }: Look): Reason | undefined {
    for (const [name, { verdict }] of logs) {
      if (verdict.verdict !== "unverifiable" || !this.#rules.mustLog?.has(name)) continue;
      const message = `${name} has logged nothing, and its log cannot be judged; the version before did log`;
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
    // A migration that makes progress is not cut off, and what comes after it has its time.
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

/** A one-shot job that did what it was started for. */
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
