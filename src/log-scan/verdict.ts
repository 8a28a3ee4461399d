import type { FailureClass } from "./failure-class.ts";
import { RULES } from "./failure-rules.ts";
import { causeOf, gravest } from "./find-cause.ts";
import { type Charge, type Finding, findingOf } from "./finding.ts";
import { saysRetry } from "./migration-wording.ts";
import type { LogRecord } from "./record.ts";
import type { Standing } from "./start-state.ts";
import { STORE as isStore } from "./suspicion.ts";

/** How a container was found: its process ran, had ended, ran without ever becoming ready, or came and went. */
export type ContainerState = "running" | "exited" | "hung" | "restarting";

/** One service's last start, judged. */
interface JudgedService {
  readonly name: string;
  readonly standing: Standing;
  /** The open findings of earlier starts. */
  readonly before: () => readonly Finding[];
  /** Records of the last start that the user's patterns forbid. */
  readonly denied: readonly LogRecord[];
}

/** The outcome over all services. */
interface Outcome {
  readonly verdict: "clean" | "failed" | "unverifiable";
  readonly decisive?: Finding & { readonly class: FailureClass };
  readonly findings: readonly Finding[];
  readonly state: ContainerState | undefined;
}

/** Draws the conclusion from every service's last start and from the container's state as evidence. */
export function conclude(
  services: readonly JudgedService[],
  records: readonly LogRecord[],
  given: ContainerState | undefined,
): Outcome {
  if (records.length === 0) return { verdict: "unverifiable", findings: [], state: given };
  const subject = subjectOf(services);
  const findings = services.flatMap((service) => [
    ...denials(service),
    ...held(service.standing, given),
    ...endings(service),
  ]);
  if (findings.length === 0 && subject !== undefined) findings.push(...byState(subject, given));
  if (findings.length === 0 && given === undefined) findings.push(...services.flatMap(stuck));
  const state = given ?? inferred(subject, findings);
  const decisive = decide(findings, records);
  if (decisive === undefined) return { verdict: "clean", findings, state };
  return { verdict: "failed", decisive, findings, state };
}

/** The service that the given state speaks of: the one that has not come up, the first one else. */
function subjectOf(services: readonly JudgedService[]): JudgedService | undefined {
  // Compose's own lines have no name; stores come up in their own words or in none.
  const named = services.some(({ name }) => name !== "");
  const apps = services.filter(
    ({ name, standing }) =>
      standing.last?.form !== "postgres" && !(named && name === "") && !isStore.test(name),
  );
  const waiting = apps.find(({ standing }) => !standing.started && migrates(standing));
  return waiting ?? apps.find(({ standing }) => !standing.started) ?? apps[0] ?? services[0];
}

function migrates({ lockWait, applying, retrying, finished }: Standing): boolean {
  return finished || [lockWait, applying, retrying].some((record) => record !== undefined);
}

function held(standing: Standing, state: ContainerState | undefined): Finding[] {
  const open = standing.open.filter((one) => {
    // A first start's probe of the history fails by design; what would be wrong shows in the state.
    if (one.rule === "history-unreadable") return state !== undefined && state !== "running";
    const pending = one.transient && (one.retried || one.rule === "connection-error");
    // It is still trying, and its container is said to run: nothing has failed yet.
    return !(state === "running" && one.lasts === "started" && pending);
  });
  if (standing.lockWait !== undefined) open.push(findingOf(standing.lockWait, LOCK));
  const { retrying, started } = standing;
  if (retrying !== undefined && retrying === standing.last && !started && state === undefined) {
    open.push(findingOf(retrying, UNREACHED));
  }
  return open;
}

function endings({ standing }: JudgedService): Finding[] {
  const { exitCode, last } = standing;
  if (exitCode === undefined || last === undefined) return [];
  // A requested stop is not a failure unless it interrupted a migration.
  const cut = exitCode !== 0 && standing.applying !== undefined && !standing.started;
  if (STOPPED.has(exitCode) && !cut) return [];
  if (standing.open.some((one) => one.lasts === "ended")) return [];
  const charge: Charge = {
    rule: "exit-code",
    lasts: "ended",
    meaning: `The container ended with exit code ${exitCode}${EXITS[exitCode] ?? ""}.`,
  };
  return [lastWords(standing.loud ?? last, charge, classOfEnd(standing))];
}

/** Exit codes of a clean end and of a requested stop (SIGINT, SIGTERM). */
const STOPPED = new Set([0, 130, 143]);
const EXITS: Readonly<Record<number, string>> = {
  134: " (aborted, as .NET does after an unhandled exception)",
  137: " (killed, often for want of memory)",
  139: " (segmentation fault)",
};

function byState(service: JudgedService, state: ContainerState | undefined): Finding[] {
  const { standing, before } = service;
  const { last } = standing;
  if (last === undefined) return [];
  if (state === "hung") return [lastWords(last, HUNG, classOfHang(standing))];
  if (state === "restarting") {
    const cause = before().at(-1);
    return [cause ?? lastWords(last, RESTARTING, "crash")];
  }
  if (state !== "exited") return [];
  const asked = standing.stopping || standing.exitCode !== undefined;
  if (asked || (standing.finished && !standing.started)) return [];
  return [lastWords(standing.loud ?? last, ENDED, classOfEnd(standing))];
}

/** Without a word about the container, an error that nothing follows is taken for the reason why nothing does. */
function stuck({ name, standing }: JudgedService): Finding[] {
  const { stuck: record } = standing;
  if (record === undefined || isStore.test(name)) return [];
  const found = findingOf(record, STUCK);
  return [found.guessed ? lastWords(record, STUCK, "crash") : found];
}

