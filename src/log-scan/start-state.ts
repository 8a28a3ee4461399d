import { causeOf } from "./find-cause.ts";
import { explained, type Finding, findingOf } from "./finding.ts";
import { saysMigrationGoesOn, saysMigrationSucceeded, saysRetry } from "./migration-wording.ts";
import { harmlessRule, type LogRecord } from "./record.ts";
import { charge, isExpected } from "./suspicion.ts";

/** The state of one service's last start at the end of the log. */
export interface Standing {
  /** Findings that nothing later cleared, in the order of the log. */
  readonly open: readonly Finding[];
  /** The application reported that it is up. */
  readonly started: boolean;
  /** It said that it is shutting down. */
  readonly stopping: boolean;
  /** The application still waits for the migration lock. */
  readonly lockWait: LogRecord | undefined;
  /** The migration that began and has not been reported finished. */
  readonly applying: LogRecord | undefined;
  /** The last record is a transient failure that will be tried again. */
  readonly retrying: LogRecord | undefined;
  /** The last thing that happened is a migration's success. */
  readonly finished: boolean;
  readonly exitCode: number | undefined;
  readonly last: LogRecord | undefined;
  /** The last error that was told, where little was said after it. */
  readonly loud: LogRecord | undefined;
  /** The error that the start ends with, where nothing says that it came up. */
  readonly stuck: LogRecord | undefined;
}

/** Follows the records of one start and keeps the findings that nothing has cleared yet. */
export class Judge {
  #open: Finding[] = [];
  #started = false;
  #stopping = false;
  #lockWait: LogRecord | undefined;
  #applying: LogRecord | undefined;
  #retrying: LogRecord | undefined;
  #finished = false;
  #retried = false;
  #startup = false;
  #exitCode: number | undefined;
  #last: LogRecord | undefined;
  #loud: LogRecord | undefined;
  #sinceLoud = 0;
  /** The last words without a level that speak of a failure. */
  #dying: LogRecord | undefined;
  #sinceDying = 0;
  /** Something said that a part of it serves, in whatever words. */
  #serves = false;
  /** The application itself said that it serves. */
  #says = false;
  /** The records seen show the beginning of a start, not a time out of its middle. */
  #begins = false;
  #taken = 0;
  /** Something was brought to its end. */
  #done = false;

