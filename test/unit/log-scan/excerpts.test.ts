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
];

describe.each([...failing, ...harmless])("$about", ({ text, fails, state }) => {
  test(`is ${fails ?? "clean"}`, () => {
    const { verdict, decisive } = scan(text, state === undefined ? {} : { state });
    expect(verdict === "failed" ? decisive?.class : verdict).toBe(fails ?? "clean");
  });
});
