"""Keeps writing into every store of the stack, in tables, collections, keys and queues of its own.

A write is noted in the ledger only once its store has acknowledged it, so whatever is noted before a
copy begins must be in the copy.
"""

import os
import threading
import time
import uuid

import console
import links
from database import open_database

TABLE = "LabWrites"
COLLECTION = "lab-writes"
QUEUES = {"lab.writes.quorum": "quorum", "lab.writes.classic": "classic"}


class Writers:
    def __init__(self, settings, ledger):
        self.settings = settings
        self.ledger = ledger
        self.stopped = threading.Event()
        self.threads = []

    def start(self):
        self.stopped = threading.Event()
        kinds = [_Database, _Files]
        kinds += [_Qdrant] if self.settings["qdrant"]["url"] else []
        kinds += [_Redis] if self.settings["redis"]["host"] else []
        kinds += [_Rabbit] if self.settings["rabbitmq"]["host"] else []
        self.threads = [threading.Thread(target=self._loop, args=(kind,), daemon=True) for kind in kinds]
        for thread in self.threads:
            thread.start()

    def stop(self, timeout=5.0):
        """No write is in flight any more once this returns True."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(timeout)
        alive = any(thread.is_alive() for thread in self.threads)
        self.threads = []
        return not alive

    def _loop(self, kind):
        stopped, rate = self.stopped, self.settings["rate"]
        writer = None
        while not stopped.is_set():
            started = time.monotonic()
            try:
                if writer is None:
                    writer = kind(self.settings)
                key = str(uuid.uuid4())
                for store, target in writer.write(key):
                    self.ledger.note(store, target, key)
            except Exception as error:  # a store that is away for a moment must not end the writer
                console.log("warn", "Sophon.Gateway.Writer", 0, f"{kind.__name__[1:]}: {type(error).__name__}")
                writer = None
                stopped.wait(0.2)
            stopped.wait(max(0.0, 1 / rate - (time.monotonic() - started)))


class _Database:
    def __init__(self, settings):
        self.database = open_database(settings)
        self.database.run(
            f'CREATE TABLE IF NOT EXISTS "{TABLE}" ("Key" TEXT PRIMARY KEY, "Text" TEXT NOT NULL);', log=False
        )

    def write(self, key):
        self.database.insert(TABLE, key, "x" * 200)
        yield self.database.provider, TABLE


class _Qdrant:
    def __init__(self, settings):
        self.client = links.Qdrant(settings)
        try:
            self.client.call("PUT", f"/collections/{COLLECTION}", {"vectors": {"size": 4, "distance": "Cosine"}})
        except RuntimeError as error:
            if " 409 " not in str(error):
                raise

    def write(self, key):
        point = {"id": key, "vector": [0.1, 0.2, 0.3, 0.4], "payload": {"key": key}}
        self.client.call("PUT", f"/collections/{COLLECTION}/points?wait=true", {"points": [point]})
        yield "qdrant", COLLECTION


class _Redis:
    def __init__(self, settings):
        self.client = links.redis_client(settings)

    def write(self, key):
        self.client.set(f"lab:write:{key}", "x" * 100)
        yield "redis", f"lab:write:{key}"


class _Rabbit:
    def __init__(self, settings):
        import pika

        self.properties = pika.BasicProperties
        self.channel = links.rabbit_connection(settings).channel()
        self.channel.confirm_delivery()
        for name, kind in QUEUES.items():
            arguments = {"x-queue-type": kind}
            if kind == "quorum":
                arguments["x-delivery-limit"] = -1  # peeking must never count as a failed delivery
            self.channel.queue_declare(name, durable=True, arguments=arguments)

    def write(self, key):
        for queue in QUEUES:
            properties = self.properties(delivery_mode=2, message_id=key)
            self.channel.basic_publish("", queue, b"x" * 100, properties, mandatory=True)
            yield "rabbitmq", queue


class _Files:
    def __init__(self, settings):
        self.data = settings["data"]
        os.makedirs(os.path.join(self.data, "skills", "lab"), exist_ok=True)
        self.log = open(os.path.join(self.data, "logs", "lab-writer.log"), "a", encoding="utf-8")

    def write(self, key):
        self.log.write(f"{time.time():.6f} wrote {key}\n")
        self.log.flush()
        yield "file", "logs/lab-writer.log"
        path = os.path.join("skills", "lab", f"{key}.md")
        with open(os.path.join(self.data, path), "w", encoding="utf-8") as file:
            file.write(f"# Skill {key}\n" + "text " * 50 + "\n")
        yield "file", path
