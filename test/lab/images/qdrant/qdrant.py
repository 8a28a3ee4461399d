#!/usr/bin/env python3
"""A STAND-IN for Qdrant's REST surface, for the lab only. This is not Qdrant.

It answers the collection, point, alias and snapshot calls as Qdrant's OpenAPI describes them, keeps
its data on disk (an append-only, fsynced log per collection, so that a copy of a frozen or killed
server is crash-consistent), and repeats those traps of the real server that a backup must survive:
snapshots lie outside the storage volume, hold no aliases, are named to the second, stay after an
upload, restore only into the same minor version, and `file://` outside of the snapshots directory is
403 from 1.17.1 on. What 1.17.1 was seen to answer is repeated: statuses other than green, strict mode and its rate
limit, aliases in addresses, checksums, `wait=false`, keys that may only read, and where it does not refuse what it could.
"""

import hashlib
import hmac
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("QDRANT_STAND_IN_VERSION", "1.17.1")
STORAGE = os.environ.get("QDRANT__STORAGE__STORAGE_PATH", "/qdrant/storage")
SNAPSHOTS = os.environ.get("QDRANT__STORAGE__SNAPSHOTS_PATH", "/qdrant/snapshots")
READ_ONLY_KEY = os.environ.get("QDRANT__SERVICE__READ_ONLY_API_KEY", "")
API_KEY = os.environ.get("QDRANT__SERVICE__API_KEY", "")
PORT = int(os.environ.get("QDRANT__SERVICE__HTTP_PORT", "6333"))
PEER_ID = "4021087350191"
# The stand-in's own, for tests: while this file is there, a download stops half way; beside it is told that one has.
HOLD = os.path.join(SNAPSHOTS, "hold")
# Likewise: while this file is there, no snapshot becomes ready.
HOLD_SNAPSHOT = os.path.join(SNAPSHOTS, "hold-snapshot")
WAL_BYTES = 32 << 20
# A snapshot's `version.info` is the version of a crate, not of Qdrant.
SHARD_VERSION = "0.4.2"


def parts(version):
    return tuple(int(piece) for piece in version.split("."))


class ApiError(Exception):
    def __init__(self, code, message, retry_after=None):
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


def missing(name):
    return ApiError(404, f"Not found: Collection `{name}` doesn't exist!")


