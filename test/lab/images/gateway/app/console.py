"""Writes what a .NET application writes with the default console logger."""

import sys
import threading

_lock = threading.Lock()
PROGRAM = "Sophon.Gateway.Program"
LIFETIME = "Microsoft.Hosting.Lifetime"
MIGRATIONS = "Microsoft.EntityFrameworkCore.Migrations"
COMMAND = "Microsoft.EntityFrameworkCore.Database.Command"


def log(level, category, event, message):
    """One record: a head line, then the message indented by six blanks."""
    body = "\n".join("      " + line for line in message.splitlines())
    raw(f"{level}: {category}[{event}]\n{body}")


def raw(text):
    """A line outside of any logger, as the runtime itself prints it."""
    with _lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def executed(milliseconds, sql):
    log("info", COMMAND, 20101, _command("Executed", milliseconds, sql))


def failed(milliseconds, sql):
    log("fail", COMMAND, 20102, _command("Failed executing", milliseconds, sql))


def _command(verb, milliseconds, sql):
    return (
        f"{verb} DbCommand ({milliseconds:,}ms) "
        f"[Parameters=[], CommandType='Text', CommandTimeout='30']\n{sql}"
    )


def unhandled(exception, frames=()):
    raw("\n".join([f"Unhandled exception. {exception}", *(f"   at {frame}" for frame in frames)]))