  /** Takes the next record of the start. */
  take(record: LogRecord): void {
    const found = charge(record, {
      started: this.#started,
      serves: this.#says,
      startup: this.#startup,
      applying: this.#applying?.migration,
    });
    if (found !== undefined) {
      this.#explain(record);
      const witness =
        found.after === true && record.exception === "" ? (this.#nearLoud() ?? record) : record;
      this.#open.push(findingOf(witness, found));
      if (this.#retrying === undefined) this.#retried ||= saysRetry(record.message);
    }
    if (found === undefined && (record.exception !== "" || record.form === "raw")) {
      this.#explain(record);
    }
    this.#follow(record);
    if (record.kind === "exit") return;
    this.#taken += 1;
    if (this.#taken <= BEGINNING) this.#begins ||= BEGINS.test(record.message);
    if (!isBad(record)) {
      this.#serves ||= SERVES.test(record.message);
      this.#done ||= DONE.test(record.message);
    }
    this.#last = record;
    this.#sinceDying += 1;
    if (isDying(record)) {
      this.#dying = record;
      this.#sinceDying = 0;
    }
    this.#sinceLoud += 1;
    if (isLoud(record)) {
      this.#loud = record;
      this.#sinceLoud = 0;
    }
  }

  /** An error is the reason of an end that follows at once, not of one much later. */
  #nearLoud(): LogRecord | undefined {
    return this.#sinceLoud < NEAR ? this.#loud : undefined;
  }

  /** The open findings at this point. */
  standing(): Standing {
    return {
      open: this.#open,
      started: this.#started,
      stopping: this.#stopping,
      lockWait: this.#lockWait,
      applying: this.#applying,
      retrying: this.#retrying,
      finished: this.#finished,
      exitCode: this.#exitCode,
      last: this.#last,
      loud: this.#nearLoud(),
      stuck: this.#stuck(),
    };
  }

  #stuck(): LogRecord | undefined {
    const loud = this.#sinceLoud <= PARTING ? this.#loud : undefined;
    const dying = this.#sinceDying <= PARTING ? this.#dying : undefined;
    const last = loud?.level === undefined ? (dying ?? loud) : loud;
    if (last === undefined || this.#retrying !== undefined) return undefined;
    if ([this.#started, this.#serves, this.#finished].includes(true)) return undefined;
    if (!this.#isOver(last) || !isGrave(last)) return undefined;
    const harmless = saysMigrationGoesOn(last) || harmlessRule(last) !== undefined;
    return harmless || saysRetry(last.message) ? undefined : last;
  }

  /** Whether the start has ended with this record. */
  #isOver(last: LogRecord): boolean {
    const told = last.level !== undefined;
    const [begins, done] = [this.#begins, this.#done];
    if (told && begins) return true;
    if (last !== this.#last && !PARTS.test(this.#last?.message ?? "")) return false;
    if (!told && done) return false;
    // A log of few records is complete, and its start did not get far.
    const short = this.#taken >= 2 && this.#taken <= BEGINNING;
    return [begins, short, SETUP.test(last.message)].includes(true);
  }

  #follow(record: LogRecord): void {
    switch (record.kind) {
      case "applying":
        this.#startup = true;
        this.#migrationGoesOn(record.migration);
        this.#applying = record;
        this.#finished = false;
        return;
      case "reverting":
        this.#applying = record;
        return;
      case "up-to-date":
        this.#startup = true;
        this.#migrationGoesOn(undefined);
        this.#applying = undefined;
        this.#finished = true;
        return;
      case "lock-wait":
        this.#startup = true;
        this.#lockWait = record;
        return;
      case "executed":
        this.#executed(record);
        return;
      case "command-failed":
        this.#startup ||= record.statement === "history-probe" || record.statement === "schema";
        return;
      case "connection-error":
        if (!isExpected(record)) this.#retrying = record;
        return;
      case "retrying":
        this.#retrying = record;
        this.#retried = true;
        return;
      case "started":
      case "environment":
        this.#up();
        return;
      case "stopping":
        this.#stopping = true;
        return;
      case "exit":
        this.#exitCode = record.exitCode;
        return;
      default:
        this.#otherRecord(record);
    }
  }

  #executed(record: LogRecord): void {
    this.#retrying = undefined;
    this.#drop((one) => one.rule === "connection-error");
    if (record.statement === "lock") {
      this.#startup = true;
      const released = /DELETE\b/i.test(record.message);
      this.#lockWait = released ? undefined : (this.#lockWait ?? record);
      if (released) this.#finished = true;
      return;
    }
    this.#lockWait = undefined;
    if (record.statement === "history-probe") this.#startup = true;
    if (record.statement === "history-write") this.#applying = undefined;
    // The row says what was meant to be; its transaction may still be rolled back.
    this.#finished = false;
  }

  #otherRecord(record: LogRecord): void {
    if (isBad(record)) return;
    const up = SUPERVISED_UP.exec(record.message)?.[1];
    if (up !== undefined) {
      this.#drop((one) => isSupervised(one) && one.evidence.includes(`: ${up} `));
      return;
    }
    // EF Core logs a missing database like this before it makes it; a real failure throws, and that shows.
    if (record.level === "info") this.#drop((one) => one.rule === "connection-error");
    if (record.form === "postgres") {
      if (/ready to accept connections/.test(record.message)) this.#storeReady();
      return;
    }
    if (
      /^(?:\S+ )?\* Ready to accept connections|Ready to accept connections|Server startup complete|ready for connections/.test(
        record.message,
      )
    ) {
      this.#storeReady();
    }
    if (saysMigrationSucceeded(record.message)) {
      this.#startup = true;
      this.#applying = undefined;
      this.#lockWait = undefined;
      this.#finished = true;
      this.#drop((one) => one.lasts !== "ended" && undoneByRetry(one, this.#retried));
      return;
    }
    if (/\b(?:start(?:ing|ed)?|migrat\w*|initiali\w*)\b/i.test(record.message))
      this.#startup = true;
    if (SOFT_START.test(record.message) && !/migrat|starting|backup/i.test(record.message)) {
      this.#serves = true;
      this.#says = true;
      this.#drop((one) => one.lasts === "started");
    }
  }

  /** EF Core applies a migration, or finds none to apply: what stood in the way is gone. */
  #migrationGoesOn(migration: string | undefined): void {
    this.#lockWait = undefined;
    this.#retrying = undefined;
    this.#drop((one) => {
      if (one.lasts !== "migration") return one.lasts === "started";
      const again = migration !== undefined && one.migration === migration;
      return again || undoneByRetry(one, this.#retried);
    });
    this.#retried = false;
  }

  #up(): void {
    this.#started = true;
    this.#startup = true;
    this.#lockWait = undefined;
    this.#applying = undefined;
    this.#retrying = undefined;
    this.#drop((one) => {
      if (one.lasts !== "migration") return one.lasts === "started";
      // "Database not ready, attempt 3 of 10" and then the application is up: the fourth got through.
      return one.transient && one.retried;
    });
  }

  /** A failed statement and a bare sentence tell no reason; the exception that follows them does. */
  #explain(record: LogRecord): void {
    const last = this.#open.at(-1);
    if (last === undefined || !last.guessed) return;
    const next =
      last.line === this.#last?.line && (record.form === "raw" || last.class === undefined);
    if (last.rule !== "failed-command" && !next) return;
    const told = explained(last, record);
    if (told !== undefined) this.#open[this.#open.length - 1] = told;
  }

  #drop(undone: (one: Finding) => boolean): void {
    if (this.#open.length > 0) this.#open = this.#open.filter((one) => !undone(one));
  }

  #storeReady(): void {
    this.#serves = true;
    this.#drop((one) => one.lasts === "started");
  }
}