def write_durably(path, text):
    """Replaces a file atomically; what was there stays until the new content is on the disk."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)
    sync_directory(os.path.dirname(path))


def sync_directory(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sort_key(point_id):
    """Numeric ids come before uuids, each in order, as Qdrant scrolls them."""
    return (0, point_id, "") if isinstance(point_id, int) else (1, 0, str(point_id))


class Collection:
    """One collection: a config file and an append-only log of operations."""

    def __init__(self, name, config=None):
        self.name = name
        self.lock = threading.RLock()
        self.directory = os.path.join(STORAGE, "collections", name)
        self.points = {}
        self.recovering = False
        # After a restart nothing is optimized until the first change.
        self.untouched = config is None
        self.tokens = None
        if config is not None:
            self.meta = {"config": config, "payload_schema": {}}
            self._save_meta()
        else:
            with open(os.path.join(self.directory, "config.json"), encoding="utf-8") as file:
                self.meta = json.load(file)
            self._replay()
        self.log = open(os.path.join(self.directory, "wal.log"), "a", encoding="utf-8")
        segment = os.path.join(self.directory, "0", "wal", "open-1")
        os.makedirs(os.path.dirname(segment), exist_ok=True)
        with open(segment, "ab") as file:
            file.truncate(WAL_BYTES)

    def _save_meta(self):
        write_durably(os.path.join(self.directory, "config.json"), json.dumps(self.meta))

    def _replay(self):
        path = os.path.join(self.directory, "wal.log")
        good = 0
        if os.path.exists(path):
            with open(path, "rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # torn by a crash: never acknowledged
                    self._play(json.loads(line))
                    good += len(line)
            if good != os.path.getsize(path):
                os.truncate(path, good)

    def _play(self, operation):
        if operation["op"] == "upsert":
            for point in operation["points"]:
                self.points[point["id"]] = point
        elif operation["op"] == "delete":
            for point_id in operation["ids"]:
                self.points.pop(point_id, None)
        elif operation["op"] == "clear":
            self.points.clear()

    def apply(self, operation):
        with self.lock:
            self.log.write(json.dumps(operation) + "\n")
            self.log.flush()
            os.fsync(self.log.fileno())
            self._play(operation)
            self.untouched = False

    def strict(self, name):
        mode = self.meta["config"].get("strict_mode_config") or {}
        return mode.get(name) if mode.get("enabled") else None

    def read(self):
        """One read: refused while a shard is being recovered, and above the rate limit of a minute."""
        if self.recovering:
            raise ApiError(500, "Service internal error: Local shard 0 not found")
        limit = self.strict("read_rate_limit")
        if not limit:
            return
        with self.lock:
            now = time.monotonic()
            left, before = self.tokens or (float(limit), now)
            left = min(float(limit), left + (now - before) * limit / 60)
            if left < 1:
                self.tokens = (left, now)
                raise ApiError(429, "Rate limiting exceeded: Read rate limit exceeded, retry later", 1)
            self.tokens = (left - 1, now)

    def status(self):
        if self.untouched and self.points:
            return "grey"
        # Without a thread for the optimizers nothing that is waiting for an index gets one.
        threads = self.meta["config"]["optimizer_config"].get("max_optimization_threads")
        return "yellow" if threads == 0 and self.points else "green"

    def set_index(self, field, schema):
        with self.lock:
            if schema is None:
                self.meta["payload_schema"].pop(field, None)
            else:
                kind = schema if isinstance(schema, str) else schema.get("type", "keyword")
                self.meta["payload_schema"][field] = {"data_type": kind, "points": 0}
            self._save_meta()

    def info(self):
        with self.lock:
            return {
                "status": self.status(),
                "optimizer_status": "ok",
                "indexed_vectors_count": 0,
                "points_count": len(self.points),
                "segments_count": 1,
                "config": self.meta["config"],
                "payload_schema": self.meta["payload_schema"],
            }

    def sorted_points(self):
        with self.lock:
            return [self.points[key] for key in sorted(self.points, key=sort_key)]

    def close(self):
        self.log.close()


def full_config(body):
    """A create request, completed with the settings that Qdrant fills in itself."""
    return {
        "params": {
            "vectors": body.get("vectors", {}),
            "shard_number": body.get("shard_number", 1),
            "replication_factor": body.get("replication_factor", 1),
            "write_consistency_factor": 1,
            "on_disk_payload": body.get("on_disk_payload", True),
        },
        "hnsw_config": {"m": 16, "ef_construct": 100, **(body.get("hnsw_config") or {})},
        "optimizer_config": {"deleted_threshold": 0.2, **(body.get("optimizers_config") or {})},
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
        "quantization_config": body.get("quantization_config"),
        "strict_mode_config": body.get("strict_mode_config"),
    }


class Store:
    """All collections and aliases of one server."""

    def __init__(self):
        self.lock = threading.RLock()
        self._check_version()
        root = os.path.join(STORAGE, "collections")
        os.makedirs(root, exist_ok=True)
        os.makedirs(SNAPSHOTS, exist_ok=True)
        names = [n for n in os.listdir(root) if os.path.exists(os.path.join(root, n, "config.json"))]
        self.collections = {name: Collection(name) for name in sorted(names)}
        self.alias_path = os.path.join(STORAGE, "aliases", "data.json")
        self.aliases = {}
        if os.path.exists(self.alias_path):
            with open(self.alias_path, encoding="utf-8") as file:
                self.aliases = json.load(file)

    def _check_version(self):
        """Storage may move up one minor at a time and never down."""
        path = os.path.join(STORAGE, "raft_state.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                before = json.load(file)["version"]
            if not 0 <= parts(VERSION)[1] - parts(before)[1] <= 1:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
                sys.exit(
                    f"{stamp} ERROR qdrant::startup: Panic occurred in file src/main.rs at line 1: "
                    f"storage is of version {before}, this is {VERSION}"
                )
        write_durably(path, json.dumps({"version": VERSION, "peer_id": int(PEER_ID)}))

    def collection(self, name):
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise missing(name)
        return found

    def create(self, name, body):
        with self.lock:
            if name in self.collections:
                raise ApiError(409, f"Wrong input: Collection `{name}` already exists!")
            if name in self.aliases:
                raise ApiError(400, f"Wrong input: Can't create collection with name {name}. Alias with the same name already exists")
            self.collections[name] = Collection(name, full_config(body))

    def delete(self, name):
        """Removes a collection and its aliases; its snapshots stay, as in Qdrant."""
        with self.lock:
            found = self.collections.pop(name, None)
            if found is None:
                return False
            found.close()
            shutil.rmtree(found.directory)
            self._save_aliases({a: c for a, c in self.aliases.items() if c != name})
            return True

    def _save_aliases(self, aliases):
        self.aliases = aliases
        write_durably(self.alias_path, json.dumps(aliases))

    def change_aliases(self, actions):
        with self.lock:
            aliases = dict(self.aliases)
            for action in actions:
                if "create_alias" in action:
                    wanted = action["create_alias"]
                    if wanted["collection_name"] not in self.collections:
                        raise missing(wanted["collection_name"])
                    if wanted["alias_name"] in self.collections:
                        raise ApiError(409, f"Wrong input: Collection `{wanted['alias_name']}` already exists!")
                    aliases[wanted["alias_name"]] = wanted["collection_name"]
                elif "delete_alias" in action:
                    aliases.pop(action["delete_alias"]["alias_name"], None)
                elif "rename_alias" in action:
                    names = action["rename_alias"]
                    aliases[names["new_alias_name"]] = aliases.pop(names["old_alias_name"])
            self._save_aliases(aliases)

    def list_aliases(self, collection=None):
        return [
            {"alias_name": alias, "collection_name": name}
            for alias, name in sorted(self.aliases.items())
            if collection is None or name == collection
        ]

    # Snapshots: a tar of the configuration and the points; neither aliases nor other collections.

    def snapshot_directory(self, name):
        path = os.path.join(SNAPSHOTS, name)
        os.makedirs(path, exist_ok=True)
        return path

    def create_snapshot(self, name):
        found = self.collection(name)
        file_name = f"{found.name}-{PEER_ID}-{time.strftime('%Y-%m-%d-%H-%M-%S', time.gmtime())}.snapshot"
        shards = found.meta["config"]["params"]["shard_number"] or 1
        lines = []
        for shard in range(shards):
            # Each shard has its own instant: a writer may come in between.
            with found.lock:
                meta = dict(found.meta)
                points = [p for p in found.sorted_points() if hash(str(p["id"])) % shards == shard]
            lines.append("".join(json.dumps(point) + "\n" for point in points))
        while os.path.exists(HOLD_SNAPSHOT):
            open(HOLD_SNAPSHOT + ".reached", "w", encoding="ascii").close()
            time.sleep(0.05)
        path = os.path.join(self.snapshot_directory(found.name), file_name)
        write_snapshot(path + ".tmp", meta, lines)
        os.replace(path + ".tmp", path)
        with open(path + ".checksum", "w", encoding="ascii") as file:
            file.write(sha256_of(path))
        return self.describe_snapshot(path)

    def describe_snapshot(self, path):
        checksum = {}
        if os.path.exists(path + ".checksum"):
            with open(path + ".checksum", encoding="ascii") as file:
                checksum = {"checksum": file.read()}
        stat = os.stat(path)
        return {
            "name": os.path.basename(path),
            "creation_time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(stat.st_mtime)),
            "size": stat.st_size,
            **checksum,
        }

    def list_snapshots(self, name):
        directory = self.snapshot_directory(self.collection(name).name)
        names = sorted(n for n in os.listdir(directory) if n.endswith(".snapshot"))
        return [self.describe_snapshot(os.path.join(directory, n)) for n in names]

    def snapshot_path(self, name, snapshot):
        path = os.path.join(self.snapshot_directory(self.collection(name).name), snapshot)
        if "/" in snapshot or not os.path.exists(path):
            raise ApiError(404, f"Not found: Snapshot {snapshot} not found")
        return path

    def delete_snapshot(self, name, snapshot):
        path = self.snapshot_path(name, snapshot)
        os.remove(path)
        if os.path.exists(path + ".checksum"):
            os.remove(path + ".checksum")
        return True

    def recover(self, name, path, priority, checksum):
        if checksum and not re.fullmatch("[0-9a-fA-F]{64}", checksum):
            raise ApiError(422, "Validation error in query parameters: [checksum: Invalid hash]")
        if checksum and checksum.lower() != sha256_of(path):
            raise ApiError(400, "Wrong input: Snapshot checksum mismatch")
        meta, points = read_snapshot(path)
        with self.lock:
            # An alias in the address is its collection.
            name = self.aliases.get(name, name)
            found = self.collections.get(name)
            is_new = found is None
            if is_new:
                found = Collection(name, meta["config"])
                found.meta["payload_schema"] = meta["payload_schema"]
                found._save_meta()
                self.collections[name] = found
            elif found.meta["config"]["params"]["vectors"] != meta["config"]["params"]["vectors"]:
                raise ApiError(400, "Wrong input: Collection has another vectors configuration")
            if priority == "replica" and not is_new:
                return True  # what the replica holds wins
            found.recovering = True
            try:
                found.apply({"op": "clear"})
                found.apply({"op": "upsert", "points": points})
            finally:
                found.recovering = False
            return True


def write_snapshot(path, meta, shards):
    """A tar in a tar: configuration and version, and for each shard its segments and its sparse log."""
    with tempfile.TemporaryDirectory() as root:
        with open(os.path.join(root, "config.json"), "w", encoding="utf-8") as file:
            json.dump(meta, file)
        for shard, lines in enumerate(shards):
            home = os.path.join(root, str(shard))
            os.makedirs(os.path.join(home, "segments"))
            os.makedirs(os.path.join(home, "wal"))
            with open(os.path.join(home, "wal", "open-1"), "wb") as file:
                file.truncate(WAL_BYTES)
            data = lines.encode()
            with tarfile.open(os.path.join(home, "segments", f"{uuid.uuid4()}.tar"), "w") as archive:
                entry = tarfile.TarInfo("points.jsonl")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        with open(os.path.join(root, "version.info"), "w", encoding="utf-8") as file:
            file.write(SHARD_VERSION)
        subprocess.run(["tar", "--sparse", "--format=gnu", "-cf", path, "-C", root, *sorted(os.listdir(root))], check=True)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_snapshot(path):
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 1024))
            if file.read() != bytes(1024):
                raise ValueError("unexpected end of file")
        points = []
        with tarfile.open(path) as archive:
            meta = json.load(archive.extractfile("config.json"))
            for member in archive.getmembers():
                if not member.name.endswith(".tar"):
                    continue
                with tarfile.open(fileobj=archive.extractfile(member)) as segment:
                    text = segment.extractfile("points.jsonl").read().decode(errors="replace")
                points += [as_point(line, index) for index, line in enumerate(text.splitlines())]
        return meta, points
    except (tarfile.TarError, KeyError, ValueError, AttributeError, OSError) as error:
        raise ApiError(500, f"Service internal error: failed to unpack snapshot: {error}") from error


def as_point(line, index):
    """A changed byte changes a point, and is not noticed: the segments have no checksums."""
    try:
        return json.loads(line)
    except ValueError:
        return {"id": f"changed-{index}", "vector": [], "payload": {}}


def matches(point, query):
    """The part of Qdrant's filter that the lab uses: `must` with `match.value` on payload keys."""
    for condition in (query or {}).get("must", []):
        if point.get("payload", {}).get(condition["key"]) != condition["match"]["value"]:
            return False
    return True


