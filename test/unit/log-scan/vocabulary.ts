import type { Said } from "./render.ts";

const EF = "Microsoft.EntityFrameworkCore";
const LIFETIME = "Microsoft.Hosting.Lifetime";

/** The words of EF Core, its providers and the .NET host, from their templates. */
const options = "[Parameters=[], CommandType='Text', CommandTimeout='30']";
const optionsTemplate =
  "[Parameters=[{parameters}], CommandType='{commandType}', CommandTimeout='{commandTimeout}']{newLine}{commandText}";

const command = (failed: boolean, sql: string, elapsed: string): Said => ({
  level: failed ? "error" : "info",
  category: `${EF}.Database.Command`,
  id: failed ? 20102 : 20101,
  message: `${failed ? "Failed executing" : "Executed"} DbCommand (${elapsed}ms) ${options}\n${sql}`,
  template: `${failed ? "Failed executing" : "Executed"} DbCommand ({elapsed}ms) ${optionsTemplate}`,
  values: {
    elapsed,
    parameters: "",
    commandType: "Text",
    commandTimeout: 30,
    newLine: "\n",
    commandText: sql,
  },
});
export const executed = (sql: string, elapsed = "2") => command(false, sql, elapsed);
export const failed = (sql: string, elapsed = "1,087") => command(true, sql, elapsed);
export const say = (
  level: "trace" | "debug" | "info" | "warn" | "error" | "fatal",
  message: string,
  exception?: string,
  category = "Sophon.Gateway.Program",
  id = 0,
): Said => ({ level, category, id, message, ...(exception === undefined ? {} : { exception }) });
export const raw = (text: string): Said => ({ raw: text });
export const unhandled = (exception: string) => raw(`Unhandled exception. ${exception}`);

export const applying = (migration: string): Said => ({
  level: "info",
  category: `${EF}.Migrations`,
  id: 20402,
  message: `Applying migration '${migration}'.`,
  template: "Applying migration '{migration}'.",
  values: { migration },
});
export const upToDate = say(
  "info",
  "No migrations were applied. The database is already up to date.",
  undefined,
  `${EF}.Migrations`,
  20405,
);
export const lock = say(
  "info",
  "Acquiring an exclusive lock for migration application. See https://aka.ms/efcore-docs-migrations-lock for more information if this takes too long.",
  undefined,
  `${EF}.Migrations`,
  20411,
);
export const connectionError = say(
  "error",
  "An error occurred using the connection to database 'gateway' on server 'tcp://sophon-db:5432'.",
  undefined,
  `${EF}.Database.Connection`,
  20004,
);
export const transient = (exception: string) =>
  say(
    "info",
    `A transient exception occurred during execution. The operation will be retried after 1043ms.\n${exception}`,
    undefined,
    `${EF}.Infrastructure`,
    10404,
  );
export const saveFailed = (exception: string) =>
  say(
    "error",
    `An exception occurred in the database while saving changes for context type 'Sophon.Gateway.GatewayDbContext'.\n${exception}`,
    exception,
    `${EF}.Update`,
    10000,
  );

export const historySelect = `SELECT "MigrationId", "ProductVersion"\nFROM "__EFMigrationsHistory"\nORDER BY "MigrationId";`;
export const historyCreate = `CREATE TABLE IF NOT EXISTS "__EFMigrationsHistory" (\n    "MigrationId" character varying(150) NOT NULL,\n    "ProductVersion" character varying(32) NOT NULL,\n    CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY ("MigrationId")\n);`;
export const historyInsert = (migration: string) =>
  `INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion")\nVALUES ('${migration}', '9.0.10');`;
export const lockInsert = `INSERT OR IGNORE INTO "__EFMigrationsLock"("Id", "Timestamp") VALUES(1, '2025-10-05 07:00:00.1230000+00:00');\nSELECT changes();`;

export const listening = say("info", "Now listening on: http://[::]:8080", undefined, LIFETIME, 14);
export const started = say(
  "info",
  "Application started. Press Ctrl+C to shut down.",
  undefined,
  LIFETIME,
);
export const stopping = say("info", "Application is shutting down...", undefined, LIFETIME);
export const up: readonly Said[] = [
  listening,
  started,
  say("info", "Hosting environment: Production", undefined, LIFETIME),
  say("info", "Content root path: /app", undefined, LIFETIME),
];

export const migratorFrames = `
   at Microsoft.EntityFrameworkCore.Migrations.MigrationCommand.ExecuteNonQuery(IRelationalConnection connection, IReadOnlyDictionary\`2 parameterValues)
   at Microsoft.EntityFrameworkCore.Migrations.Internal.MigrationCommandExecutor.Execute(IReadOnlyList\`1 migrationCommands, IRelationalConnection connection)
   at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.Migrate(String targetMigration)
   at Microsoft.EntityFrameworkCore.RelationalDatabaseFacadeExtensions.Migrate(DatabaseFacade databaseFacade)
   at Program.<Main>$(String[] args) in /src/Sophon.Gateway/Program.cs:line 41`;
export const requestFrames = `
   at Npgsql.Internal.NpgsqlConnector.ReadMessageLong(Boolean async)
   at Microsoft.EntityFrameworkCore.Query.Internal.SingleQueryingEnumerable\`1.AsyncEnumerator.MoveNextAsync()
   at Sophon.Gateway.Controllers.NodesController.List() in /src/NodesController.cs:line 31
   at Microsoft.AspNetCore.Mvc.Infrastructure.ActionMethodExecutor.Execute()
   at Microsoft.AspNetCore.Routing.EndpointMiddleware.Invoke(HttpContext httpContext)`;
export const postgres = (code: string, text: string, frames = migratorFrames) =>
  `Npgsql.PostgresException (0x80004005): ${code}: ${text}${frames}`;
export const sqlite = (code: number, text: string, frames = migratorFrames) =>
  `Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error ${code}: '${text}'.${frames}`;
export const refused = `Npgsql.NpgsqlException (0x80004005): Failed to connect to 172.18.0.3:5432
 ---> System.Net.Sockets.SocketException (111): Connection refused
   at Npgsql.Internal.NpgsqlConnector.Connect(NpgsqlTimeout timeout)`;
