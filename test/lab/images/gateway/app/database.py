"""One connection to the application's database, each command logged as EF Core logs it."""

import os
import time

import console


class DatabaseError(Exception):
    """A failed command, worded as the .NET provider words it."""


def open_database(settings):
    return (Sqlite if settings["provider"] == "sqlite" else Postgres)(settings)


class Database:
    def run(self, sql, log=True):
        """Executes and answers the rows, if any; logs 20101, or 20102 and raises DatabaseError."""
        started = time.monotonic()
        try:
            rows = self._execute(sql)
        except self.errors as error:
            if log:
                console.failed(int((time.monotonic() - started) * 1000), sql)
            raise DatabaseError(self._describe(error)) from error
        if log:
            console.executed(int((time.monotonic() - started) * 1000), sql)
        return rows


class Sqlite(Database):
    provider = "sqlite"

    def __init__(self, settings):
        import sqlite3

        self.errors = sqlite3.Error
        self.path = os.path.join(settings["data"], "data", "sophon.db")
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")

    def _execute(self, sql):
        rows = []
        for statement in sql.split(";\n") if sql.endswith("changes();") else [sql]:
            rows = self.connection.execute(statement).fetchall()
        return rows

    def _describe(self, error):
        code = getattr(error, "sqlite_errorcode", 1) & 0xFF
        return f"Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error {code}: '{error}'."

    def insert(self, table, key, text):
        self.connection.execute(f'INSERT INTO "{table}" ("Key", "Text") VALUES (?, ?)', (key, text))

    def close(self):
        self.connection.close()


class Postgres(Database):
    provider = "postgres"

    def __init__(self, settings):
        import psycopg2

        self.errors = psycopg2.Error
        self.settings = settings["postgres"]
        try:
            self.connection = psycopg2.connect(connect_timeout=5, application_name="sophon-gateway", **self.settings)
        except psycopg2.OperationalError as error:
            raise DatabaseError(self._refused(str(error))) from error
        self.connection.autocommit = True

    def _refused(self, message):
        host = self.settings["host"]
        if "password authentication failed" in message:
            user = self.settings["user"]
            return f'Npgsql.PostgresException (0x80004005): 28P01: password authentication failed for user "{user}"'
        if "does not exist" in message:
            name = self.settings["dbname"]
            return f'Npgsql.PostgresException (0x80004005): 3D000: database "{name}" does not exist'
        return f"Npgsql.NpgsqlException (0x80004005): Failed to connect to {host}:5432"

    def _execute(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _describe(self, error):
        message = (error.diag.message_primary if error.pgcode else None) or str(error).strip()
        return f"Npgsql.PostgresException (0x80004005): {error.pgcode or '08006'}: {message}"

    def insert(self, table, key, text):
        with self.connection.cursor() as cursor:
            cursor.execute(f'INSERT INTO "{table}" ("Key", "Text") VALUES (%s, %s)', (key, text))

    def close(self):
        self.connection.close()
