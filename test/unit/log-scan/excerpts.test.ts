import { describe, expect, test } from "vitest";
import type { FailureClass } from "../../../src/upgrade/log-scan/causes.ts";
import { type ContainerState, scan } from "../../../src/upgrade/log-scan/scan.ts";

/**
 * What people cut out of a log: without its head, without its end, through a viewer. One shape each,
 * where the matrix holds whole starts in every shape.
 */
interface Excerpt {
  readonly about: string;
  readonly text: string;
  readonly fails?: FailureClass;
  readonly state?: ContainerState;
}

const harmless: Excerpt[] = [
  {
    about: "a migration at the highest level that tells its progress",
    text: [
      "[Gateway] [2026-03-02 09:10:01.010 +00:00  6] [Fatal] Sophon.Program Running SplitJobs migration - Updating 12 rows",
      "[Gateway] [2026-03-02 09:10:01.020 +00:00  6] [Fatal] Sophon.Program Running SplitJobs migration - Updating all channels",
    ].join("\n"),
  },
  {
    about: "a missing database that EF Core expects, at debug level, without what follows",
    text: [
      "dbug: 3/2/2026 09:10:01.010 RelationalEventId.ConnectionError[20004] (Microsoft.EntityFrameworkCore.Database.Connection)",
      "      An error occurred using the connection to database 'main' on server '/data/gateway.db'.",
      "dbug: 3/2/2026 09:10:01.020 RelationalEventId.MigrateUsingConnection[20400] (Microsoft.EntityFrameworkCore.Migrations)",
      "      Migrating using database 'main' on server '/data/gateway.db'.",
    ].join("\n"),
  },
  {
    about: "a design-time tool that aborts the host to read its services",
    text: [
      "[09:10:01 INF] Starting gateway.",
      "[09:10:02 FTL] Gateway terminated unexpectedly!",
      "Microsoft.Extensions.Hosting.HostAbortedException: The host was aborted.",
      "   at Microsoft.Extensions.Hosting.HostFactoryResolver.HostingListener.ThrowHostAborted()",
      "   at Microsoft.AspNetCore.Builder.WebApplicationBuilder.Build()",
      "Done.",
    ].join("\n"),
  },
  {
    about: "the end of an exception out of a gRPC call",
    text: [
      "         at Sophon.Gateway.Nodes.NodeService.Add(AddRequest request, ServerCallContext context)",
      "         at Grpc.Shared.Server.UnaryServerMethodInvoker`3.Invoke(HttpContext httpContext, ServerCallContext serverCallContext, TRequest request)",
      "        Exception data:",
      "          Severity: ERROR",
      "          SqlState: 23505",
    ].join("\n"),
  },
];

const retried: Excerpt[] = [
  {
    about: "an exception without a logger, and the start that came all the same",
    text: [
      "Npgsql.NpgsqlException (0x80004005): Failed to connect to 172.18.0.3:5432",
      "   at Npgsql.Internal.NpgsqlConnector.Connect(NpgsqlTimeout timeout)",
      "info: Microsoft.Hosting.Lifetime[0]",
      "      Application started. Press Ctrl+C to shut down.",
    ].join("\n"),
  },
  {
    about: "the end of a query's exception, whoever asked",
    text: [
      "Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error 1: 'no such column: n.Region'.",
      "   at Microsoft.EntityFrameworkCore.Query.Internal.SingleQueryingEnumerable`1.AsyncEnumerator.MoveNextAsync()",
      "   at Microsoft.EntityFrameworkCore.EntityFrameworkQueryableExtensions.ToListAsync[TSource](IQueryable`1 source)",
    ].join("\n"),
  },
  {
    about: "a supervised program that came up at the second try, and one that was stopped",
    text: [
      "2026-03-02 09:10:45,890 WARN exited: admin (exit status 134; not expected)",
      "2026-03-02 09:10:46,892 INFO spawned: 'admin' with pid 120",
      "2026-03-02 09:11:01,892 INFO success: admin entered RUNNING state, process has stayed up for > than 15 seconds (startsecs)",
      "2026-03-02 09:11:09,892 INFO exited: icons (terminated by SIGTERM; not expected)",
    ].join("\n"),
  },
];

