"""Fills the stores of a running stack. Runs in the lab's Python image on the stack's own network.

Standard input: where the stores are and the secrets, as JSON. Everything is deterministic but the secrets.
"""

import hashlib
import json
import os
import sys
import threading
import time
import urllib.request

given = json.load(sys.stdin)
markers = given["markers"]
errors = []


def noise(label, size):
    """Incompressible bytes that are the same every time."""
    return hashlib.shake_256(label.encode()).digest(size)


def application_rows():
    """Rows for the application's own tables, for both providers."""
    agents = [(n, f"agent {n}", f"prompt {n} {markers['database']}" if n == 1 else None) for n in range(1, 11)]
    conversations = [(n, n % 10 + 1, f"talk {n}", "2026-01-02 03:04:05+00:00") for n in range(1, 51)]
    messages = [(n, n % 50 + 1, f"message {n} 'quoted' \\ ünïcödé\n" * 3) for n in range(1, given["rows"] + 1)]
    documents = [(n, f"documents/{n}.bin", noise(f"doc{n}", 2000)) for n in range(1, 21)]
    return {
        "Agents": (("Id", "Name", "Prompt"), agents),
        "Conversations": (("Id", "AgentId", "Title", "CreatedAt"), conversations),
        "Messages": (("Id", "ConversationId", "Body"), messages),
        "Documents": (("Id", "Path", "Content"), documents),
    }


def seed_sqlite():
    import sqlite3

    # As the application's own user: a -wal of root's would lock the application out.
    os.setgid(1654)
    os.setuid(1654)
    connection = sqlite3.connect("/data/data/sophon.db", timeout=30)
    for table, (columns, rows) in application_rows().items():
        names = ", ".join(f'"{c}"' for c in columns)
        connection.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(columns))})', rows)
    connection.executescript(
        'CREATE TABLE "Notes" ("Text" TEXT, "Number" REAL, "Data" BLOB);'
        "INSERT INTO \"Notes\" VALUES ('no integer primary key', 1.5, x'00ff');"
        'CREATE VIEW "Talks" AS SELECT "Title" FROM "Conversations";'
    )
    connection.commit()
    connection.close()


def seed_postgres():
    import psycopg2
    from psycopg2.extras import execute_values

    def connect(name):
        connection = psycopg2.connect(**{**given["postgres"], "dbname": name})
        connection.autocommit = True
        return connection, connection.cursor()

    connection, cursor = connect("sophon")
    for table, (columns, rows) in application_rows().items():
        names = ", ".join(f'"{c}"' for c in columns)
        execute_values(cursor, f'INSERT INTO "{table}" ({names}) VALUES %s', rows)
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('\"{table}\"', 'Id'), {len(rows)})")
    cursor.execute("CREATE ROLE sophon_readonly LOGIN PASSWORD %s", (markers["role"],))
    cursor.execute("CREATE ROLE sophon_group NOLOGIN")
    cursor.execute("GRANT sophon_group TO sophon_readonly")
    cursor.execute("ALTER ROLE sophon_readonly SET statement_timeout = '30s'")
    cursor.execute("ALTER DATABASE sophon SET work_mem = '9MB'")
    cursor.execute("ALTER DATABASE sophon SET search_path = public, reporting")
    cursor.execute("COMMENT ON DATABASE sophon IS 'the lab''s database'")
    cursor.execute("CREATE SCHEMA reporting AUTHORIZATION sophon_group")
    cursor.execute('CREATE TABLE reporting."odd ""name" (a int[], b jsonb, c numeric(30, 10), d interval)')
    cursor.execute(
        'INSERT INTO reporting."odd ""name" VALUES (%s, %s, 12345678901234567890.0123456789, \'1 day 02:03:04\')',
        ([1, None, 3], json.dumps({"k": [1, 2, {"x": None}]})),
    )
    cursor.execute('GRANT USAGE ON SCHEMA reporting TO sophon_readonly; GRANT SELECT ON "Agents" TO sophon_readonly')
    cursor.execute('CREATE VIEW reporting.talks AS SELECT "Title" FROM "Conversations"')
    cursor.execute("CREATE TYPE reporting.mood AS ENUM ('sad', 'ok', 'happy')")
    cursor.execute("CREATE DOMAIN reporting.percent AS integer CHECK (VALUE BETWEEN 0 AND 100)")
    cursor.execute(
        "CREATE FUNCTION reporting.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at = now(); RETURN NEW; END $$;"
        "CREATE TABLE reporting.moods (m reporting.mood, p reporting.percent, at timestamptz);"
        "INSERT INTO reporting.moods VALUES ('happy', 99, '2026-01-01 00:00:00+00');"
        "CREATE TRIGGER stamp BEFORE UPDATE ON reporting.moods FOR EACH ROW EXECUTE FUNCTION reporting.stamp();"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA reporting GRANT SELECT ON TABLES TO sophon_readonly"
    )
    cursor.execute("CREATE SEQUENCE reporting.invoice START 1000; SELECT nextval('reporting.invoice')")
    for number in range(3):
        cursor.execute("SELECT lo_from_bytea(0, %s)", (noise(f"lo{number}", 300_000),))
    cursor.execute("SELECT lo_from_bytea(424242, %s)", (b"large object of a fixed id",))
    cursor.execute("COMMENT ON LARGE OBJECT 424242 IS 'named'; ALTER LARGE OBJECT 424242 OWNER TO sophon_group")
    for extension in ("pg_trgm", "hstore"):
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = %s", (extension,))
        if cursor.fetchone()[0]:
            cursor.execute(f"CREATE EXTENSION {extension}")
    cursor.execute("CREATE DATABASE sophon_analytics OWNER sophon_group TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    connection.close()
    connection, cursor = connect("sophon_analytics")
    cursor.execute("CREATE TABLE events (id bigserial PRIMARY KEY, body text)")
    execute_values(cursor, "INSERT INTO events (body) VALUES %s", [(f"event {n}",) for n in range(500)])
    cursor.execute("ALTER TABLE events OWNER TO sophon_group")
    connection.close()


def qdrant(method, path, body=None):
    request = urllib.request.Request(given["qdrant"]["url"] + path, method=method)
    request.add_header("api-key", given["qdrant"]["key"])
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, None if body is None else json.dumps(body).encode(), timeout=30) as answer:
        return json.load(answer)["result"]


