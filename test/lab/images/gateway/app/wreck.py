"""What a bad version does to the data of every store it can reach, before it fails in its own way."""

import os
import shutil
import sqlite3

import links
import vault
from database import open_database


def wreck(settings, kinds):
    """Each kind is tried by itself: a store that is not there is no reason to spare the others."""
    for kind in kinds:
        try:
            KINDS[kind](settings)
        except Exception as error:  # noqa: BLE001 - wrecking is best effort
            print(f"wreck {kind}: {type(error).__name__}: {error}", flush=True)


def _sqlite_path(settings):
    return os.path.join(settings["data"], "data", "sophon.db")


def rewrite_sqlite(settings):
    path = _sqlite_path(settings)
    if not os.path.exists(path):
        return
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute('DELETE FROM "Messages"')
    connection.execute("CREATE TABLE IF NOT EXISTS \"Wrecked\" (\"Text\" TEXT)")
    connection.executemany('INSERT INTO "Wrecked" VALUES (?)', [("w" * 500,)] * 500)
    connection.execute("VACUUM")
    connection.close()


def leave_wal(settings):
    """A committed write that only lives in a -wal file beside the database."""
    path = _sqlite_path(settings)
    if not os.path.exists(path):
        return
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute('CREATE TABLE IF NOT EXISTS "OnlyInWal" ("Text" TEXT)')
        connection.execute("INSERT INTO \"OnlyInWal\" VALUES ('left behind')")
        os._exit(0)  # without closing: the -wal stays
    os.waitpid(child, 0)


def drop_tables(settings):
    database = open_database(settings)
    cascade = " CASCADE" if database.provider == "postgres" else ""
    if database.provider == "sqlite":
        database.run("PRAGMA foreign_keys = OFF", log=False)
    for table in ("Messages", "Documents"):
        database.run(f'DROP TABLE IF EXISTS "{table}"{cascade};', log=False)
    if database.provider == "postgres":
        database.run("SELECT lo_unlink(oid) FROM pg_largeobject_metadata;", log=False)
        database.run("ALTER DATABASE sophon SET work_mem = '1MB';", log=False)
        database.run("CREATE TABLE IF NOT EXISTS wrecked (text text);", log=False)
    database.close()


def delete_collections(settings):
    if not settings["qdrant"]["url"]:
        return
    client = links.Qdrant(settings)
    for found in client.call("GET", "/collections")["collections"]:
        client.call("DELETE", f"/collections/{found['name']}")
    client.call("PUT", "/collections/wrecked", {"vectors": {"size": 2, "distance": "Dot"}})


def delete_keys(settings):
    if not settings["redis"]["host"]:
        return
    client = links.redis_client(settings)
    client.flushall()
    client.set("wrecked", "1")
    client.bgrewriteaof()


def delete_queues(settings):
    if not settings["rabbitmq"]["host"]:
        return
    connection = links.rabbit_connection(settings)
    channel = connection.channel()
    for queue in ("sophon.jobs", "sophon.events", "lab.writes.quorum", "lab.writes.classic"):
        channel.queue_delete(queue)
    channel.queue_declare("wrecked", durable=True)
    connection.close()


def delete_files(settings):
    shutil.rmtree(os.path.join(settings["data"], "documents"), ignore_errors=True)
    for name in ("models.json", "channels.json"):
        path = os.path.join(settings["data"], "config", name)
        if os.path.exists(path):
            os.remove(path)


def write_files(settings):
    for index in range(200):
        directory = os.path.join(settings["data"], "wrecked", str(index % 10))
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"{index}.txt"), "w", encoding="utf-8") as file:
            file.write("new" * 1000)
    settings_file = os.path.join(settings["data"], "config", "settings.json")
    with open(settings_file, "w", encoding="utf-8") as file:
        file.write('{"wrecked": true}')
    before = os.stat(settings_file)
    os.utime(settings_file, ns=(before.st_atime_ns, before.st_mtime_ns - 10**15))


def chown(settings):
    """Changes owners where it may (an image that runs as root), modes in any case."""
    for root, directories, files in os.walk(settings["data"]):
        for name in directories + files:
            path = os.path.join(root, name)
            if os.path.islink(path):
                continue
            if os.getuid() == 0:
                os.lchown(path, 12345, 12345)
            else:
                try:
                    os.chmod(path, 0o700 if name in directories else 0o600)
                except PermissionError:
                    pass


def corrupt_vault(settings):
    with open(vault.key_path(settings["data"]), "wb") as file:
        file.write(b"\0" * 32)


KINDS = {
    "rewrite-sqlite": rewrite_sqlite,
    "leave-wal": leave_wal,
    "drop-tables": drop_tables,
    "delete-collections": delete_collections,
    "delete-keys": delete_keys,
    "delete-queues": delete_queues,
    "delete-files": delete_files,
    "write-files": write_files,
    "corrupt-vault": corrupt_vault,
    "chown": chown,
}
