import type { FailureClass } from "../../../src/log-scan/failure-class.ts";
import type { ContainerState } from "../../../src/log-scan/scan.ts";
import type { Said } from "./render.ts";
import {
  applying,
  connectionError,
  executed,
  failed,
  historyCreate,
  historyInsert,
  historySelect,
  listening,
  lock,
  lockInsert,
  migratorFrames,
  postgres,
  raw,
  refused,
  requestFrames,
  saveFailed,
  say,
  sqlite,
  started,
  stopping,
  transient,
  unhandled,
  up,
  upToDate,
} from "./vocabulary.ts";

/** What an application did, and how that ended. */
export interface Scenario {
  readonly about: string;
  readonly said: readonly Said[];
  /** The class of the failure; absent where nothing failed. */
  readonly fails?: FailureClass;
  readonly state?: ContainerState;
  /** The log alone does not tell: only judged together with the state. */
  readonly needsState?: true;
}

const ADD = 'ALTER TABLE "Nodes" ADD "Region" text;';
const M = "20251115070000_AddRegion";
const M2 = "20251122070000_SplitJobs";
const exited = { state: "exited" } as const;
const column = 'column "Region" of relation "Nodes" already exists';
const relation = 'relation "Widgets" does not exist';

/** Starts that failed. */
const failing: Scenario[] = [
  {
    about: "ddl-then-unhandled",
    fails: "schema-conflict",
    ...exited,
    said: [applying(M), failed(ADD), unhandled(postgres("42701", column))],
  },
  {
    about: "only-warnings-logged",
    fails: "schema-conflict",
    ...exited,
    said: [failed(ADD), unhandled(postgres("42701", column))],
  },
  {
    about: "history-probe-then-unhandled",
    fails: "database-auth",
    ...exited,
    said: [
      failed(historySelect),
      unhandled(postgres("42501", "permission denied for table __EFMigrationsHistory")),
    ],
  },
  {
    about: "caught-and-continued",
    fails: "schema-conflict",
    state: "running",
    said: [
      applying(M),
      failed(ADD),
      say("error", "An error occurred while migrating the database.", postgres("42701", column)),
      ...up,
    ],
  },
  {
    about: "caught-without-frames",
    fails: "schema-conflict",
    state: "running",
    said: [
      say(
        "error",
        "An error occured while migrating the DB",
        'Npgsql.PostgresException: 42P07: relation "Nodes" already exists',
      ),
      ...up,
    ],
  },
  {
    about: "caught-as-warning",
    fails: "migration",
    state: "running",
    said: [
      say("info", "Running Sqlite DB migrations..."),
      say(
        "warn",
        `Migrations failed with exception: ${sqlite(19, "FOREIGN KEY constraint failed", "")}`,
      ),
      ...up,
    ],
  },
  {
    about: "caught-as-warning-pending-model",
    fails: "migration",
    state: "running",
    said: [
      say("info", "Running Sqlite DB migrations..."),
      say(
        "warn",
        "Migrations failed with exception: System.InvalidOperationException: An error was generated for warning 'Microsoft.EntityFrameworkCore.Migrations.PendingModelChangesWarning': The model for context 'ImageContext' has pending changes. Add a new migration before updating the database. This exception can be suppressed or logged by passing event ID 'RelationalEventId.PendingModelChangesWarning'",
      ),
      ...up,
    ],
  },
  {
    about: "caught-german",
    fails: "schema-conflict",
    state: "running",
    said: [
      failed('CREATE TABLE "Nodes" ("Id" uuid);'),
      say(
        "error",
        "Datenbankinitialisierung fehlgeschlagen",
        "Npgsql.PostgresException (0x80004005): 42P07: Relation »Nodes« existiert bereits",
      ),
      ...up,
    ],
  },
  {
    about: "caught-silently",
    fails: "migration",
    state: "running",
    said: [applying(M), failed(ADD), ...up],
  },
  {
    about: "caught-other-context-up-to-date",
    fails: "schema-conflict",
    state: "running",
    said: [
      applying(M),
      failed(ADD),
      say("error", "Could not update schema", postgres("42701", column)),
      upToDate,
      ...up,
    ],
  },
  {
    about: "data-statement-in-migration",
    fails: "migration",
    state: "running",
    said: [
      applying(M),
      failed('UPDATE "Jobs" SET "State" = "OldState"::int;'),
      say(
        "error",
        "Migration error",
        postgres("22P02", 'invalid input syntax for type integer: "x"'),
      ),
      ...up,
    ],
  },
  {
    about: "sqlite-duplicate-column",
    fails: "schema-conflict",
    ...exited,
    said: [
      lock,
      applying(M),
      failed('ALTER TABLE "Nodes" ADD "Region" TEXT NULL;'),
      unhandled(sqlite(1, "duplicate column name: Region")),
    ],
  },
  {
    about: "sqlite-no-such-table",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      failed('INSERT INTO "ef_temp_Nodes" ("Id") SELECT "Id" FROM "Nodes";'),
      unhandled(sqlite(1, "no such table: Nodes")),
    ],
  },
  {
    about: "sqlite-constraint",
    fails: "migration",
    ...exited,
    said: [
      applying(M),
      failed('CREATE UNIQUE INDEX "IX_A" ON "A" ("B");'),
      unhandled(sqlite(19, "UNIQUE constraint failed: A.B")),
    ],
  },
  {
    about: "sqlite-busy",
    fails: "lock-timeout",
    ...exited,
    said: [lock, failed(lockInsert), unhandled(sqlite(5, "database is locked"))],
  },
  {
    about: "sqlite-full",
    fails: "disk-full",
    ...exited,
    said: [applying(M), failed(ADD), unhandled(sqlite(13, "database or disk is full"))],
  },
  {
    about: "sqlite-corrupt",
    fails: "corruption",
    ...exited,
    said: [
      failed("PRAGMA journal_mode = 'wal';"),
      unhandled(sqlite(11, "database disk image is malformed")),
    ],
  },
  {
    about: "sqlite-io",
    fails: "corruption",
    ...exited,
    said: [unhandled(sqlite(10, "disk I/O error"))],
  },
  {
    about: "sqlite-notadb",
    fails: "corruption",
    ...exited,
    said: [unhandled(sqlite(26, "file is not a database"))],
  },
  {
    about: "sqlite-readonly",
    fails: "config",
    ...exited,
    said: [applying(M), failed(ADD), unhandled(sqlite(8, "attempt to write a readonly database"))],
  },
  {
    about: "sqlite-cannot-open",
    fails: "config",
    ...exited,
    said: [connectionError, unhandled(sqlite(14, "unable to open database file"))],
  },
  {
    about: "sqlite-history-missing",
    fails: "schema-conflict",
    ...exited,
    said: [failed(historySelect), unhandled(sqlite(1, "no such table: __EFMigrationsHistory"))],
  },
  {
    about: "pg-refused",
    fails: "database-connection",
    ...exited,
    said: [
      connectionError,
      unhandled(
        `System.InvalidOperationException: An exception has been raised that is likely due to a transient failure.\n ---> ${refused}${migratorFrames}`,
      ),
    ],
  },
  {
    about: "pg-dns",
    fails: "database-connection",
    ...exited,
    said: [
      connectionError,
      unhandled(
        `System.Net.Sockets.SocketException (00000005, 0xFFFDFFFE): Name or service not known${migratorFrames}`,
      ),
    ],
  },
  {
    about: "pg-auth",
    fails: "database-auth",
    ...exited,
    said: [
      connectionError,
      unhandled(postgres("28P01", 'password authentication failed for user "sophon"')),
    ],
  },
  {
    about: "pg-permission",
    fails: "database-auth",
    ...exited,
    said: [
      applying(M),
      failed('CREATE TABLE "A" ("Id" uuid);'),
      unhandled(postgres("42501", "permission denied for schema public")),
    ],
  },
  {
    about: "pg-no-database",
    fails: "database-connection",
    ...exited,
    said: [connectionError, unhandled(postgres("3D000", 'database "gateway" does not exist'))],
  },
  {
    about: "pg-lock-timeout",
    fails: "lock-timeout",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      unhandled(postgres("55P03", "canceling statement due to lock timeout")),
    ],
  },
  {
    about: "pg-statement-timeout",
    fails: "lock-timeout",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      unhandled(postgres("57014", "canceling statement due to statement timeout")),
    ],
  },
  {
    about: "npgsql-command-timeout",
    fails: "lock-timeout",
    ...exited,
    said: [
      applying(M),
      failed(ADD, "30,012"),
      unhandled(
        `Npgsql.NpgsqlException (0x80004005): Exception while reading from stream\n ---> System.TimeoutException: Timeout during reading attempt${migratorFrames}`,
      ),
    ],
  },
  {
    about: "pg-deadlock",
    fails: "lock-timeout",
    ...exited,
    said: [applying(M), failed(ADD), unhandled(postgres("40P01", "deadlock detected"))],
  },
  {
    about: "pg-disk-full",
    fails: "disk-full",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      unhandled(
        postgres("53100", 'could not extend file "base/16384/16402": No space left on device'),
      ),
    ],
  },
  {
    about: "pg-not-null",
    fails: "migration",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      unhandled(postgres("23502", 'column "Region" of relation "Nodes" contains null values')),
    ],
  },
  {
    about: "pg-cannot-cast",
    fails: "migration",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      unhandled(postgres("42804", 'column "State" cannot be cast automatically to type integer')),
    ],
  },
  {
    about: "pg-missing-function",
    fails: "migration",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      unhandled(postgres("42883", "function uuid_generate_v4() does not exist")),
    ],
  },
  {
    about: "pg-undefined-table",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      unhandled(postgres("42P01", 'relation "Nodes" does not exist')),
    ],
  },
  {
    about: "pg-error-in-host-failed",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      say(
        "error",
        "Hosting failed to start",
        postgres("42701", column),
        "Microsoft.Extensions.Hosting.Internal.Host",
        11,
      ),
      unhandled(postgres("42701", column)),
    ],
  },
  {
    about: "host-failed-only",
    fails: "migration",
    ...exited,
    said: [
      say(
        "error",
        "Hosting failed to start",
        `System.InvalidOperationException: Sequence contains no elements${migratorFrames}`,
        "Microsoft.Extensions.Hosting.Internal.Host",
        11,
      ),
    ],
  },
  {
    about: "startup-exception-critical",
    fails: "schema-conflict",
    ...exited,
    said: [
      say(
        "fatal",
        "Application startup exception",
        postgres("42P07", 'relation "A" already exists'),
        "Microsoft.AspNetCore.Hosting.Diagnostics",
        6,
      ),
    ],
  },
  {
    about: "background-migrator-stops-host",
    fails: "migration",
    ...exited,
    said: [
      ...up,
      applying(M),
      failed('UPDATE "A" SET "B" = 1;'),
      say(
        "error",
        "BackgroundService failed",
        postgres("23505", 'duplicate key value violates unique constraint "IX"'),
        "Microsoft.Extensions.Hosting.Internal.Host",
        9,
      ),
      say(
        "fatal",
        "The HostOptions.BackgroundServiceExceptionBehavior is configured to StopHost. A BackgroundService has thrown an unhandled exception, and the IHost instance is stopping.",
        postgres("23505", 'duplicate key value violates unique constraint "IX"'),
        "Microsoft.Extensions.Hosting.Internal.Host",
        10,
      ),
      stopping,
    ],
  },
  {
    about: "background-migrator-continues",
    fails: "schema-conflict",
    state: "running",
    said: [
      ...up,
      applying(M),
      failed(ADD),
      say("error", "Background initialisation failed", postgres("42701", column)),
    ],
  },
  {
    about: "serilog-host-terminated",
    fails: "schema-conflict",
    ...exited,
    said: [
      say("info", "Starting web host"),
      applying(M),
      failed(ADD),
      say("fatal", "Host terminated unexpectedly", postgres("42701", column)),
    ],
  },
  {
    about: "nlog-stopped-program",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      say("error", "Stopped program because of exception", postgres("42701", column)),
    ],
  },
  {
    about: "pending-model-thrown",
    fails: "migration",
    ...exited,
    said: [
      unhandled(
        `System.InvalidOperationException: An error was generated for warning 'Microsoft.EntityFrameworkCore.Migrations.PendingModelChangesWarning': The model for context 'GatewayDbContext' has pending changes. Add a new migration before updating the database. See https://aka.ms/efcore-docs-pending-changes. This exception can be suppressed or logged by passing event ID 'RelationalEventId.PendingModelChangesWarning' to the 'ConfigureWarnings' method in 'DbContext.OnConfiguring' or 'AddDbContext'.${migratorFrames}`,
      ),
    ],
  },
  {
    about: "downgrade",
    fails: "schema-conflict",
    ...exited,
    said: [
      unhandled(
        "System.InvalidOperationException: The migration '20251118101500_AddTenants' was not found.\n   at Microsoft.EntityFrameworkCore.Migrations.Internal.MigrationsAssemblyExtensions.GetMigrationId(IMigrationsAssembly assembly, String nameOrId)",
      ),
    ],
  },
  {
    about: "downgrade-in-words",
    fails: "schema-conflict",
    ...exited,
    said: [
      say(
        "fatal",
        "The database was created by a newer version of Sophon (2.5.0). Downgrading is not supported.",
      ),
    ],
  },
  {
    about: "retries-exhausted",
    fails: "database-connection",
    ...exited,
    said: [
      transient(refused),
      transient(refused),
      unhandled(
        `Microsoft.EntityFrameworkCore.Storage.RetryLimitExceededException: The maximum number of retries (6) was exceeded while executing database operations with 'NpgsqlRetryingExecutionStrategy'. See the inner exception for the most recent failure.\n ---> ${refused}${migratorFrames}`,
      ),
    ],
  },
  {
    about: "no-provider",
    fails: "config",
    ...exited,
    said: [
      unhandled(
        `System.InvalidOperationException: No database provider has been configured for this DbContext. A provider can be configured by overriding the 'DbContext.OnConfiguring' method.${migratorFrames}`,
      ),
    ],
  },
  {
    about: "di-at-start",
    fails: "config",
    ...exited,
    said: [
      unhandled(
        "System.AggregateException: Some services are not able to be constructed (Error while validating the service descriptor 'ServiceType: Sophon.IClock': Unable to resolve service for type 'Sophon.IZone' while attempting to activate 'Sophon.Clock'.)\n   at Microsoft.Extensions.DependencyInjection.ServiceProvider..ctor()",
      ),
    ],
  },
  {
    about: "missing-framework",
    fails: "config",
    ...exited,
    said: [
      raw(
        "You must install or update .NET to run this application.\n\nApp: /app/Sophon.Gateway.dll\nArchitecture: x64\nFramework: 'Microsoft.AspNetCore.App', version '10.0.0' (x64)\n.NET location: /usr/share/dotnet\n\nThe following frameworks were found:\n  9.0.1 at [/usr/share/dotnet/shared/Microsoft.AspNetCore.App]",
      ),
    ],
  },
  {
    about: "gc-heap",
    fails: "crash",
    ...exited,
    said: [
      raw(
        "GC heap initialization failed with error 0x8007000E\nFailed to create CoreCLR, HRESULT: 0x8007000E",
      ),
    ],
  },
  {
    about: "segfault",
    fails: "crash",
    ...exited,
    said: [applying(M), raw("Segmentation fault (core dumped)")],
  },
  {
    about: "access-violation",
    fails: "crash",
    ...exited,
    said: [
      applying(M),
      raw(
        "Fatal error. System.AccessViolationException: Attempted to read or write protected memory.\n   at SQLitePCL.SQLite3Provider_e_sqlite3.sqlite3_step(SQLitePCL.sqlite3_stmt)",
      ),
    ],
  },
  { about: "out-of-memory", fails: "crash", ...exited, said: [applying(M), raw("Out of memory.")] },
  {
    about: "old-unhandled-spelling",
    fails: "schema-conflict",
    ...exited,
    said: [failed(ADD), raw(`Unhandled Exception: ${postgres("42701", column)}`)],
  },
  {
    about: "dies-in-migration",
    fails: "crash",
    ...exited,
    needsState: true,
    said: [lock, applying(M), executed(ADD), executed(historyInsert(M))],
  },
  {
    about: "dies-after-start",
    fails: "crash",
    ...exited,
    needsState: true,
    said: [upToDate, ...up],
  },
  {
    about: "restart-loop-silent",
    fails: "crash",
    state: "restarting",
    needsState: true,
    said: [say("info", "Sophon Gateway 2.5.0 starting")],
  },
  {
    about: "hangs-on-lock",
    fails: "lock-timeout",
    state: "hung",
    said: [executed(historySelect), lock],
  },
  {
    about: "hangs-silently",
    fails: "lock-timeout",
    state: "hung",
    needsState: true,
    said: [say("info", "Sophon Gateway 2.5.0 starting"), executed(historySelect)],
  },
  {
    about: "hangs-in-ddl",
    fails: "lock-timeout",
    state: "hung",
    needsState: true,
    said: [
      executed(historySelect),
      lock,
      executed('LOCK TABLE "__EFMigrationsHistory" IN ACCESS EXCLUSIVE MODE'),
      executed(historySelect),
      applying(M),
    ],
  },
  {
    about: "hangs-on-stale-sqlite-lock",
    fails: "lock-timeout",
    state: "hung",
    said: [
      lock,
      executed(lockInsert),
      executed(lockInsert),
      executed(lockInsert),
      executed(lockInsert),
    ],
  },
  {
    about: "hangs-retrying",
    fails: "database-connection",
    state: "hung",
    needsState: true,
    said: [transient(refused), transient(refused)],
  },
  {
    about: "good-run-then-failed-run",
    fails: "schema-conflict",
    ...exited,
    said: [
      say("info", "Sophon Gateway 2.4.1 starting"),
      upToDate,
      ...up,
      stopping,
      say("info", "Sophon Gateway 2.5.0 starting"),
      applying(M),
      failed(ADD),
      unhandled(postgres("42701", column)),
    ],
  },
  {
    about: "good-run-then-caught-failure",
    fails: "schema-conflict",
    state: "running",
    said: [
      upToDate,
      ...up,
      stopping,
      applying(M),
      failed(ADD),
      say("error", "An error occurred while migrating the database.", postgres("42701", column)),
      ...up,
    ],
  },
  {
    about: "first-migration-good-second-bad",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      executed(ADD),
      executed(historyInsert(M)),
      applying(M2),
      failed('DROP TABLE "Jobs";'),
      unhandled(postgres("42P01", 'relation "Jobs" does not exist')),
    ],
  },
  {
    about: "retried-and-failed-again",
    fails: "schema-conflict",
    ...exited,
    said: [
      say("warn", "Migration failed, attempt 1 of 2", postgres("42701", column)),
      applying(M),
      failed(ADD),
      say("error", "Migration failed, giving up", postgres("42701", column)),
      unhandled(postgres("42701", column)),
    ],
  },
  {
    about: "retry-limit-then-starts",
    fails: "database-connection",
    state: "running",
    said: [
      connectionError,
      say("error", "Could not migrate the database", `${refused}${migratorFrames}`),
      ...up,
    ],
  },
  {
    about: "frames-only",
    fails: "schema-conflict",
    ...exited,
    said: [
      raw(
        `   at Npgsql.Internal.NpgsqlConnector.ReadMessageLong(Boolean async)${migratorFrames}\n  Exception data:\n    Severity: ERROR\n    SqlState: 42P07\n    MessageText: relation "Titles" already exists`,
      ),
    ],
  },
  {
    about: "worker-exits-0-after-failure",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      failed(ADD),
      say("error", "Migration failed", postgres("42701", column)),
      stopping,
    ],
  },
  {
    about: "sql-server-object-exists",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      failed("CREATE TABLE [Jobs] ([Id] int NOT NULL);"),
      unhandled(
        `Microsoft.Data.SqlClient.SqlException (0x80131904): There is already an object named 'Jobs' in the database.${migratorFrames}\nClientConnectionId:0c0ffee0-5f5d-408b-ac7b-000000000001\nError Number:2714,State:6,Class:16`,
      ),
    ],
  },
  {
    about: "sql-server-login",
    fails: "database-auth",
    ...exited,
    said: [
      connectionError,
      unhandled(
        `Microsoft.Data.SqlClient.SqlException (0x80131904): Login failed for user 'sa'.${migratorFrames}\nError Number:18456,State:1,Class:14`,
      ),
    ],
  },
  {
    about: "mysql-duplicate-column",
    fails: "schema-conflict",
    ...exited,
    said: [
      applying(M),
      failed("ALTER TABLE `Jobs` ADD `Region` longtext NULL;"),
      unhandled(
        `MySqlConnector.MySqlException (0x80004005): Duplicate column name 'Region'${migratorFrames}`,
      ),
    ],
  },
  {
    about: "history-insert-refused",
    fails: "migration",
    ...exited,
    said: [
      applying(M),
      executed(ADD),
      failed(historyInsert(M)),
      unhandled(
        postgres(
          "23505",
          'duplicate key value violates unique constraint "PK___EFMigrationsHistory"',
        ),
      ),
    ],
  },
  {
    about: "jellyfin-migration",
    fails: "schema-conflict",
    ...exited,
    said: [
      say(
        "fatal",
        "Error: \"SQLite Error 1: 'no such table: EventLog'.\"",
        undefined,
        "InternalCodeMigration",
      ),
      say(
        "error",
        'Migration "20250420070000_MigrateEventLogDb" failed',
        sqlite(
          1,
          "no such table: EventLog",
          "\n   at Jellyfin.Server.Migrations.Routines.MigrateEventLogDb.Perform()",
        ),
        "InternalCodeMigration",
      ),
      say("fatal", "Error while starting server", sqlite(1, "no such table: EventLog", ""), "Main"),
    ],
  },
  {
    about: "seed-fails-after-migration",
    fails: "migration",
    state: "running",
    said: [
      applying(M),
      executed(ADD),
      say(
        "error",
        "An error occurred seeding the DB.",
        postgres("23505", 'duplicate key value violates unique constraint "IX"', ""),
      ),
      ...up,
    ],
  },
];

