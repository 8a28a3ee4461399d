import { NEWER_SCHEMA } from "./cause-patterns.ts";
import type { Rule } from "./rule.ts";

/** What migration tools, and applications that check their schema, say. */
export const MIGRATION_RULES: readonly Rule[] = [
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
    lookAlike:
      "warn: Program[0]\n      The model has pending changes that do not touch the database",
    meaning:
      "The new version's model does not match its own migrations, so EF Core refused to migrate.",
  },
  {
    name: "prisma-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "prisma migrate deploy",
    pattern:
      /^P(?:100[0-3]|1017|300\d|301[0-9])\b|\bError: P(?:100[0-3]|1017|300\d|301[0-9])\b|migrate found failed migrations in the target database|A migration failed to apply\. New migrations cannot be applied|Can't reach database server at|Timed out trying to acquire a postgres advisory lock|^The database schema is not empty|Authentication failed against (?:the )?database server/,
    quote:
      /(migrate found failed migrations in the target database[^\n]{0,200}|A migration failed to apply\.(?! New)[^\n]{0,200}|Can't reach database server[^\n]{0,200}|The database schema is not empty[^\n]{0,200}|Could not find the migration file[^\n]{0,200})/,
    example:
      "Error: P3009\n\nmigrate found failed migrations in the target database, new migrations will not be applied. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve",
    lookAlike: "12 migrations found in prisma/migrations\n\nNo pending migrations to apply.",
    meaning: "Prisma could not migrate the database.",
  },
  {
    name: "alembic-failed",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "Alembic",
    pattern:
      /Can't locate revision identified by|^FAILED: |Target database is not up to date|Multiple head revisions are present|Requested revision \S+ overlaps/,
    example: "ERROR [alembic.util.messaging] Can't locate revision identified by '8ac14e223d1e'",
    lookAlike:
      "INFO  [alembic.runtime.migration] Running upgrade 1975ea83b712 -> 8ac14e223d1e, add failed jobs",
    meaning: "Alembic cannot bring the database to this version.",
  },
  {
    name: "django-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "Django",
    pattern:
      /InconsistentMigrationHistory|NodeNotFoundError: Migration |Conflicting migrations detected|(?:django\.db\.utils|psycopg2?\.errors|psycopg2)\.\w{1,40}(?:Error|Column|Table|Object|Violation|Privilege)\b[\s\S]{0,400}\bmigrations?\b/,
    example:
      "django.db.migrations.exceptions.InconsistentMigrationHistory: Migration jobs.0002_region is applied before its dependency nodes.0001_initial on database 'default'.",
    lookAlike: "  Applying jobs.0002_error_log... OK",
    meaning: "Django cannot migrate the database.",
  },
  {
    name: "rails-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "Ruby on Rails",
    pattern:
      /An error has occurred, (?:this and )?all later migrations canceled|ActiveRecord::(?:PendingMigrationError|ConcurrentMigrationError|DuplicateMigration\w{1,20}Error|UnknownMigrationVersionError)|Migrations are pending\. To resolve this issue/,
    quote:
      /(?:all later migrations canceled|ConcurrentMigrationError|PendingMigrationError):\s{0,80}\n\s{0,80}(\S[^\n]{1,400})/,
    example:
      'StandardError: An error has occurred, this and all later migrations canceled:\n\nPG::DuplicateColumn: ERROR:  column "region" of relation "nodes" already exists',
    lookAlike: "== 20260101000000 AddErrorLog: migrated (0.0012s) ==========",
    meaning: "Rails could not migrate the database, or refuses to run on an old schema.",
  },
  {
    name: "flyway-failed",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "Flyway",
    pattern:
      /Flyway(?:Validate|Migrate|Sql\w{0,10}|)Exception|Validate failed: (?:Migrations have failed validation|Detected)|Detected (?:failed migration|applied migration not resolved locally|resolved migration not applied)|Migration checksum mismatch|Migration (?:of schema .{1,80} to version .{1,120}|V?[\w.]+__\S+) failed|Found non-empty schema\(s\) .{1,120} but no schema history table/,
    example:
      "ERROR: Validate failed: Migrations have failed validation\nMigration checksum mismatch for migration version 2",
    lookAlike:
      "2026-01-02T03:04:05.678Z  INFO 1 --- [           main] o.f.core.internal.command.DbValidate     : Successfully validated 12 migrations (execution time 00:00.020s)",
    meaning: "Flyway refuses or failed to migrate the database.",
  },
  {
    name: "liquibase-failed",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "Liquibase, Hibernate",
    pattern:
      /liquibase\.exception\.\w{1,60}Exception|Migration failed for change ?set|Validation Failed:\s+\d+ change ?sets? (?:check ?sum|ha(?:s|ve) validation)|Could not acquire change log lock|Schema-validation: /i,
    example:
      "ERROR: Validation Failed:\n     1 changesets check sum\n          db/changelog.xml::12::ops was: 9:aa but is now: 9:bb",
    lookAlike:
      "2026-01-02T03:04:05.678Z  INFO 1 --- [           main] liquibase.changelog                      : ChangeSet db/changelog.xml::12-error-log::ops ran successfully in 4ms",
    meaning: "Liquibase or Hibernate found the database not to be what this version needs.",
  },
  {
    name: "rust-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "diesel, sqlx, SeaORM, refinery",
    pattern:
      /migration \d{1,20} (?:was previously applied but|is partially applied)|Migrate\((?:VersionMissing|VersionMismatch|Dirty|Execute)|(?:DieselMigration|MigrationError|RunMigrations?Error|QueryError\(DieselMigrationName)|Migration file of version .{1,120} is missing|applied migration \S+ is (?:missing|different)/,
    example: "Error: Migrate(VersionMissing(20260101000000))",
    lookAlike:
      '2026-01-02T03:04:05.678901Z  INFO sqlx::postgres::notice: relation "_sqlx_migrations" already exists, skipping',
    meaning: "The migrations built into a program in Rust do not fit this database.",
  },
  {
    name: "go-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "golang-migrate, goose, Gitea, Grafana",
    pattern:
      /Dirty database version \d+|no migration found for version \d+|failed to run SQL migration|missing migrations? before current version|ORM engine initiali[sz]ation failed|Executing migration failed|\bmigration failed\b.{0,20}\(id = |migrate: .{0,40}(?:failed|error)/i,
    example: "error: Dirty database version 16. Fix and force version.",
    lookAlike:
      'time=2026-01-02T03:04:05.678Z level=info msg="Executing migration" id="add failed column to jobs"',
    meaning: "The migrations built into a program in Go do not fit this database.",
  },
  {
    name: "node-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "TypeORM, Sequelize, Umzug, Knex, Drizzle, n8n, Ghost, Logto, Directus",
    pattern:
      /^Error during migration run:|Migration "?[\w.-]{1,160}"? failed, error: |There was an error running database migrations|migration file "[^"\n]{1,160}" failed|migration failed with error: |The migration directory is corrupt|Migration table is already locked|Can't take lock to run migrations|MigrationError: Migration \S{1,160} \((?:up|down)\) failed|Migrations are missing\. Please run|Error occurred while executing the following migration|Found undeployed database alterations|Migration keys are duplicated/,
    example:
      'Migration "AddRegion1767225600000" failed, error: column "Region" of relation "Nodes" already exists',
    lookAlike:
      "Migrations in progress, please do NOT stop the process.\nStarting migration AddErrorLog1767225600000\nFinished migration AddErrorLog1767225600000",
    meaning: "A migration tool for Node.js could not migrate the database.",
  },
  {
    name: "php-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "Laravel, Doctrine, Phinx",
    pattern:
      /^ {0,4}(?:\d{4}_\d{2}_\d{2}_\d{6}_\w{1,120}|Migrating:?) ?\.{2,200} ?.{0,20}\bFAIL\b|Migration \S{0,80}Version\w{1,40} failed during (?:Execution|Pre-Checks)|^\s{0,8}Illuminate\\Database\\QueryException\s{0,8}$|\bSQLSTATE\[\w{5}\][^\n]{0,600}\bSQL: (?:alter|create|drop|rename) |Error thrown while running command "?'?doctrine:migrations|ExecutedUnavailableMigrations|\bPDOException: SQLSTATE|^\s*In \w{1,60}\.php line \d+:/m,
    example: "  2026_01_01_000000_create_nodes_table .............................. 12.03ms FAIL",
    lookAlike: "  2026_01_01_000000_create_failed_jobs_table ........................ 12.03ms DONE",
    meaning: "A migration tool for PHP could not migrate the database.",
  },
  {
    name: "ecto-migrate",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    source: "Ecto",
    pattern: /^\*\* \((?:Postgrex|MyXQL|Exqlite|DBConnection|Ecto|Mix)\.?\w{0,40}(?:Error|)\)/m,
    example: '** (Postgrex.Error) ERROR 42P07 (duplicate_table) relation "nodes" already exists',
    lookAlike: "03:04:05.678 [info] == Migrated 20260101000000 in 0.0s",
    meaning: "A release task of an Elixir application failed.",
  },
  {
    name: "upgrade-path",
    where: "failing",
    lasts: "migration",
    class: "schema-conflict",
    source: "Nextcloud and others whose entry points compare versions",
    pattern:
      /^Can't start \w{1,40} because (?:upgrading|the version)|only possible to upgrade one major version at a time|\bupgrading (?:directly )?from \S{1,40} to \S{1,40} is not (?:supported|possible)/,
    example: "Can't start Cloud because upgrading from 25.0.4.1 to 29.0.0.19 is not supported.",
    lookAlike: "Upgrading cloud from 28.0.4.1 to 29.0.0.19 ...",
    meaning: "The data is too old or too new for this version.",
  },
  {
    name: "upgrade-command-failed",
    where: "failing",
    lasts: "migration",
    otherwise: "migration",
    after: true,
    source: "Nextcloud's occ, Zabbix, entry points that go on after it",
    pattern:
      /^Update failed$|^Maintenance mode is kept active$|^database upgrade failed$|\b(?:upgrade|migration)s? (?:completed|finished|done) with errors?\b/im,
    example:
      "Updating database schema\nDoctrine\\DBAL\\Exception\\DriverException: SQLSTATE[42000]: Row size too large\nUpdate failed\nMaintenance mode is kept active",
    lookAlike:
      "Updating database schema\nUpdated database\nUpdate successful\nTurned off maintenance mode",
    meaning:
      "The command that upgrades the data says that it failed; the application may run on half of it.",
  },
  {
    name: "newer-schema",
    where: "failing",
    lasts: "migration",
    class: "schema-conflict",
    source: "applications that check before they migrate",
    pattern: NEWER_SCHEMA,
    example:
      "crit: Startup[0]\n      Database schema 20251118_AddTenants is newer than this build; downgrade is not supported, refusing to start.",
    lookAlike: "[09:12:01 WRN] Version 2.6.0 of the gateway is newer than this one",
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
    lookAlike: "Upgrade of database finished: 3 scripts, 0 failed",
    meaning: "A migration tool that runs before the application reports failure.",
  },
];