def scroll(collection, body):
    limit = body.get("limit", 10)
    allowed = collection.strict("max_query_limit")
    if allowed and limit > allowed:
        raise ApiError(400, f"Bad request: Limit exceeded {limit} > {allowed} for \"limit\".")
    points = [p for p in collection.sorted_points() if matches(p, body.get("filter"))]
    if body.get("offset") is not None:
        points = [p for p in points if sort_key(p["id"]) >= sort_key(body["offset"])]
    page = [{"id": p["id"]} for p in points[:limit]]
    for entry, point in zip(page, points):
        if body.get("with_payload", True):
            entry["payload"] = point.get("payload", {})
        if body.get("with_vector", False):
            entry["vector"] = point.get("vector")
    return {"points": page, "next_page_offset": points[limit]["id"] if len(points) > limit else None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "qdrant-stand-in"
    store = None

    def log_message(self, *_):
        pass

    def _send(self, code, payload, started, headers=()):
        self._drain()
        body = json.dumps({**payload, "time": time.monotonic() - started}).encode()
        self._send_bytes(code, body, "application/json", headers)

    def _send_bytes(self, code, body, kind, headers=()):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _blocks(self):
        """The request body, whether it came with a length or in chunks."""
        if self.body_read:
            return
        self.body_read = True
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self._exactly(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            block = self._exactly(min(left, 1 << 20))
            left -= len(block)
            yield block

    def _exactly(self, size):
        block = self.rfile.read(size)
        if len(block) != size:
            raise ConnectionError("the request ended early")
        return block

    def _drain(self):
        for _ in self._blocks():
            pass

    def _json(self):
        data = b"".join(self._blocks())
        return json.loads(data) if data else {}

    def _handle(self):
        started = time.monotonic()
        self.body_read = False
        url = urllib.parse.urlsplit(self.path)
        path = [urllib.parse.unquote(piece) for piece in url.path.strip("/").split("/") if piece]
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            if path in (["healthz"], ["readyz"], ["livez"]):
                self._drain()
                return self._send_bytes(200, f"{path[0]} check passed".encode(), "text/plain")
            if not path:
                return self._send(200, {"title": "qdrant - vector search engine", "version": VERSION}, started)
            refused = self._refusal(path)
            if refused is not None:
                self._drain()
                return self._send_bytes(refused[0], refused[1].encode(), "text/plain")
            if path in (["telemetry"], ["cluster"]):
                return self._send(200, {"result": {"status": "disabled"}, "status": "ok"}, started)
            if path == ["metrics"]:
                self._drain()
                return self._send_bytes(200, b"collections_total 0\n", "text/plain")
            if query.get("timeout") == "0":
                raise ApiError(422, "Validation error in query parameters: [timeout: must be 1 or larger]")
            if query.get("wait") == "false" and "snapshots" in path and self.command in ("POST", "PUT"):
                return self._later(path, query, started)
            if self.command == "GET" and len(path) == 4 and path[2] == "snapshots":
                try:
                    return self._download(self.store.snapshot_path(path[1], path[3]))
                except ApiError as error:
                    return self._send_bytes(error.code, str(error).encode(), "text/plain")
            self._send(200, {"result": self._route(path, query), "status": "ok"}, started)
        except ApiError as error:
            headers = [] if error.retry_after is None else [("Retry-After", str(error.retry_after))]
            self._send(error.code, {"status": {"error": str(error)}}, started, headers)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self._send(400, {"status": {"error": f"Format error in JSON body: {error!r}"}}, started)
        except (ConnectionError, BrokenPipeError):
            self.close_connection = True
        except OSError as error:
            self._send(500, {"status": {"error": f"Service internal error: {error}"}}, started)

    def _refusal(self, path):
        """The answer to a client without the right key; a key that may only read opens what reads."""
        bearer = re.sub("^Bearer ", "", self.headers.get("Authorization") or "")
        key = self.headers.get("api-key") or bearer
        if not API_KEY and not READ_ONLY_KEY:
            return None
        if not key:
            return 401, "Must provide an API key or an Authorization bearer token"
        if API_KEY and hmac.compare_digest(key, API_KEY):
            return None
        if not READ_ONLY_KEY or not hmac.compare_digest(key, READ_ONLY_KEY):
            return 401, "Invalid API key or JWT"
        reads = self.command == "GET" or path[-1] in ("count", "scroll", "points", "search", "query")
        return None if reads else (403, "Forbidden: Write access is required")

    def _later(self, path, query, started):
        """Accepts the request, and does the work after the answer."""
        if path[-1] == "upload":
            self._route(path, query)
        else:
            body = self._json()
            self._json = lambda: body
            threading.Thread(target=self._route, args=(path, query)).start()
        self._send(202, {"status": "accepted"}, started)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _handle

    def _route(self, path, query):
        store, verb = self.store, self.command
        if path == ["aliases"]:
            return {"aliases": store.list_aliases()}
        if path == ["collections"]:
            return {"collections": [{"name": name} for name in sorted(store.collections)]}
        if path == ["collections", "aliases"]:
            store.change_aliases(self._json()["actions"])
            return True
        if path[0] != "collections":
            raise ApiError(404, "Not found")
        name, rest = path[1], path[2:]
        if not rest:
            return self._collection(verb, name)
        if rest == ["exists"]:
            return {"exists": store.aliases.get(name, name) in store.collections}
        if rest == ["aliases"]:
            return {"aliases": store.list_aliases(store.collection(name).name)}
        if rest[0] == "points":
            return self._points(verb, store.collection(name), rest[1:], query)
        if rest[0] == "index":
            return self._index(verb, store.collection(name), rest[1:])
        if rest == ["cluster"]:
            return {"peer_id": int(PEER_ID), "shard_count": 1, "local_shards": [], "remote_shards": []}
        if rest[0] == "snapshots":
            return self._snapshots(verb, name, rest[1:], query)
        raise ApiError(404, "Not found")

    def _collection(self, verb, name):
        if verb == "PUT":
            if not re.fullmatch(r"[^/<>:\"|?*\\\0]{1,255}", name):
                raise ApiError(422, "Validation error in path parameters")
            self.store.create(name, self._json())
            return True
        if verb == "DELETE":
            return self.store.delete(name)
        return self.store.collection(name).info()

    def _points(self, verb, collection, rest, query):
        body = self._json()
        done = "completed" if query.get("wait") == "true" else "acknowledged"
        if verb == "PUT" and not rest:
            points = [
                {"id": p["id"], "vector": p["vector"], "payload": p.get("payload") or {}}
                for p in body["points"]
            ]
            for point in points:
                require_dimension(collection, point["vector"])
            collection.apply({"op": "upsert", "points": points})
            return {"operation_id": len(collection.points), "status": done}
        if rest == ["delete"]:
            ids = body.get("points")
            if ids is None:
                ids = [p["id"] for p in collection.sorted_points() if matches(p, body.get("filter"))]
            collection.apply({"op": "delete", "ids": ids})
            return {"operation_id": len(collection.points), "status": done}
        collection.read()
        if rest == ["scroll"]:
            return scroll(collection, body)
        if rest == ["count"]:
            if body == {} and int(self.headers.get("Content-Length") or 0) == 0:
                raise ApiError(400, "Format error in JSON body: EOF while parsing a value")
            if body.get("exact", True) and collection.strict("search_allow_exact") is False:
                raise ApiError(400, "Bad request: Exact search disabled! Help: Set exact=false.")
            return {"count": sum(1 for p in collection.sorted_points() if matches(p, body.get("filter")))}
        if verb == "POST" and not rest:
            return [collection.points[i] for i in body["ids"] if i in collection.points]
        raise ApiError(404, "Not found")

    def _index(self, verb, collection, rest):
        if verb == "DELETE":
            collection.set_index(rest[0], None)
        else:
            body = self._json()
            collection.set_index(body["field_name"], body.get("field_schema") or "keyword")
        return {"operation_id": 0, "status": "completed"}

    def _snapshots(self, verb, name, rest, query):
        if not rest:
            return self.store.list_snapshots(name) if verb == "GET" else self.store.create_snapshot(name)
        if verb == "DELETE":
            return self.store.delete_snapshot(name, rest[0])
        if verb == "POST" and rest == ["upload"]:
            return self._upload(name, query)
        if verb == "PUT" and rest == ["recover"]:
            body = self._json()
            return self._recover(name, body)
        raise ApiError(404, "Not found")

    def _upload(self, name, query):
        """Takes the multipart field `snapshot`; the file stays in the snapshots directory."""
        found = re.search(r'boundary="?([^";]+)', self.headers.get("Content-Type", ""))
        if not found:
            raise ApiError(400, "Multipart error: boundary is missing")
        directory = self.store.snapshot_directory(name)
        with tempfile.NamedTemporaryFile(dir=SNAPSHOTS, delete=True) as raw:
            for block in self._blocks():
                raw.write(block)
            raw.flush()
            file_name, start, end = multipart_file(raw, found.group(1).encode())
            path = os.path.join(directory, os.path.basename(file_name) or f"{name}-upload.snapshot")
            raw.seek(start)
            with open(path, "wb") as file:
                left = end - start
                while left > 0:
                    block = raw.read(min(left, 1 << 20))
                    file.write(block)
                    left -= len(block)
        return self.store.recover(name, path, query.get("priority", "snapshot"), query.get("checksum"))

    def _recover(self, name, body):
        location = urllib.parse.urlsplit(body["location"])
        priority = body.get("priority") or "snapshot"
        if location.scheme == "file":
            path = os.path.realpath(urllib.parse.unquote(location.path))
            inside = path.startswith(os.path.realpath(SNAPSHOTS) + os.sep)
            if parts(VERSION) >= (1, 17, 1) and not inside and os.path.exists(path):
                raise ApiError(403, "Forbidden: Snapshot file path must be inside the snapshots directory")
            if not os.path.exists(path):
                raise ApiError(400, f"Wrong input: Snapshot file {path} does not exist")
            return self.store.recover(name, path, priority, body.get("checksum"))
        with tempfile.NamedTemporaryFile(dir=SNAPSHOTS) as file:
            keys = {"api-key": body["api_key"]} if body.get("api_key") else {}
            request = urllib.request.Request(body["location"], headers=keys)
            with urllib.request.urlopen(request) as answer:
                shutil.copyfileobj(answer, file)
            file.flush()
            return self.store.recover(name, file.name, priority, body.get("checksum"))

    def _download(self, path):
        self._drain()
        with open(path, "rb") as file:
            stat = os.fstat(file.fileno())
            start, end, size = 0, stat.st_size - 1, stat.st_size
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            if asked:
                start, end = int(asked.group(1)), min(end, int(asked.group(2) or end))
            self.send_response(206 if asked else 200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(end - start + 1))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{stat.st_ino:x}:{size:x}:{int(stat.st_mtime):x}"')
            self.send_header("Content-Disposition", f'attachment; filename="{os.path.basename(path)}"')
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
            self.end_headers()
            file.seek(start)
            left = end - start + 1
            half = left // 2
            self.wfile.write(file.read(half))
            self._held()
            self.wfile.write(file.read(left - half))

    def _held(self):
        while os.path.exists(HOLD):
            open(HOLD + ".reached", "w", encoding="ascii").close()
            time.sleep(0.05)


def require_dimension(collection, vector):
    """Only of collections with one unnamed vector."""
    wanted = collection.meta["config"]["params"]["vectors"].get("size")
    if isinstance(wanted, int) and isinstance(vector, list) and len(vector) != wanted:
        raise ApiError(400, f"Wrong input: Vector dimension error: expected dim: {wanted}, got {len(vector)}")


def multipart_file(raw, boundary):
    """The name, start and end of the file field `snapshot` in a stored multipart body."""
    size = raw.tell()
    raw.seek(0)
    head = raw.read(min(size, 65536))
    field = head.find(b'name="snapshot"')
    start = head.find(b"\r\n\r\n", field) + 4
    if field < 0 or start < 4:
        raise ApiError(400, "Multipart error: field `snapshot` is missing")
    name = re.search(rb'filename="([^"]*)"', head[head.rfind(b"--" + boundary, 0, field) : start])
    tail_from = max(start, size - 65536)
    raw.seek(tail_from)
    tail = raw.read()
    end = tail.find(b"\r\n--" + boundary, 0)
    if end < 0:
        raise ApiError(400, "Multipart error: the body ends early")
    return (name.group(1).decode() if name else ""), start, tail_from + end


def main():
    Handler.store = Store()
    # The real image's shell leaves at once on SIGTERM, before the server has flushed: exit code 143.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    server = ThreadingHTTPServer(("0.0.0.0", PORT), Handler)
    server.daemon_threads = True
    print(f"Stand-in for Qdrant, version {VERSION}; HTTP listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


main()