/** A finding that follows from how it ended; an exception that was the last said may still name the cause. */
function lastWords(last: LogRecord, charge: Charge, fallback: FailureClass): Finding {
  const found = findingOf(last, charge);
  const isLoud = last.exception !== "" || last.level === "error" || last.level === "fatal";
  if (isLoud && !found.guessed) return found;
  return { ...found, class: fallback, guessed: true };
}

function classOfHang(standing: Standing): FailureClass {
  const { retrying, last } = standing;
  const waits = last !== undefined && saysRetry(last.message) && STORE.test(last.message);
  if (retrying !== undefined || waits) return "database-connection";
  return standing.started ? "crash" : "lock-timeout";
}

const STORE = /\b(?:postgres(?:ql)?|mysql|mariadb|\w{0,20}sql\w{0,20}|databases?|db)\b/i;

function classOfEnd(standing: Standing): FailureClass {
  return standing.retrying === undefined ? "crash" : "database-connection";
}

function inferred(
  subject: JudgedService | undefined,
  findings: readonly Finding[],
): ContainerState | undefined {
  if (subject === undefined) return undefined;
  if (subject.standing.exitCode !== undefined) return "exited";
  if (findings.some((one) => one.lasts === "ended")) return "exited";
  if (subject.standing.lockWait !== undefined) return "hung";
  return "running";
}

function denials(service: JudgedService): Finding[] {
  return service.denied.map((record) => ({
    ...findingOf(record, DENIED),
    class: "migration" as const,
  }));
}

/** The finding to name: what breaks data before all else, then the first that knows its cause. */
function decide(
  findings: readonly Finding[],
  records: readonly LogRecord[],
): (Finding & { readonly class: FailureClass }) | undefined {
  const first =
    findings.find((one) => one.rule === "log-deny") ??
    findings.find((one) => one.class === "disk-full" || one.class === "corruption") ??
    findings.find((one) => one.class !== undefined && !one.guessed && !VAGUE.has(one.rule)) ??
    findings.find((one) => one.class !== undefined && !VAGUE.has(one.rule)) ??
    findings.find((one) => one.class !== undefined && one.rule !== "exit-code") ??
    findings.find((one) => !VAGUE.has(one.rule)) ??
    findings.find((one) => one.class !== undefined) ??
    findings[0];
  if (first === undefined) return undefined;
  if (first.class !== undefined && !NEEDS_ROOT.has(first.class) && !isSign(first))
    return { ...first, class: first.class };
  const root = rootInStore(records, isSign(first) ? undefined : first.class);
  return { ...first, class: root ?? first.class ?? FALLBACK.get(first.rule) ?? "migration" };
}

const VAGUE = new Set(["connection-error", "exit-code", "fatal-record"]);
/** The class follows from how it ended and not from anything that was said. */
const GUESSED = new Set([
  "ends-in-error",
  "hung",
  "ended-without-a-word",
  "exit-code",
  "restarting",
]);
const isSign = (one: Finding) => one.guessed && GUESSED.has(one.rule);
const NEEDS_ROOT = new Set<FailureClass>(["database-connection", "crash"]);
const FALLBACK: ReadonlyMap<string, FailureClass> = new Map([
  ["hosting-failed", "crash"],
  ["fatal-record", "config"],
  ["startup-exception", "config"],
  ...RULES.flatMap(({ name, otherwise }) =>
    otherwise === undefined ? [] : [[name, otherwise] as const],
  ),
]);

/** What health probes make PostgreSQL log; it says nothing about the application. */
const NOISE =
  /user "root"|role "root"|the database system is|terminating connection due to|exited with exit code|aborting|collation version/;

/** The class that the database's own log gives a failure whose record does not tell its cause. */
function rootInStore(
  records: readonly LogRecord[],
  known: FailureClass | undefined,
): FailureClass | undefined {
  const causes = records.flatMap((record) => {
    if (record.form !== "postgres" || NOISE.test(record.message)) return [];
    if (record.level !== "error" && record.level !== "fatal") return [];
    const cause = causeOf(record.message);
    return cause === undefined ? [] : [cause];
  });
  const root = gravest(causes)?.class;
  if (known === undefined) return root;
  return root === "disk-full" || root === "corruption" || root === "config" ? root : undefined;
}

const UNREACHED: Charge = {
  rule: "still-retrying",
  lasts: "started",
  class: "database-connection",
  meaning: "The log ends with the application trying to reach its database.",
};
const LOCK: Charge = {
  rule: "migration-lock-wait",
  lasts: "migration",
  class: "lock-timeout",
  meaning: "EF Core waits for the migration lock and nothing later shows that it got it.",
};
const HUNG: Charge = {
  rule: "hung",
  lasts: "ended",
  meaning: "The container runs but never became ready, and its log names no error.",
};
const STUCK: Charge = {
  rule: "ends-in-error",
  lasts: "started",
  meaning: "The start ends with this error, and nothing says that the application came up.",
};
const RESTARTING: Charge = {
  rule: "restarting",
  lasts: "ended",
  meaning: "The container comes and goes, and its log names no error.",
};
const ENDED: Charge = {
  rule: "ended-without-a-word",
  lasts: "ended",
  meaning: "The process ended in the middle of what it was doing, without an error in the log.",
};
const DENIED: Charge = {
  rule: "log-deny",
  lasts: "ended",
  meaning: "A pattern of log-deny forbids this record.",
};
