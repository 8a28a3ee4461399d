#!/usr/bin/env python3
"""A STAND-IN for the Sophon gateway, for the lab only: real stores, real migrations, no product.

It starts as an ASP.NET Core application with EF Core 9 does: it opens its vault, migrates its
database under the migration lock, then serves `/api/health`. How a version behaves is data in
version.json; see faults.py and wreck.py.
"""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import console
import faults
import migrator
import vault
import wreck
from database import DatabaseError, open_database
from ledger import Ledger
from settings import load
from writers import Writers


class Application:
    def __init__(self, settings):
        self.settings = settings
        self.ledger = Ledger()
        self.writers = Writers(settings, self.ledger)
        self.started = time.monotonic()
        self.boot = os.urandom(8).hex()
        self.checked = time.monotonic()
        self.problem = None

    def watch(self):
        """Checks the database and the vault twice a second, so that a probe costs nothing."""
        database, seen = None, None
        while True:
            try:
                if database is None:
                    database = open_database(self.settings)
                database.run("SELECT 1", log=False)
                if vault.fingerprint(self.settings["data"]) != seen:
                    vault.check(self.settings["data"])
                    seen = vault.fingerprint(self.settings["data"])
                self.problem = None
            except (DatabaseError, vault.VaultError, OSError) as error:
                self.problem = str(error)
                if isinstance(error, DatabaseError):
                    database = None
            self.checked = time.monotonic()
            time.sleep(0.5)

    def health(self):
        now = time.monotonic()
        if faults.unhealthy_now(self.settings["faults"].get("unhealthy"), now - self.started):
            return "the service is warming up"
        if now - self.checked > 10:
            return "The operation has timed out."
        return self.problem

    def state(self):
        database = open_database(self.settings)
        try:
            counts = {}
            for table in ("Agents", "Conversations", "Messages", "Documents"):
                counts[table] = database.run(f'SELECT COUNT(*) FROM "{table}"', log=False)[0][0]
            history = database.run(migrator.HISTORY, log=False)
        finally:
            database.close()
        return {
            "version": self.settings["version"],
            "schema": [row[0] for row in history],
            "tables": counts,
            "credentials": vault.check(self.settings["data"]),
            "writes": len(self.ledger.entries),
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    application = None

    def log_message(self, *_):
        pass

    def _answer(self, code, payload):
        body = json.dumps(payload).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        application = self.application
        if url.path == "/api/health":
            problem = application.health()
            if problem is None:
                return self._answer(200, {"status": "Healthy", "version": application.settings["version"]})
            return self._answer(503, {"status": "Unhealthy", "detail": problem})
        if url.path == "/api/state":
            try:
                return self._answer(200, application.state())
            except (DatabaseError, vault.VaultError, OSError) as error:
                return self._answer(500, {"error": str(error)})
        if url.path == "/lab/ledger":
            query = parse_qs(url.query)
            since, wait = int(query.get("since", ["0"])[0]), float(query.get("wait", ["0"])[0])
            return self._answer(200, {"boot": application.boot, "entries": application.ledger.since(since, wait)})
        return self._answer(404, {"error": "not found"})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/lab/writers/stop":
            return self._answer(200, {"stopped": self.application.writers.stop()})
        if self.path == "/lab/writers/start":
            self.application.writers.start()
            return self._answer(200, {"started": True})
        return self._answer(404, {"error": "not found"})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def migrate(settings):
    """Migrates, or ends the process as the application would; answers what holds the lock, if a fault does."""
    fault = settings["faults"]
    database = open_when_ready(settings)
    holder = None
    if fault.get("hang") == "migration-lock":
        wreck.wreck(settings, settings["wreck"])
        holder = faults.hold_migration_lock(settings)
    try:
        migrator.migrate(database, faults.migrations(settings), fault.get("slowMigration"))
    except migrator.TooNew as error:
        applied, build = str(error).split("|")
        console.log(
            "crit", "Sophon.Gateway.Startup", 0,
            f"Database schema {applied} is newer than this build ({build}); downgrade is not supported, "
            "refusing to start.",
        )
        faults.end(
            134, f"System.InvalidOperationException: The migration '{applied}' was not found.", migrator.FRAMES
        )
    except DatabaseError as error:
        if fault.get("migrationFails") != "continue":
            wreck.wreck(settings, settings["wreck"])
            faults.end(134, str(error), migrator.FRAMES)
        frames = "\n".join(f"   at {frame}" for frame in migrator.FRAMES)
        console.log("fail", console.PROGRAM, 0, f"An error occurred while migrating the database.\n{error}\n{frames}")
    finally:
        database.close()
    return holder


def open_when_ready(settings):
    try:
        return open_database(settings)
    except DatabaseError as error:
        faults.end(134, str(error), ("Npgsql.NpgsqlConnection.Open()",))


def open_vault(settings):
    vault.prepare(settings["data"])
    try:
        vault.check(settings["data"])
    except (vault.VaultError, OSError) as error:
        console.log("crit", "Sophon.Gateway.Security.Vault", 0, f"{error}")
        faults.end(
            134,
            "System.Security.Cryptography.AuthenticationTagMismatchException: The computed authentication tag did "
            "not match the input authentication tag.",
            ("System.Security.Cryptography.AesGcm.Decrypt(ReadOnlySpan`1 nonce, ReadOnlySpan`1 ciphertext, "
             "ReadOnlySpan`1 tag, Span`1 plaintext, ReadOnlySpan`1 associatedData)",),
        )


def stop(application):
    """Leaves as a host that was asked to: what is in flight ends, the database is closed."""
    console.log("info", console.LIFETIME, 0, "Application is shutting down...")
    application.writers.stop(2.0)
    if "leave-wal" in application.settings["wreck"]:
        wreck.wreck(application.settings, ["leave-wal"])
    elif application.settings["provider"] == "sqlite":
        try:
            database = open_database(application.settings)
            database.run("PRAGMA wal_checkpoint(TRUNCATE)", log=False)
            database.close()
        except DatabaseError:
            pass
    os._exit(0)


def main():
    settings = load()
    os.umask(0o022)
    # Until the application serves, a stop ends it in the middle of whatever it does.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    console.log("info", console.PROGRAM, 0, f"Starting Sophon gateway {settings['version']}")
    faults.check_environment(settings)
    open_vault(settings)
    holder = migrate(settings)
    # Only now: the migration of what is already ruined would fail in another way than the one wanted.
    wreck.wreck(settings, settings["wreck"])
    application = Application(settings)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop, args=(application,)).start())
    signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=stop, args=(application,)).start())
    threading.Thread(target=application.watch, daemon=True).start()
    Handler.application = application
    server = Server(("0.0.0.0", settings["port"]), Handler)
    console.log("info", console.LIFETIME, 14, f"Now listening on: http://[::]:{settings['port']}")
    console.log("info", console.LIFETIME, 0, "Application started. Press Ctrl+C to shut down.")
    console.log("info", console.LIFETIME, 0, "Hosting environment: Production")
    console.log("info", console.LIFETIME, 0, "Content root path: /app")
    if settings["writers"]:
        application.writers.start()
    faults.start_after_boot(settings)
    server.serve_forever()
    del holder


if __name__ == "__main__":
    main()
