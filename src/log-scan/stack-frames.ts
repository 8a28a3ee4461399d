/** Frames of the code that migrates: EF Core, its providers, and the other migration tools of .NET. */
const MIGRATOR =
  /Migrations\.Internal\.\w*(?:Migrator|MigrationCommandExecutor|HistoryRepository|MigrationsAssembly\w*)\b|Migrations\.(?:MigrationCommand|HistoryRepository|MigrationCommandExecutor)\.|RelationalDatabaseFacadeExtensions\.(?:<?Migrate|GetPendingMigrations|GetAppliedMigrations)|\bNpgsqlMigrator\b|DatabaseFacade\.<?EnsureCreated|RelationalDatabaseCreator\.<?EnsureCreated|DatabaseCreator\.(?:<>c\w{0,40}\.)?<{0,2}(?:Create|CreateTables|EnsureCreated|Exists|HasTables)|Design\.Internal\.MigrationsOperations|\bFluentMigrator\.Runner\b|\bDbUp\.(?:Engine|Support)\b|\bEvolve\.Evolve\b|\bNzbDrone\.Core\.Datastore\.(?:Migration|DbFactory)\b|Jellyfin\.Server\.Migrations\b|\bliquibase\.(?:lockservice|changelog|exception)\.|\borg\.flywaydb\.core\.|\/alembic\/(?:command|runtime|script|operations)|\/django\/db\/migrations\/|\/knex\/lib\/migrations\/|\/typeorm\/migration\/|\/umzug\/|\/active_record\/migration\.rb|\bdiesel_migrations::|\bsqlx(?:_core)?::migrate::|\bEcto\.Migrat|Illuminate\\Database\\Migrations|Doctrine\\Migrations/;
/** Frames of an application's own start-up code that prepares the database. */
const PREPARATION =
  /\bat [\w.<>`+|$]{0,200}(?:Migrat(?:e|ion|or)|Db(?:Context)?Initiali[sz]er|DatabaseInitiali[sz]er|Initiali[sz]eDatabase|Initiali[sz]eDb|DatabaseUpgrade|SchemaUpgrade|Seed(?:er|Data|Database|Async))/;
const STARTUP =
  /\bProgram\.(?:<>c\w{0,40}\.)?<{0,2}Main\b|\bHosting\.Internal\.Host\.<?StartAsync|HostingAbstractionsHostExtensions\.<?Run|\bWebHost\.<?StartAsync|GenericWebHostService\.<?StartAsync|\bStartup\.Configure|MigrationsEndPoint|Host\.<StartAsync>/;
const HEALTH = /HealthChecks?\.|DatabaseCreator\.<?CanConnect|DatabaseFacade\.<?CanConnect/;
const REQUEST =
  /Microsoft\.AspNetCore\.(?:Server\.Kestrel|Routing\.EndpointMiddleware|Mvc\.|Diagnostics\.|Http\.|Authentication\.|Builder\.Extensions\.MapWhen|SignalR)|\bHangfire\.|\bQuartz\.|\bMassTransit\.|\bGrpc\.(?:AspNetCore|Shared)\.Server\.|Microsoft\.Extensions\.Hosting\.Internal\.Host\.<?TryExecuteBackgroundService/;

const QUERY =
  /EntityFrameworkCore\.(?:Query\.|ChangeTracking\.|Update\.|DbContext\.<?SaveChanges|EntityFrameworkQueryableExtensions)/;

/** What the frames of an exception tell about when it was thrown. */
interface Frames {
  /** In the code that migrates. */
  readonly migrator: boolean;
  /** In what looks like the application's own preparation of the database. */
  readonly preparation: boolean;
  /** While the host was built or started. */
  readonly startup: boolean;
  /** In a request, a job or a health check. */
  readonly runtime: boolean;
  /** In a query or a save, which happen at any time. */
  readonly query: boolean;
}

/** Reads an exception's frames; everything is false for a text without frames. */
export function framesOf(exception: string): Frames {
  if (exception === "") return NONE;
  const health = HEALTH.test(exception);
  return {
    migrator: !health && MIGRATOR.test(exception),
    preparation: !health && PREPARATION.test(exception),
    startup: STARTUP.test(exception),
    runtime: health || REQUEST.test(exception),
    query: QUERY.test(exception),
  };
}

const NONE: Frames = {
  migrator: false,
  preparation: false,
  startup: false,
  runtime: false,
  query: false,
};
