import type { FailureClass } from "./cause-patterns.ts";

/** What undoes a finding within the same start. */
export type Lasts =
  /** Nothing: the process ended. Only a new start counts afterwards. */
  | "ended"
  /** A later try that got through; that the application started proves nothing. */
  | "migration"
  /** The application (or the database) reporting that it is up. */
  | "started";

/** Which records a rule looks at. */
export type Where =
  /** Lines that came through no logger: stderr of the runtime, of the shell, of another program. */
  | "raw"
  /** Records of warning and above. */
  | "failing"
  /** Records of error and above. */
  | "error"
  /** Records of the highest level. */
  | "fatal"
  /** Records of any level. */
  | "any"
  /** PostgreSQL's own records. */
  | "postgres";

/** One wording that means failure, as data. */
export interface Rule {
  readonly name: string;
  readonly where: Where;
  /** Tried against the first 600 characters of the message and of the exception. */
  readonly pattern: RegExp;
  readonly lasts: Lasts;
  /** Absent: told by the cause that the record names. */
  readonly class?: FailureClass;
  /** A whole log that this rule alone makes fail. */
  readonly example: string;
  /** Who writes it. */
  readonly source: string;
  /** One sentence on what it means. */
  readonly meaning: string;
}

/** In the order they are tried; the first that fits a record names the finding. */
export const RULES: readonly Rule[] = [
  {
    name: "dotnet-missing",
    where: "raw",
    lasts: "ended",
    class: "config",
    source: "dotnet/runtime hostfxr",
    pattern:
      /^(?:You must install or update \.NET|It was not possible to find any compatible framework|The specified framework '[^'\n]{1,80}'.{0,40} was not found|Failed to create CoreCLR|The application to execute does not exist|Couldn't find a valid ICU package|A fatal error (?:occurred|was encountered)[.,])/m,
    example: "You must install or update .NET to run this application.",
    meaning: "The image lacks the .NET runtime that the application was built for.",
  },
  {
    name: "cannot-execute",
    where: "raw",
    lasts: "ended",
    class: "config",
    source: "Linux, runc",
    pattern:
      /exec format error|^exec \S+: no such file|: error while loading shared libraries: (?!libgssapi)|standard_init_linux\.go|exec: "[^"\n]{1,200}": (?:executable file not found|permission denied|stat )/i,
    example: "exec /app/gateway: exec format error",
    meaning: "The program cannot be run: wrong architecture or an incomplete image.",
  },
  {
    name: "runtime-fatal",
    where: "raw",
    lasts: "ended",
    class: "crash",
    source: "dotnet/runtime",
    pattern:
      /^(?:Fatal error\.|Process terminated\.|Stack overflow\.|Out of memory\.|GC heap initialization failed|terminate called)/i,
    example: "GC heap initialization failed with error 0x8007000E",
    meaning: "The .NET runtime itself gave up.",
  },
  {
    name: "killed",
    where: "raw",
    lasts: "ended",
    class: "crash",
    source: "shells, Linux",
    pattern:
      /^(?:\S{0,80}: (?:line \d+: +)?(?:\d+ )?)?(?:Segmentation fault|Aborted|Killed)\b(?: +\(core dumped\)| {2,}|$|\s*$)|\(core dumped\)/i,
    example: "Segmentation fault (core dumped)",
    meaning: "The process was ended by a signal.",
  },
  {
    name: "supervised-program-ended",
    where: "any",
    // Not "ended": the container and its other programs go on.
    lasts: "migration",
    class: "crash",
    source: "supervisord",
    pattern:
      /^exited: \S+ \((?:terminated by SIG(?!TERM|INT)[A-Z0-9]+(?: \(core dumped\))?|exit status [1-9]\d*); not expected\)|^gave up: \S+ entered FATAL state/,
    example:
      "2026-01-02 03:04:05,678 INFO exited: admin (terminated by SIGABRT (core dumped); not expected)",
    meaning: "One of several programs in the container ended by itself and did not come up again.",
  },
  {
    name: "unhandled-exception",
    where: "raw",
    lasts: "ended",
    source: "dotnet/runtime",
    pattern: /^\s*Unhandled exception(?:\.|:) ?/i,
    example: "Unhandled exception. System.InvalidOperationException: Startup check failed",
    meaning: "An exception nobody caught ended the process.",
  },
  {
    name: "background-service-stopped-host",
    where: "error",
    lasts: "ended",
    source: "dotnet/runtime Microsoft.Extensions.Hosting.Internal.Host[10]",
    pattern: /BackgroundServiceExceptionBehavior is configured to StopHost/i,
    example:
      "crit: Microsoft.Extensions.Hosting.Internal.Host[10]\n      The HostOptions.BackgroundServiceExceptionBehavior is configured to StopHost. A BackgroundService has thrown an unhandled exception, and the IHost instance is stopping.",
    meaning: "A background service failed and took the host down with it.",
  },
  {
    name: "host-terminated",
    where: "error",
    lasts: "ended",
    source: "templates of Serilog and NLog projects, Jellyfin",
    pattern:
      /\b(?:host|application|server|program|process|app|service|gateway)\b.{0,40}\bterminat(?:ed unexpectedly|ed (?:due|because|with (?:an )?(?:error|exception))|ing (?:due|because))|Stopped program because of (?:an )?exception|Error while starting server|EPIC FAIL|\bunhandled exception (?:during|at|in|on) (?:start-?up|boot|main)/i,
    example:
      "[09:12:01 FTL] Host terminated unexpectedly\nSystem.InvalidOperationException: Sequence contains no elements",
    meaning: "The application says that its host ended because of an error.",
  },
  {
    name: "pending-model-changes",
    where: "failing",
    lasts: "migration",
    class: "migration",
    source: "dotnet/efcore 20409 thrown",
    pattern:
      /An error was generated for warning '?[\w.]*(?:PendingModelChanges|NonDeterministicModel|Migrat)/,
    example:
      "fail: Program[0]\n      Startup check\n      System.InvalidOperationException: An error was generated for warning 'Microsoft.EntityFrameworkCore.Migrations.PendingModelChangesWarning': The model for context 'Db' has pending changes. Add a new migration before updating the database.",
    meaning:
      "The new version's model does not match its own migrations, so EF Core refused to migrate.",
  },
  {
    name: "newer-schema",
    where: "failing",
    lasts: "migration",
    class: "schema-conflict",
    source: "applications that check before they migrate",
    pattern:
      /\bdowngrad(?:e|ing)\b.{0,60}(?:not (?:supported|allowed|possible)|unsupported|refus)|(?:database|schema|db)\b.{0,100}\b(?:is|was|version is) (?:created by a |from a |at a )?newer\b.{0,80}(?:than|version|build)/i,
    example:
      "crit: Startup[0]\n      Database schema 20251118_AddTenants is newer than this build; downgrade is not supported, refusing to start.",
    meaning: "The data was already changed by a later version.",
  },
  {
    name: "db-upgrade-failed",
    where: "raw",
    lasts: "migration",
    source: "DbUp, FluentMigrator, EF Core bundles, entry-point scripts",
    pattern:
      /^(?:Upgrade failed due to an unexpected exception|Database upgrade failed|(?:DB|SQL) exception has occur+ed in script|!!! .{0,200}(?:error|exception))|^(?:error|fatal|failed|\[?error\]?)?[: ]{0,2}.{0,40}\bmigrations?\b.{0,40}\b(?:failed|aborted)\b/i,
    example: "Upgrade failed due to an unexpected exception:",
    meaning: "A migration tool that runs before the application reports failure.",
  },
  {
    name: "dependency-failed",
    where: "raw",
    lasts: "started",
    source: "docker/compose up --wait and depends_on",
    pattern:
      /^(?:dependency failed to start: )?container \S+ (?:is unhealthy|exited \([1-9]\d*\))|didn't complete successfully: exit [1-9]/,
    example: "dependency failed to start: container sophon-gateway-1 is unhealthy",
    meaning: "Compose gave up waiting for a container.",
  },
  {
    name: "startup-failed",
    where: "error",
    lasts: "started",
    source: "applications' own words",
    pattern:
      /\bstart-?up\b.{0,40}\b(?:fail(?:ed|ure)|abort(?:ed|ing)|error|exception|crash)|\b(?:fail(?:ed|ure)|unable|cannot|could not|refus(?:ed|ing)|error|exception)\b.{0,40}\b(?:to start|start-?up|starting (?:the )?(?:app|host|server|service|web|gateway)|boot)\b|\b(?:fatal|critical) error\b|aborting (?:start|launch)/i,
    example: "[09:12:01 ERR] Failed to start gateway: vault.key is missing",
    meaning: "The application says that it could not start.",
  },
  {
    name: "postgres-no-space",
    where: "postgres",
    lasts: "migration",
    class: "disk-full",
    source: "PostgreSQL 53100",
    pattern: /No space left on device/,
    example:
      '2026-01-02 03:04:05.678 UTC [31] PANIC:  could not write to file "pg_wal/xlogtemp.31": No space left on device',
    meaning: "The database server has no room left to write.",
  },
  {
    name: "postgres-damaged",
    where: "postgres",
    lasts: "migration",
    class: "corruption",
    source: "PostgreSQL XX001",
    pattern:
      /invalid page in block|could not read block|page verification failed|could not locate a valid checkpoint|unexpected zero page|missing chunk number/,
    example:
      "2026-01-02 03:04:05.678 UTC [31] ERROR:  invalid page in block 0 of relation base/16384/16402",
    meaning: "The database server found damaged pages.",
  },
  {
    name: "postgres-incompatible",
    where: "postgres",
    lasts: "started",
    class: "config",
    source: "PostgreSQL FATAL at start",
    pattern: /database files are incompatible with server/,
    example: "2026-01-02 03:04:05.678 UTC [1] FATAL:  database files are incompatible with server",
    meaning: "The database's files were written by another major version of PostgreSQL.",
  },
  {
    name: "postgres-panic",
    where: "postgres",
    lasts: "started",
    class: "crash",
    source: "PostgreSQL PANIC, start-up failures",
    pattern:
      /^(?:could not create lock file|data directory ".{1,200}" has (?:invalid permissions|wrong ownership)|could not open file ".{1,200}global\/pg_)/,
    example:
      '2026-01-02 03:04:05.678 UTC [1] FATAL:  data directory "/var/lib/postgresql/data" has wrong ownership',
    meaning: "The database server could not start.",
  },
  {
    name: "store-cannot-load",
    where: "raw",
    lasts: "started",
    class: "corruption",
    source: "redis",
    pattern:
      /Bad file format reading the append only file|Fatal error loading the DB|Wrong signature trying to load DB|Short read or OOM loading DB/,
    example:
      "1:M 01 Jan 2026 00:00:00.000 # Bad file format reading the append only file: make a backup of your AOF file",
    meaning: "A store could not load its own files.",
  },
  {
    name: "store-panicked",
    where: "raw",
    lasts: "started",
    class: "crash",
    source: "qdrant and other programs in Rust",
    pattern: /^thread '[^'\n]{1,60}' panicked at|Panic occurred in file/,
    example: "thread 'main' panicked at lib/storage/src/toc.rs:60:17: Failed to load collection",
    meaning: "A store ended itself.",
  },
  {
    name: "store-incompatible",
    where: "raw",
    lasts: "started",
    class: "config",
    source: "redis, RabbitMQ, MySQL",
    pattern:
      /Can't handle RDB format version|BOOT FAILED|[Ff]eature flags .{0,60}(?:not supported|required)|Invalid MySQL server (?:up|down)grade|The Auto-upgrade process/,
    example: "BOOT FAILED",
    meaning: "A store refuses to start on the files of another version.",
  },
];