/** The console of .NET Core 3 and before indents the message and not the exception. */
const unindented: Excerpt[] = [
  {
    about: "a request's exception below its indented message",
    text: [
      "fail: Microsoft.AspNetCore.Server.Kestrel[13]",
      '      Connection id "0HN", Request id "0HN:00000001": An unhandled exception was thrown by the application.',
      'Npgsql.PostgresException (0x80004005): 42P01: relation "nodes" does not exist',
      "   at Npgsql.NpgsqlDataReader.NextResult()",
    ].join("\n"),
  },
  {
    about: "a request's exception whose frames a terminal has wrapped",
    text: [
      'Npgsql.PostgresException (0x80004005): 42P01: relation "nodes" does not exist',
      "at Npgsql.NpgsqlConnector.<>c__DisplayClass160_0.<<DoReadMessage>g__ReadMessa",
      "geLong|0>d.MoveNext()",
      "at Microsoft.AspNetCore.Mvc.Infrastructure.ResourceInvoker.InvokeAsync()",
    ].join("\n"),
  },
  {
    about: "an exception below the message that says what it is about",
    fails: "schema-conflict",
    state: "running",
    text: [
      "fail: Sophon.Gateway.Program[0]",
      "      Could not prepare storage",
      'Npgsql.PostgresException (0x80004005): 42P07: relation "nodes" already exists',
      "   at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.Migrate(String targetMigration)",
      "info: Microsoft.Hosting.Lifetime[0]",
      "      Application started. Press Ctrl+C to shut down.",
    ].join("\n"),
  },
];