/** Starts that went well, however it sounds. */
const harmless: Scenario[] = [
  {
    about: "first-start-npgsql-9",
    said: [
      failed(historySelect),
      executed("SELECT 1"),
      executed(historyCreate),
      lock,
      executed(historySelect),
      applying(M),
      executed('CREATE TABLE "Nodes" ("Id" uuid);'),
      executed(historyInsert(M)),
      ...up,
    ],
  },
  {
    about: "first-start-warnings-only",
    said: [
      failed(historySelect),
      say(
        "warn",
        "Overriding address(es) 'http://+:80'.",
        undefined,
        "Microsoft.AspNetCore.Server.Kestrel",
      ),
      ...up,
    ],
  },
  {
    about: "first-start-no-database",
    said: [
      connectionError,
      executed('CREATE DATABASE "gateway";'),
      failed(historySelect),
      applying(M),
      ...up,
    ],
  },
  { about: "history-race", said: [failed(historyCreate), lock, upToDate, ...up] },
  {
    about: "names-that-sound-bad",
    said: [
      applying("20250901000000_AddErrorLogTable"),
      executed('CREATE TABLE "FailedMigrations" ("Exception" text, "FatalError" text);'),
      applying("20250902000000_FixMigrationFailed"),
      executed(
        "INSERT INTO \"ErrorCodes\" VALUES ('42P07', 'Unhandled exception. relation already exists');",
      ),
      ...up,
    ],
  },
  {
    about: "fatal-that-is-none",
    said: [
      say(
        "fatal",
        "Running MigrateReadingList migration - Please be patient, this may take some time. This is not an error",
      ),
      say("fatal", "Running MigrateReadingList migration - Completed. This is not an error"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "retried-then-good",
    said: [
      transient(refused),
      transient(postgres("57P03", "the database system is starting up")),
      applying(M),
      ...up,
    ],
  },
  {
    about: "app-retries-then-good",
    said: [
      say("warn", "Database not ready, attempt 1 of 10", `${refused}${migratorFrames}`),
      say("warn", "Database not ready, attempt 2 of 10", `${refused}${migratorFrames}`),
      upToDate,
      ...up,
    ],
  },
  {
    about: "app-retries-quiet-ef",
    said: [
      say("warn", "Database is not available yet, retrying in 5 s", `${refused}${migratorFrames}`),
      ...up,
    ],
  },
  {
    about: "lock-retry-then-good",
    said: [
      say(
        "error",
        "Migration failed, will retry",
        postgres("55P03", "canceling statement due to lock timeout"),
      ),
      applying(M),
      executed(ADD),
      ...up,
    ],
  },
  {
    about: "same-migration-again",
    said: [
      applying(M),
      failed(ADD),
      say(
        "warn",
        "Migration failed, retrying once",
        postgres("40001", "could not serialize access"),
      ),
      applying(M),
      executed(ADD),
      executed(historyInsert(M)),
      ...up,
    ],
  },
  {
    about: "request-unique-violation",
    said: [
      upToDate,
      ...up,
      failed('INSERT INTO "Accounts" ("Email") VALUES (@p0);'),
      saveFailed(
        postgres(
          "23505",
          'duplicate key value violates unique constraint "IX_Accounts_Email"',
          requestFrames,
        ),
      ),
    ],
  },
  {
    about: "request-missing-table",
    said: [
      upToDate,
      ...up,
      failed('SELECT w."Id" FROM "Widgets" AS w'),
      say(
        "error",
        'Connection id "0HN1", Request id "0HN1:00000002": An unhandled exception was thrown by the application.',
        postgres("42P01", relation, requestFrames),
        "Microsoft.AspNetCore.Server.Kestrel",
        13,
      ),
    ],
  },
  {
    about: "request-di",
    said: [
      ...up,
      say(
        "error",
        "An unhandled exception has occurred while executing the request.",
        "System.InvalidOperationException: Unable to resolve service for type 'Sophon.IMail' while attempting to activate 'Sophon.MailController'.\n   at Microsoft.AspNetCore.Mvc.Controllers.ControllerActivatorProvider.CreateActivator()",
        "Microsoft.AspNetCore.Diagnostics.ExceptionHandlerMiddleware",
        1,
      ),
    ],
  },
  {
    about: "request-errors-without-start",
    said: [
      failed('SELECT w."Id" FROM "Widgets" AS w'),
      saveFailed(postgres("23505", "duplicate key", requestFrames)),
      ...up,
    ],
  },
  {
    about: "health-check-with-history",
    said: [
      ...up,
      say(
        "error",
        "Health check migrations with status Unhealthy completed after 31ms with message '42P01'",
        postgres(
          "42P01",
          'relation "__EFMigrationsHistory" does not exist',
          "\n   at Microsoft.EntityFrameworkCore.Migrations.HistoryRepository.GetAppliedMigrationsAsync()\n   at Sophon.Health.MigrationsHealthCheck.CheckHealthAsync()",
        ),
        "Microsoft.Extensions.Diagnostics.HealthChecks.DefaultHealthCheckService",
        103,
      ),
    ],
  },
  {
    about: "database-gone-at-run-time",
    said: [
      upToDate,
      ...up,
      connectionError,
      say("error", "Could not poll the queue", refused, "Sophon.Gateway.Poller"),
      connectionError,
    ],
  },
  {
    about: "job-fails-at-run-time",
    said: [
      upToDate,
      ...up,
      say(
        "error",
        "Failed to process the job '12': an exception occurred. Retry attempt 1 of 10 will be performed in 00:00:20.",
        postgres("23505", "duplicate key", ""),
        "Hangfire.AutomaticRetryAttribute",
      ),
    ],
  },
  {
    about: "gssapi",
    said: [
      raw("Error: libgssapi_krb5.so.2: cannot open shared object file: No such file or directory"),
      raw("Cannot load library libgssapi_krb5.so.2"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "pending-model-logged-only",
    said: [
      say(
        "error",
        "The model for context 'GatewayDbContext' has pending changes. Add a new migration before updating the database.",
        undefined,
        "Microsoft.EntityFrameworkCore.Migrations",
        20409,
      ),
      upToDate,
      ...up,
    ],
  },
  {
    about: "non-transactional-warning",
    said: [
      lock,
      applying(M),
      say(
        "error",
        "The migration operation 'VACUUM' from migration 'AddRegion' cannot be executed in a transaction. If the app is terminated or an unrecoverable error occurs while this operation is being applied then the migration will be left in a partially applied state and would need to be reverted manually before it can be applied again.",
        undefined,
        "Microsoft.EntityFrameworkCore.Migrations",
        20410,
      ),
      executed("VACUUM"),
      ...up,
    ],
  },
  {
    about: "previous-run-crashed",
    said: [
      failed(ADD),
      unhandled(postgres("42701", column)),
      say("info", "Sophon Gateway 2.4.1 starting"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "previous-run-crashed-twice",
    said: [
      say("info", "Sophon Gateway 2.5.0 starting"),
      unhandled(`${refused}${migratorFrames}`),
      say("info", "Sophon Gateway 2.5.0 starting"),
      unhandled(`${refused}${migratorFrames}`),
      say("info", "Sophon Gateway 2.5.0 starting"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "previous-run-caught",
    said: [
      say("info", "Sophon Gateway 2.5.0 starting"),
      applying(M),
      failed(ADD),
      say("error", "An error occurred while migrating the database.", postgres("42701", column)),
      ...up,
      stopping,
      say("info", "Sophon Gateway 2.4.1 starting"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "previous-run-caught-no-banner",
    said: [
      applying(M),
      failed(ADD),
      say("error", "An error occurred while migrating the database.", postgres("42701", column)),
      ...up,
      stopping,
      lock,
      executed(historySelect),
      upToDate,
      ...up,
    ],
  },
  {
    about: "previous-host-terminated",
    said: [
      say("info", "Starting web host"),
      say("fatal", "Host terminated unexpectedly", `${refused}${migratorFrames}`),
      say("info", "Starting web host"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "one-shot-migrator",
    state: "exited",
    said: [
      lock,
      applying(M),
      executed(ADD),
      executed(historyInsert(M)),
      say("info", "Migrations applied successfully"),
    ],
  },
  { about: "one-shot-up-to-date", state: "exited", said: [lock, upToDate] },
  { about: "stopped-on-purpose", state: "exited", said: [upToDate, ...up, stopping] },
  {
    about: "success-words",
    said: [
      say("info", "Migration finished: 12 applied, 0 failed, 0 errors"),
      say("info", "Database initialization completed without errors"),
      ...up,
    ],
  },
  {
    about: "config-words",
    said: [
      say("warn", "MigrateOnStartup is enabled; if a migration fails the application will stop"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "sqlite-good-lock",
    said: [
      lock,
      executed(lockInsert),
      executed(historyCreate),
      applying(M),
      executed(ADD),
      executed('DELETE FROM "__EFMigrationsLock";'),
      ...up,
    ],
  },
  {
    about: "seen-in-the-middle-of-migrating",
    state: "running",
    said: [
      lock,
      executed(historySelect),
      applying(M),
      executed(ADD),
      executed(historyInsert(M)),
      applying(M2),
    ],
  },
  {
    about: "error-before-start-not-database",
    said: [
      say("error", "Could not load plugin 'weather': manifest missing"),
      say("warn", "License check failed, continuing in community mode"),
      upToDate,
      ...up,
    ],
  },
  {
    about: "data-protection-warning",
    said: [
      say(
        "warn",
        "Storing keys in a directory '/root/.aspnet/DataProtection-Keys' that may not be persisted outside of the container.",
        undefined,
        "Microsoft.AspNetCore.DataProtection.Repositories.FileSystemXmlRepository",
        60,
      ),
      ...up,
    ],
  },
  {
    about: "debug-noise",
    said: [
      say(
        "debug",
        "Migrating using database 'gateway' on server 'tcp://sophon-db:5432'.",
        undefined,
        "Microsoft.EntityFrameworkCore.Migrations",
        20400,
      ),
      say(
        "debug",
        "An error occurred using the connection to database 'gateway' on server 'x'.",
        undefined,
        "Microsoft.EntityFrameworkCore.Database.Connection",
        20004,
      ),
      upToDate,
      ...up,
    ],
  },
  { about: "listening-only", said: [applying(M), executed(ADD), listening] },
  { about: "started-only", said: [started] },
];

export const scenarios: readonly Scenario[] = [...failing, ...harmless];
