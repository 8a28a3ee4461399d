"""Migrates at start as EF Core 9 does: the lock first, then all that is pending in one transaction."""

import datetime
import time

import catalogue
import console
from database import DatabaseError

PRODUCT = "9.0.10"
LOCK_MESSAGE = (
    "Acquiring an exclusive lock for migration application. See "
    "https://aka.ms/efcore-docs-migrations-lock for more information if this takes too long."
)
HISTORY = 'SELECT "MigrationId", "ProductVersion"\nFROM "__EFMigrationsHistory"\nORDER BY "MigrationId";'
FRAMES = (
    "Microsoft.EntityFrameworkCore.Storage.RelationalCommand.ExecuteNonQuery(RelationalCommandParameterObject parameterObject)",
    "Microsoft.EntityFrameworkCore.Migrations.MigrationCommand.ExecuteNonQuery(IRelationalConnection connection, "
    "IReadOnlyDictionary`2 parameterValues)",
    "Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.MigrateImplementation(DbContext context, "
    "String targetMigration, MigrationExecutionState state, Boolean useTransaction)",
    "Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.Migrate(String targetMigration)",
    "Microsoft.EntityFrameworkCore.RelationalDatabaseFacadeExtensions.Migrate(DatabaseFacade databaseFacade)",
)


class TooNew(Exception):
    pass


def migrate(database, migrations, slow=None):
    """Applies what is pending. Raises DatabaseError, with the transaction rolled back, or TooNew."""
    if database.provider == "sqlite":
        _migrate_sqlite(database, migrations, slow)
    else:
        _migrate_postgres(database, migrations, slow)


def _migrate_sqlite(database, migrations, slow):
    console.log("info", console.MIGRATIONS, 20411, LOCK_MESSAGE)
    found = database.run(
        'SELECT COUNT(*) FROM "sqlite_master" WHERE "name" = \'__EFMigrationsLock\' AND "type" = \'table\';'
    )
    if found[0][0] == 0:
        database.run(
            'CREATE TABLE IF NOT EXISTS "__EFMigrationsLock" (\n'
            '    "Id" INTEGER NOT NULL CONSTRAINT "PK___EFMigrationsLock" PRIMARY KEY,\n'
            '    "Timestamp" TEXT NOT NULL\n);'
        )
    _take_sqlite_lock(database)
    try:
        database.run(
            'CREATE TABLE IF NOT EXISTS "__EFMigrationsHistory" (\n'
            '    "MigrationId" TEXT NOT NULL CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY,\n'
            '    "ProductVersion" TEXT NOT NULL\n);'
        )
        pending = _pending(database.run(HISTORY), migrations)
        if pending:
            database.run("BEGIN IMMEDIATE;", log=False)
            _apply(database, pending, slow)
    finally:
        database.run('DELETE FROM "__EFMigrationsLock";')


def _take_sqlite_lock(database):
    """Tries for ever, as EF Core does: a row left by a killed migration hangs every later start."""
    delay = 1.0
    while True:
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f0+00:00")
        changed = database.run(
            f'INSERT OR IGNORE INTO "__EFMigrationsLock"("Id", "Timestamp") VALUES(1, \'{now}\');\nSELECT changes();'
        )
        if changed[0][0] == 1:
            return
        time.sleep(delay)
        delay = min(delay * 2, 60)


def _migrate_postgres(database, migrations, slow):
    try:
        database.run(HISTORY)
    except DatabaseError as error:
        if "42P01" not in str(error):
            raise
    database.run("SELECT 1")
    database.run(
        'CREATE TABLE IF NOT EXISTS "__EFMigrationsHistory" (\n'
        '    "MigrationId" character varying(150) NOT NULL,\n'
        '    "ProductVersion" character varying(32) NOT NULL,\n'
        '    CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY ("MigrationId")\n);'
    )
    console.log("info", console.MIGRATIONS, 20411, LOCK_MESSAGE)
    database.run("BEGIN", log=False)
    database.run('LOCK TABLE "__EFMigrationsHistory" IN ACCESS EXCLUSIVE MODE')
    try:
        pending = _pending(database.run(HISTORY), migrations)
    except TooNew:
        database.run("ROLLBACK", log=False)
        raise
    if not pending:
        database.run("COMMIT", log=False)
        return
    _apply(database, pending, slow)


def _pending(rows, migrations):
    applied = {row[0] for row in rows}
    known = [catalogue.name_of(migration) for migration in migrations]
    unknown = sorted(applied - set(known))
    if unknown:
        raise TooNew(f"{unknown[-1]}|{known[-1]}")
    pending = [m for m in migrations if catalogue.name_of(m) not in applied]
    if not pending:
        console.log(
            "info", console.MIGRATIONS, 20405, "No migrations were applied. The database is already up to date."
        )
    return pending


def _apply(database, pending, slow):
    try:
        for migration in pending:
            name = catalogue.name_of(migration)
            console.log("info", console.MIGRATIONS, 20402, f"Applying migration '{name}'.")
            for sql in catalogue.statements(migration, database.provider):
                database.run(sql)
            if slow:
                _work_slowly(database, **slow)
            database.run(
                'INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion")\n'
                f"VALUES ('{name}', '{PRODUCT}');"
            )
        database.run("COMMIT", log=False)
    except DatabaseError:
        database.run("ROLLBACK", log=False)
        raise


def _work_slowly(database, seconds, steps=1, silent=False, computes=False):
    """A long migration that works step by step; unless silent, each shows in the log. One that computes does only that."""
    end = time.monotonic() + seconds
    while computes and time.monotonic() < end:
        pass
    for step in range(steps):
        time.sleep(0 if computes else seconds / steps)
        database.run(f'UPDATE "Messages" SET "Body" = "Body"\nWHERE "Id" % {steps} = {step};', log=not silent)