const failing: Excerpt[] = [
  {
    about: "an export of a container manager, newest line first",
    fails: "schema-conflict",
    text: [
      "2026-03-02 09:10:01 | stdout | at Sophon.Gateway.Program.Main(String[] args) in /src/Program.cs:line 40",
      "2026-03-02 09:10:01 | stdout | at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.Migrate(String targetMigration)",
      "2026-03-02 09:10:01 | stderr | Unhandled Exception: Microsoft.Data.Sqlite.SqliteException: SQLite Error 1: 'table \"Nodes\" already exists'.",
    ].join("\n"),
  },
  {
    about: "frames through rsyslog with ISO times",
    fails: "migration",
    text: [
      "2026-03-02T09:10:08.875141+00:00 node-7 gateway[6646]:    at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.MigrateAsync(String targetMigration)",
      "2026-03-02T09:10:09.005291+00:00 node-7 gateway[6646]:    at Sophon.Gateway.Setup.MigrateAsync() in /src/Setup.cs:line 12",
    ].join("\n"),
  },
  {
    about: "the debug output's category before the level",
    fails: "database-auth",
    text: [
      "info: Sophon.Gateway.Data.GatewayContext[0]",
      "Migrating database associated with context GatewayContext",
      "Sophon.Gateway.Data.GatewayContext:Error: An error occurred while migrating the database used on context GatewayContext",
      "",
      "Microsoft.Data.SqlClient.SqlException (0x80131904): Login failed for user 'gateway'.",
      "   at Microsoft.Data.SqlClient.SqlInternalConnectionTds..ctor(DbConnectionPoolIdentity identity)",
    ].join("\n"),
  },
  {
    about: "frames of a provider's closures, without the exception's type",
    fails: "database-connection",
    state: "running",
    text: [
      "--- End of stack trace from previous location ---",
      "   at Microsoft.EntityFrameworkCore.Storage.RelationalConnection.OpenAsync(CancellationToken cancellationToken, Boolean errorsExpected)",
      "   at Microsoft.EntityFrameworkCore.SqlServer.Storage.Internal.SqlServerDatabaseCreator.<>c__DisplayClass20_0.<<ExistsAsync>b__0>d.MoveNext()",
    ].join("\n"),
  },
  {
    about: "frames of the migrator while it opens the connection",
    fails: "database-connection",
    text: [
      "   at Npgsql.EntityFrameworkCore.PostgreSQL.Storage.Internal.NpgsqlRelationalConnection.Open(Boolean errorsExpected)",
      "   at Microsoft.EntityFrameworkCore.Storage.RelationalConnection.OpenInternal(Boolean errorsExpected)",
      "   at Microsoft.EntityFrameworkCore.Migrations.HistoryRepository.GetAppliedMigrations()",
      "   at Sophon.Gateway.Setup.Migrate() in /src/Setup.cs:line 12",
    ].join("\n"),
  },
  {
    about: "frames of a seeder in a closure of the entry point",
    fails: "migration",
    state: "exited",
    text: [
      "         at Sophon.Gateway.Data.DatabaseSeeder.Seed() in /src/DatabaseSeeder.cs:line 32",
      "         at Sophon.Gateway.Program.<>c.<Main>b__1_2(WebHostBuilderContext _, IApplicationBuilder app) in /src/Program.cs:line 90",
    ].join("\n"),
  },
  {
    about: "a wait for the SQLite lock that is given up",
    fails: "lock-timeout",
    state: "exited",
    text: [
      "[09:10:21 ERR] Hosting failed to start",
      "System.Threading.Tasks.TaskCanceledException: A task was canceled.",
      "   at Microsoft.EntityFrameworkCore.Sqlite.Migrations.Internal.SqliteHistoryRepository.AcquireDatabaseLockAsync(CancellationToken cancellationToken)",
      "   at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.MigrateAsync(String targetMigration, CancellationToken cancellationToken)",
    ].join("\n"),
  },
  {
    about: "frames first, what they mean after them",
    fails: "lock-timeout",
    state: "exited",
    text: [
      "   at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.Migrate(String targetMigration)",
      "   at Program.<Main>$(String[] args)",
      "Unhandled exception. Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error 5: 'database is locked'.",
    ].join("\n"),
  },
  {
    about: "a sentence without a level, its exception on the next line",
    fails: "database-auth",
    state: "running",
    text: [
      " An error occurred while migrating the database used on context GatewayContext",
      "Microsoft.Data.SqlClient.SqlException (0x80131904): Login failed for user 'gateway'.",
      "   at Microsoft.Data.SqlClient.TdsParser.ThrowExceptionAndWarning(TdsParserStateObject stateObj)",
    ].join("\n"),
  },
  {
    about: "a start-up task named after migrating",
    fails: "database-auth",
    state: "running",
    text: [
      "info: Configuration:  Network: Mainnet",
      "fail: Gateway:      Error on the MigrationStartupTask",
      "Npgsql.NpgsqlException (0x80004005): No password has been provided but the backend requires one (in MD5)",
      "   at Npgsql.Internal.NpgsqlConnector.AuthenticateMD5(String username)",
    ].join("\n"),
  },
  {
    about: "a database's exception without a logger, nothing after it",
    fails: "schema-conflict",
    text: [
      "Using context 'GatewayContext'.",
      'Npgsql.PostgresException: 42P01: relation "nodes" does not exist',
      "  at Npgsql.Internal.NpgsqlConnector.ReadMessageLong (Boolean async)",
    ].join("\n"),
  },
  {
    about: "a container's exception without a logger, nothing after it",
    fails: "config",
    text: "System.InvalidOperationException: Unable to resolve service for type 'Sophon.IClock' while attempting to activate 'Sophon.Gateway.Poller'.",
  },
  {
    about: "last words of a process that ended",
    fails: "disk-full",
    state: "exited",
    text: [
      "SQLite Error 13: 'database or disk is full'.",
      "   at Microsoft.Data.Sqlite.SqliteException.ThrowExceptionForRC(Int32 rc, sqlite3 db)",
      "   at Sophon.Gateway.Importer.Load() in /src/Importer.cs:line 51",
    ].join("\n"),
  },
  {
    about: "a start that waits for its database without end",
    fails: "database-connection",
    state: "hung",
    text: [
      "Preparing folders",
      "Attempt 1: PostgreSQL is not yet ready on 127.0.0.1:5432. Retrying in 5 seconds...",
      "Attempt 2: PostgreSQL is not yet ready on 127.0.0.1:5432. Retrying in 5 seconds...",
    ].join("\n"),
  },
  {
    about: "a supervised program that aborts again and again beside one that runs",
    fails: "crash",
    state: "running",
    text: [
      "gateway | 2026-03-02 09:10:38,356 INFO supervisord started with pid 1",
      "gateway | 2026-03-02 09:10:39,359 INFO spawned: 'admin' with pid 63",
      "gateway | 2026-03-02 09:10:40,364 INFO success: identity entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
      "gateway | 2026-03-02 09:10:45,890 INFO exited: admin (terminated by SIGABRT (core dumped); not expected)",
      "gateway | 2026-03-02 09:10:46,892 INFO spawned: 'admin' with pid 120",
    ].join("\n"),
  },
  {
    about: "a connection string that cannot be read",
    fails: "config",
    text: [
      "[09:10:57 INF] Trying to apply migrations...",
      "Unhandled exception. System.ArgumentOutOfRangeException: Index was out of range. (Parameter 'startIndex')",
      "   at Microsoft.Data.SqlClient.SqlConnection.CacheConnectionStringProperties()",
      "   at Microsoft.Data.SqlClient.SqlConnection.set_ConnectionString(String value)",
    ].join("\n"),
  },
  {
    about: "a service that Startup asks for and nobody registered",
    fails: "config",
    text: "Unhandled exception. System.Exception: Could not resolve a service of type 'Sophon.IFoo' for the parameter 'foo' of method 'Configure' on type 'Sophon.Startup'.",
  },
  {
    about: "a migration plan that does not know the data's state",
    fails: "schema-conflict",
    state: "running",
    text: [
      "Sophon.Exceptions.BootFailedException: Boot failed: cannot run. See the log file for more details.",
      '-> System.InvalidOperationException: The migration plan does not support migrating from state "7e170195".',
    ].join("\n"),
  },
];

describe.each([...failing, ...harmless, ...retried, ...unindented])(
  "$about",
  ({ text, fails, state }) => {
    test(`is ${fails ?? "clean"}`, () => {
      const { verdict, decisive } = scan(text, state === undefined ? {} : { state });
      expect(verdict === "failed" ? decisive?.class : verdict).toBe(fails ?? "clean");
    });
  },
);