def wait_for_qdrant():
    for attempt in range(300):
        try:
            return qdrant("GET", "/collections")
        except OSError:
            if attempt == 299:
                raise
            time.sleep(0.1)


def seed_qdrant():
    wait_for_qdrant()
    for name, size, distance, count in (("sophon", 16, "Cosine", 400), ("sophon-memory", 8, "Dot", 60)):
        qdrant("PUT", f"/collections/{name}", {"vectors": {"size": size, "distance": distance}, "on_disk_payload": True})
        points = []
        for number in range(1, count + 1):
            vector = [byte / 255 for byte in noise(f"{name}{number}", size)]
            identifier = number if number % 2 else f"00000000-0000-4000-8000-{number:012d}"
            points.append({"id": identifier, "vector": vector, "payload": {"text": f"chunk {number}", "n": number}})
        points[0]["payload"]["secret"] = markers["qdrant"]
        qdrant("PUT", f"/collections/{name}/points?wait=true", {"points": points})
    qdrant("PUT", "/collections/sophon/index", {"field_name": "n", "field_schema": "integer"})
    qdrant("POST", "/collections/aliases", {"actions": [
        {"create_alias": {"collection_name": "sophon", "alias_name": "sophon-current"}},
        {"create_alias": {"collection_name": "sophon", "alias_name": "documents"}},
        {"create_alias": {"collection_name": "sophon-memory", "alias_name": "memory"}},
    ]})


def seed_redis():
    import redis

    client = redis.Redis(**given["redis"])
    pipe = client.pipeline()
    pipe.set("string", markers["redis"])
    pipe.set("binary", bytes(range(256)))
    pipe.set("counter", 42)
    pipe.set("with ttl", "goes away", ex=86400)
    pipe.set("short-lived", "soon gone", ex=120)
    pipe.rpush("list", *[f"item {n}" for n in range(300)])
    pipe.sadd("set", *[f"member {n}" for n in range(200)])
    pipe.sadd("intset", 1, 2, 3)
    pipe.zadd("zset", {f"player {n}": n / 3 for n in range(200)})
    pipe.hset("hash", mapping={f"field {n}": f"value {n}" for n in range(200)})
    pipe.hset("small-hash", mapping={"a": "1", "b": "2"})
    pipe.expire("small-hash", 86400)
    pipe.pfadd("hyperloglog", *[str(n) for n in range(1000)])
    pipe.geoadd("geo", (13.36, 38.11, "Palermo", 15.08, 37.50, "Catania"))
    pipe.setbit("bitmap", 100_000, 1)
    for number in range(50):
        pipe.xadd("stream", {"n": number}, id=f"{number + 1}-0")
    pipe.xgroup_create("stream", "workers", id="10-0")
    pipe.execute()
    client.xreadgroup("workers", "worker-1", {"stream": ">"}, count=5)
    other = redis.Redis(**{**given["redis"], "db": 3})
    other.set("key of database 3", "value")
    client.bgrewriteaof()  # a generation past the first, as on any server that has run for a while


def seed_rabbitmq():
    import pika

    found = given["rabbitmq"]
    credentials = pika.PlainCredentials(found["user"], found["password"])
    connection = pika.BlockingConnection(pika.ConnectionParameters(found["host"], credentials=credentials))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("sophon.topic", "topic", durable=True)
    # Peeking returns a message to its queue: without a limit, that never counts as a failed delivery.
    channel.queue_declare("sophon.jobs", durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": -1})
    channel.queue_declare("sophon.events", durable=True, arguments={"x-queue-type": "classic"})
    channel.queue_declare("sophon.empty", durable=True, arguments={"x-max-length": 1000})
    channel.queue_bind("sophon.jobs", "sophon.topic", "jobs.#")
    channel.queue_bind("sophon.events", "sophon.topic", "events.*", {"note": "bound"})
    for number in range(100):
        properties = pika.BasicProperties(
            delivery_mode=2, message_id=f"m{number}", content_type="text/plain", headers={"n": number}
        )
        body = markers["rabbitmq"] if number == 0 else f"job {number}"
        channel.basic_publish("sophon.topic", "jobs.run", body, properties, mandatory=True)
        # Bodies above 4 KiB are kept apart by classic queues.
        big = f"event {number} " + "e" * (20_000 if number % 10 == 0 else 10)
        channel.basic_publish("sophon.topic", "events.new", big, properties, mandatory=True)
    connection.close()


def run(step):
    started = time.monotonic()
    try:
        step()
    except Exception as error:
        errors.append(f"{step.__name__}: {type(error).__name__}: {error}")
    print(f"{step.__name__} {time.monotonic() - started:.2f} s", file=sys.stderr)


steps = [globals()[f"seed_{store}"] for store in given["stores"]]
threads = [threading.Thread(target=run, args=(step,)) for step in steps if step is not seed_sqlite]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if seed_sqlite in steps:
    run(seed_sqlite)
if errors:
    sys.exit("\n".join(errors))
print(json.dumps({"seeded": True}))