/** How many records may stand between an error and the end that it explains. */
const NEAR = 12;
/** The records in which a start shows that it is one. */
const BEGINNING = 8;
const BEGINS =
  /\b(?:start(?:ing|ed)?|version|v\d+\.\d+|initiali[sz]\w*|load(?:ing|ed)|boot\w*|welcome|set ?up|using|prepar\w*|entrypoint|config\w*)\b/i;
/** In the words of any program; only for an error after which nothing is said. */
const SERVES =
  /\blisten(?:ing|s)?\b|\b(?:waiting|ready|accept\w*) (?:for|to accept|new )?\s?connections?\b|\b(?:started|running|ready|serving|online|up|scheduling|scheduled|watching|polling|next (?:run|check))\b(?! in production)/i;
/** What a program cannot start without; other errors (mail, certificates, feeds) may be the last words of one that runs. */
const CRIPPLES =
  /\b(?:start|boot|migrat|database|sql|schema|config|initiali[sz]|upgrad|downgrad|permission denied|corrupt|exit(?:ing|ed)\b|shut(?:ting)? down)|\bread-?only\b|SQL|\b(?:DB|Db)\b/i;
/** How many records may follow the error that a start ends with: "Shutting down", an advice. */
const PARTING = 2;

/** What a program says of its own end, or a shell of it. */
const PARTS = /\b(?:exit\w*|shut\w*|stop\w*|terminat\w*|abort\w*|quit\w*|goodbye|bye)\b/i;
const DONE = /\b(?:finished|completed?|succeeded|success\w*|done)\b/i;
/** Programs that prepare a container before its own one runs. */
const SETUP =
  /^(?:mkdir|chown|chmod|cp|mv|ln|rm|touch|install|su|gosu|su-exec|setpriv|useradd|usermod|groupadd): /;
/** How those end who have no logger, or no longer one; Go's own puts a time before it. */
const DYING =
  /^(?:\d{4}\/\d{2}\/\d{2} \d{2}:\d{2}:\d{2}(?:\.\d{1,6})? )?(?:\S{1,80}: ){0,2}(?:error|fatal|failed|failure|cannot|can['\u2019]t|could(?: not|n['\u2019]t)|unable|invalid|missing|unknown|unrecogni[sz]ed|unsupported|refus\w{0,5}) \S|: (?:Permission denied|Operation not permitted|Read-only file system|No such file or directory|no such host|connection refused)\s*$/i;

function isDying({ form, message, kind }: LogRecord): boolean {
  return form === "raw" && kind === "other" && DYING.test(message.slice(0, 400));
}

/** Whether a program cannot go on after it, by its words or by the cause that it names. */
function isGrave({ form, level, message }: LogRecord): boolean {
  if (CRIPPLES.test(message)) return true;
  if (form === "raw" || level === "fatal")
    return causeOf(message) !== undefined || SETUP.test(message);
  const kind = causeOf(message)?.class;
  return kind !== undefined && kind !== "database-connection";
}

function isBad({ level, exception }: LogRecord): boolean {
  return level === "error" || level === "fatal" || exception !== "";
}

function isLoud({ level, exception, kind }: LogRecord): boolean {
  if (kind !== "other") return false;
  return level === "error" || level === "fatal" || (level === undefined && exception !== "");
}

const SOFT_START =
  /\b(?:worker|server|service|application|app|gateway|bot|api|host|dashboard)\b.{0,40}\b(?:started|ready|up and running|running|is listening|listening on|online)\b|\b(?:ready|listening|running|served?|available|accessible|launched)\b.{0,30}\b(?:on|at|from|via)\b.{0,20}(?:\bport\b|https?:|:\d{2,5}\b|\d{4,5}\b)|^Started \w{1,60} in \d|Application startup complete|^Editor is now accessible/i;

const SUPERVISED_UP = /^success: (\S{1,80}) entered RUNNING state/;
const isSupervised = (one: Finding) => one.rule === "supervised-program-ended";

/** Whether a later success proves that this one was tried again and got through. */
function undoneByRetry(finding: Finding, retried: boolean): boolean {
  return finding.transient || finding.retried || retried;
}
