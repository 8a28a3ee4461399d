"""Prints the whole content of a stack's stores as JSON: `{section: {key: value}}`, keys and values flat.

Runs as root in the lab's Python image on the stack's own network, /data mounted read-only. What
differs between two equal contents (oids, physical order, encodings) is left out, so that two
snapshots are equal exactly when the contents are.
"""

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
import urllib.request

given = json.load(sys.stdin)
DATABASE_FILES = ("data/sophon.db", "data/sophon.db-wal", "data/sophon.db-shm", "data/sophon.db-journal")
result, errors = {}, []


def digest(data):
    return hashlib.sha256(data).hexdigest()


def text(value):
    """Any value of a store as a short text: long ones by their hash."""
    raw = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, default=str).encode()
    if len(raw) <= 200 and not isinstance(value, bytes):
        return raw.decode()
    if isinstance(value, bytes) and len(raw) <= 200:
        return repr(value)
    return f"{len(raw)} bytes sha256:{digest(raw)[:32]}"


# Files


def holes(path, size):
    """The parts of a file that hold data, as the file system tells them."""
    segments, position = [], 0
    with open(path, "rb", buffering=0) as file:
        while position < size:
            try:
                start = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:
                break
            position = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            segments.append([start, position])
    return segments


def content(path):
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def describe(path, relative, inodes):
    entry = os.lstat(path)
    mode = stat.S_IMODE(entry.st_mode)
    facts = {"mode": f"{mode:04o}", "owner": f"{entry.st_uid}:{entry.st_gid}", "mtime": entry.st_mtime_ns}
    if stat.S_ISDIR(entry.st_mode):
        facts["kind"] = "directory"
        if relative == "data":
            del facts["mtime"]  # a database's -wal and -shm come and go in it
    elif stat.S_ISLNK(entry.st_mode):
        facts.update(kind="link", target=os.fsencode(os.readlink(path)).decode("latin-1"))
    elif stat.S_ISREG(entry.st_mode):
        data = holes(path, entry.st_size)
        full = data == [[0, entry.st_size]] or entry.st_size == 0
        facts.update(kind="file", size=entry.st_size, sha256=content(path))
        if not full and data != [[0, -(-entry.st_size // 4096) * 4096]]:
            facts["data"] = data
        if entry.st_nlink > 1:
            facts["sameAs"] = inodes.setdefault(entry.st_ino, relative)
    else:
        facts["kind"] = {stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}.get(stat.S_IFMT(entry.st_mode), "device")
        facts["rdev"] = entry.st_rdev
    attributes = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
    if attributes:
        facts["xattrs"] = {name: text(value) for name, value in sorted(attributes.items())}
    return facts


def files():
    section, inodes = {}, {}
    for root, directories, names in os.walk("/data"):
        directories.sort()
        for name in ["", *sorted(directories), *sorted(names)] if root == "/data" else sorted(directories + names):
            full = os.path.join(root, name) if name else root
            relative = os.path.relpath(full, "/data")
            if relative in DATABASE_FILES or relative in given["ignoreFiles"]:
                continue
            key = os.fsencode(relative).decode("utf-8", "backslashreplace")
            # In full, so that a test can leave out what its way of copying does not keep.
            section[key] = json.dumps(describe(full, key, inodes), sort_keys=True)
    result["files"] = section


def sqlite():
    """From a copy of the database and its -wal: opening the live one as root would leave files of root's."""
    import sqlite3

    if not os.path.exists("/data/data/sophon.db"):
        result["sqlite"] = {"absent": "yes"}
        return
    section = {}
    with tempfile.TemporaryDirectory() as directory:
        for suffix in ("", "-wal", "-journal"):
            if os.path.exists("/data/data/sophon.db" + suffix):
                shutil.copyfile("/data/data/sophon.db" + suffix, f"{directory}/copy.db{suffix}")
        connection = sqlite3.connect(f"{directory}/copy.db")
        section["integrity"] = text(connection.execute("PRAGMA integrity_check").fetchall())
        section["foreign keys"] = text(connection.execute("PRAGMA foreign_key_check").fetchall())
        for pragma in ("user_version", "application_id", "encoding", "page_size"):
            section[f"pragma {pragma}"] = text(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
        objects = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        for kind, name, sql in objects:
            section[f"{kind} {name}"] = text(sql)
            if kind == "table":
                rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
                add_rows(section, f"table {name}", [r for r in rows])
        entry = os.lstat("/data/data/sophon.db")
        section["file"] = text({"mode": f"{stat.S_IMODE(entry.st_mode):04o}", "owner": f"{entry.st_uid}:{entry.st_gid}"})
    result["sqlite"] = section


def add_rows(section, name, rows):
    """One key for the count, one for each row where there are few, else one for them all."""
    lines = sorted(repr(tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)) for row in rows)
    section[f"{name} count"] = str(len(lines))
    section[f"{name} rows"] = digest("\n".join(lines).encode())
    if len(lines) <= 300:
        for line in lines:
            key = f"{name} row {digest(line.encode())[:16]}"
            section[key] = line if len(line) <= 160 else line[:160] + "…"


# PostgreSQL


def postgres():
    import psycopg2

    def query(connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    section = {}
    connection = psycopg2.connect(**given["postgres"])
    connection.autocommit = True
    for name, *facts in query(connection, (
        "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit, "
        "rolpassword, rolvaliduntil FROM pg_authid WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"
    )):
        section[f"role {name}"] = text(facts)
    for member, group in query(connection, (
        "SELECT m.rolname, g.rolname FROM pg_auth_members JOIN pg_roles m ON m.oid = member "
        "JOIN pg_roles g ON g.oid = roleid WHERE m.rolname NOT LIKE 'pg\\_%' ORDER BY 1, 2"
    )):
        section[f"member {member} of {group}"] = "yes"
    for database, role, config in query(connection, (
        "SELECT coalesce(datname, '*'), coalesce(rolname, '*'), setconfig FROM pg_db_role_setting s "
        "LEFT JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole"
    )):
        section[f"setting of {database} for {role}"] = text(sorted(config))
    databases = query(connection, (
        "SELECT datname, rolname, pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::text, datacl::text, "
        "datallowconn, datconnlimit, shobj_description(d.oid, 'pg_database') FROM pg_database d JOIN pg_roles r ON r.oid = datdba "
        "WHERE NOT datistemplate ORDER BY 1"
    ))
    connection.close()
    for name, *facts in databases:
        section[f"database {name}"] = text(facts)
        connection = psycopg2.connect(**{**given["postgres"], "dbname": name})
        connection.autocommit = True
        postgres_database(section, name, lambda sql: query(connection, sql))
        connection.close()
    result["postgres"] = section


def postgres_database(section, database, query):
    user = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
    for name, version in query("SELECT extname, extversion FROM pg_extension ORDER BY 1"):
        section[f"{database}: extension {name}"] = version
    for name, owner, acl in query(
        f"SELECT nspname, rolname, nspacl::text FROM pg_namespace n JOIN pg_roles r ON r.oid = nspowner WHERE {user}"
    ):
        section[f"{database}: schema {name}"] = text([owner, acl])
    relations = query((
        "SELECT n.nspname, c.relname, c.relkind::text, rolname, relacl::text, CASE WHEN relkind = 'v' THEN pg_get_viewdef(c.oid) END, "
        "(SELECT json_agg(json_build_array(attname, format_type(atttypid, atttypmod), attnotnull, attidentity, "
        "pg_get_expr(adbin, adrelid)) ORDER BY attnum) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
        "WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        f"JOIN pg_roles r ON r.oid = relowner WHERE {user} AND relkind IN ('r', 'v', 'S', 'm', 'p') ORDER BY 1, 2"
    ))
    for schema, name, kind, *facts in relations:
        quoted = '"' + schema + '"."' + name.replace('"', '""') + '"'
        section[f"{database}: relation {schema}.{name}"] = text([kind, *facts])
        if kind == "S":
            section[f"{database}: sequence {schema}.{name}"] = text(query(f"SELECT last_value, is_called FROM {quoted}")[0])
        elif kind in ("r", "m"):
            add_rows(section, f"{database}: table {schema}.{name}", query(f"SELECT t::text FROM {quoted} t"))
    for schema, name, definition in query("SELECT schemaname, indexname, indexdef FROM pg_indexes n WHERE schemaname NOT LIKE 'pg\\_%'"):
        section[f"{database}: index {schema}.{name}"] = text(definition)
    for table, name, definition in query((
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(c.oid) FROM pg_constraint c "
        f"JOIN pg_namespace n ON n.oid = connamespace WHERE {user}"
    )):
        section[f"{database}: constraint {table} {name}"] = text(definition)
    for name, owner, definition in query((
        "SELECT p.oid::regprocedure::text, rolname, pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace "
        f"JOIN pg_roles r ON r.oid = proowner WHERE {user} AND prokind IN ('f', 'p') "
        "AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')"
    )):
        section[f"{database}: function {name}"] = text([owner, definition])
    for table, name, definition in query(
        "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
    ):
        section[f"{database}: trigger {table} {name}"] = text(definition)
    for schema, name, owner, labels in query((
        "SELECT n.nspname, typname, rolname, (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid) "
        f"FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace JOIN pg_roles r ON r.oid = typowner WHERE {user} AND typtype IN ('e', 'd')"
    )):
        section[f"{database}: type {schema}.{name}"] = text([owner, labels])
    for owner, schema, kind, acl in query((
        "SELECT r.rolname, coalesce(nspname, '*'), defaclobjtype::text, defaclacl::text FROM pg_default_acl "
        "JOIN pg_roles r ON r.oid = defaclrole LEFT JOIN pg_namespace n ON n.oid = defaclnamespace"
    )):
        section[f"{database}: default privileges of {owner} in {schema} on {kind}"] = acl
    for oid, owner, acl, comment, body in query((
        "SELECT m.oid, rolname, lomacl::text, obj_description(m.oid, 'pg_largeobject'), lo_get(m.oid) "
        "FROM pg_largeobject_metadata m JOIN pg_roles r ON r.oid = lomowner"
    )):
        section[f"{database}: large object {oid}"] = text([owner, acl, comment, digest(bytes(body))])


# Qdrant


def qdrant():
    def call(method, path, body=None):
        request = urllib.request.Request(given["qdrant"]["url"] + path, method=method)
        request.add_header("api-key", given["qdrant"]["key"])
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, None if body is None else json.dumps(body).encode(), timeout=30) as answer:
            return json.load(answer)["result"]

    section = {}
    for alias in call("GET", "/aliases")["aliases"]:
        section[f"alias {alias['alias_name']}"] = alias["collection_name"]
    for name in sorted(found["name"] for found in call("GET", "/collections")["collections"]):
        info = call("GET", f"/collections/{name}")
        section[f"collection {name}"] = text({"config": info["config"], "payload_schema": info["payload_schema"]})
        count, offset, lines = 0, None, []
        while True:
            body = {"limit": 1000, "with_payload": True, "with_vector": True, **({"offset": offset} if offset else {})}
            page = call("POST", f"/collections/{name}/points/scroll", body)
            for point in page["points"]:
                lines.append((point["id"], text([point["vector"], point["payload"]])))
            count, offset = count + len(page["points"]), page["next_page_offset"]
            if offset is None:
                break
        section[f"collection {name} count"] = str(count)
        for identifier, line in lines:
            section[f"collection {name} point {identifier}"] = line
        left = [found["name"] for found in call("GET", f"/collections/{name}/snapshots")]
        if left:
            section[f"collection {name} snapshots left on the server"] = text(left)
    result["qdrant"] = section


# Redis


def redis_value(client, kind, key):
    """The value in a form that does not depend on the server's encoding of it."""
    if kind == "string":
        return client.get(key)
    if kind == "list":
        return [repr(v) for v in client.lrange(key, 0, -1)]
    if kind == "set":
        return sorted(repr(v) for v in client.smembers(key))
    if kind == "zset":
        return [[repr(v), score] for v, score in client.zrange(key, 0, -1, withscores=True)]
    if kind == "hash":
        return sorted([repr(k), repr(v)] for k, v in client.hgetall(key).items())
    if kind == "stream":
        groups = client.xinfo_groups(key)
        facts = [[repr(g["name"]), g["pending"], repr(g["last-delivered-id"])] for g in groups]
        return [[repr(entry) for entry in client.xrange(key)], facts]
    return client.dump(key)


def redis_store():
    import redis

    section, volatile_section = {}, {}
    first = redis.Redis(**given["redis"])
    for number in sorted(int(name[2:]) for name in first.info("keyspace")):
        client = redis.Redis(**{**given["redis"], "db": number})
        for key in sorted(client.scan_iter(count=1000)):
            kind = client.type(key).decode()
            value = redis_value(client, kind, key)
            ttl = client.pttl(key)
            if ttl == -2:
                continue  # it expired while it was read
            volatile = ttl >= 0
            name = f"{number}: {key.decode('utf-8', 'backslashreplace')}"
            (volatile_section if volatile else section)[name] = f"{kind} {text(value)}"
    result["redis"] = section
    result["redis with TTL"] = volatile_section


# RabbitMQ


def rabbitmq():
    """Takes every message without acknowledging it and lets the closing channel return them all.

    In a classic queue each keeps its place. It is marked redelivered, and a quorum queue counts a
    delivery and changes the order, so these are not compared.
    """
    import pika

    found = given["rabbitmq"]
    credentials = pika.PlainCredentials(found["user"], found["password"])
    section = {}
    for vhost, queue, kind in found["queues"]:
        parameters = pika.ConnectionParameters(found["host"], virtual_host=vhost, credentials=credentials)
        connection = pika.BlockingConnection(parameters)
        channel = connection.channel()
        lines = []
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=False)
            if method is None:
                break
            headers = {k: v for k, v in (properties.headers or {}).items() if not k.startswith("x-")}
            lines.append(text([properties.message_id, properties.delivery_mode, method.routing_key, method.exchange,
                               properties.content_type, headers, digest(body)]))
        channel.close()
        connection.close()
        if kind == "quorum":
            lines.sort()  # a returned message goes behind the others
        section[f"messages of {queue} in {vhost} count"] = str(len(lines))
        section[f"messages of {queue} in {vhost}"] = digest("\n".join(lines).encode())
        for line in lines if len(lines) <= 300 else []:
            section[f"message of {queue} in {vhost} {digest(line.encode())[:16]}"] = line
    result["rabbitmq"] = section


def run(name, step):
    started = time.monotonic()
    try:
        step()
    except Exception as error:
        errors.append(f"{name}: {type(error).__name__}: {error}")
    print(f"{name} {time.monotonic() - started:.2f} s", file=sys.stderr)


steps = {
    "files": files, "sqlite": sqlite, "postgres": postgres, "qdrant": qdrant, "redis": redis_store, "rabbitmq": rabbitmq,
}
threads = [threading.Thread(target=run, args=(name, steps[name])) for name in given["sections"]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if errors:
    sys.exit("\n".join(errors))
json.dump(result, sys.stdout)
