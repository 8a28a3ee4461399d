"""The ways in which a bad version fails, each selected in its version.json under `faults`.

requiresEnv: NAME            exits when the environment lacks NAME
hang: "migration-lock"       leaves the migration lock taken and waits on it for ever
migrationFails: "exit" | "continue"   the last migration fails; the process ends, or serves all the same
slowMigration: {seconds, steps, silent?, computes?} a migration that takes long; its progress shows in the log
exit: {code, afterSeconds}   the process ends by itself once it has started
unhealthy: true | {afterSeconds: N} | {untilSeconds: N}
fillMemory: true             allocates until it is killed
fillDisk: BYTES              fills the data directory's file system, at most BYTES
corruptVault: true           overwrites vault.key once healthy
"""

import os
import signal
import threading
import time

import console
import links  # noqa: F401 - imported early so that a fault never fails on a missing module
import wreck
from database import open_database

BROKEN = {"id": "20251201000000_SplitRoutes", "sql": ['INSERT INTO "RouteTargets" ("RouteId") SELECT "Id" FROM "Routes";']}


def end(code, exception=None, frames=()):
    """Ends the process at once; an unhandled exception in .NET ends it with 134."""
    if exception:
        console.unhandled(exception, frames)
    os._exit(code)


def check_environment(settings):
    name = settings["faults"].get("requiresEnv")
    if name and not os.environ.get(name):
        wreck.wreck(settings, settings["wreck"])
        end(
            134,
            f"System.InvalidOperationException: Configuration value '{name}' is required.",
            ("Program.<Main>$(String[] args) in /src/Sophon.Gateway/Program.cs:line 31",),
        )


def migrations(settings):
    """The version's migrations, with a broken one at the end where it is asked to fail."""
    broken = [BROKEN] if settings["faults"].get("migrationFails") else []
    return settings["migrations"] + broken


def hold_migration_lock(settings):
    """What a killed migration leaves: a row (SQLite), or a session that holds the lock (PostgreSQL)."""
    database = open_database(settings)
    if database.provider == "sqlite":
        database.run(
            'CREATE TABLE IF NOT EXISTS "__EFMigrationsLock" '
            '("Id" INTEGER NOT NULL CONSTRAINT "PK___EFMigrationsLock" PRIMARY KEY, "Timestamp" TEXT NOT NULL);',
            log=False,
        )
        database.run("INSERT OR IGNORE INTO \"__EFMigrationsLock\" VALUES (1, '2025-09-11 08:00:00+00:00');", log=False)
        database.close()
        return None
    database.run("BEGIN", log=False)
    # Others may still read the history, as EF Core does before it asks for its own, stronger lock.
    database.run('LOCK TABLE "__EFMigrationsHistory" IN SHARE MODE', log=False)
    return database


def unhealthy_now(fault, seconds_up):
    if isinstance(fault, dict):
        if "afterSeconds" in fault:
            return seconds_up >= fault["afterSeconds"]
        return seconds_up < fault["untilSeconds"]
    return bool(fault)


def start_after_boot(settings):
    """Starts those faults that strike once the application is up."""
    faults = settings["faults"]
    if "exit" in faults:
        _later(faults["exit"].get("afterSeconds", 0), lambda: end(faults["exit"]["code"]))
    if faults.get("fillMemory"):
        _later(0.5, _fill_memory)
    if faults.get("fillDisk"):
        _later(0, lambda: _fill_disk(settings["data"], faults["fillDisk"]))
    if faults.get("corruptVault"):
        _later(1, lambda: wreck.corrupt_vault(settings))


def _later(seconds, action):
    def run():
        time.sleep(seconds)
        action()

    threading.Thread(target=run, daemon=True).start()


def _fill_memory():
    blocks = []
    for _ in range(1024):  # a limit of its own: a host without a memory limit must survive the test
        blocks.append(bytearray(os.urandom(4096) * 256))
    os.kill(os.getpid(), signal.SIGKILL)


def _fill_disk(data, limit):
    written = 0
    with open(os.path.join(data, "fill.bin"), "ab") as file:
        try:
            while written < limit:
                written += file.write(os.urandom(1 << 20))
                file.flush()
        except OSError as error:
            console.log("fail", "Sophon.Gateway.Storage", 0, f"System.IO.IOException: {error.strerror} : '/data/fill.bin'")
    end(134, "System.IO.IOException: No space left on device : '/data/logs/gateway.log'")
