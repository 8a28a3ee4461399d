"""Fills a SOPHON_DATA directory, mounted at /data, with everything that makes a copy of files hard.

Runs as root in the lab's Python image before the stack starts. Standard input: the secrets as JSON.
"""

import base64
import json
import os
import socket
import stat
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DATA = "/data"
APP = 1654
given = json.load(sys.stdin)


def path(*names):
    return os.path.join(DATA, *names)


def write(name, content, mode=0o644, uid=APP, gid=APP):
    full = path(name)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    os.chown(full, uid, gid)
    os.chmod(full, mode)
    return full


def credentials():
    """vault.key and the three files whose credentials it encrypts."""
    key = base64.b64decode(given["vaultKey"])
    write("security/vault.key", key, 0o600)
    os.chmod(path("security"), 0o700)
    for name, field in (("models.json", "apiKey"), ("channels.json", "token"), ("tts.json", "apiKey")):
        entries = []
        for identifier, plain in given["credentials"][name].items():
            nonce = os.urandom(12)
            sealed = nonce + AESGCM(key).encrypt(nonce, plain.encode(), identifier.encode())
            entries.append({"id": identifier, field: "enc:v1:" + base64.b64encode(sealed).decode()})
        write(f"config/{name}", json.dumps(entries, indent=2), 0o640)
    write("config/settings.json", json.dumps({"theme": "dark", "adminToken": given["markers"]["file"]}, indent=2))


def documents():
    """Ordinary content: text, incompressible bytes, an empty file, many small files."""
    write("documents/contract.txt", f"The parties agree. Reference {given['markers']['file']}\n" * 20)
    write("documents/scan.pdf", os.urandom(3 * 1024 * 1024))
    write("documents/empty.txt", b"")
    for index in range(given["smallFiles"]):
        write(f"memory/{index % 16:02x}/{index:05d}.json", json.dumps({"memory": index, "text": "lorem " * 30}))
    for index in range(10):
        write(f"skills/skill-{index}.md", f"# Skill {index}\n" + "Do this, then that.\n" * 20)
    write("agents/assistant.json", json.dumps({"name": "assistant", "prompt": "Be kind."}))
    left, number = given["fillBytes"], 0
    while left > 0:
        size = min(left, 4 * 1024 * 1024)
        # 70 % incompressible, like the documents and models of a real stack.
        write(f"documents/fill/{number:05d}.bin", os.urandom(size * 7 // 10) + b"\0" * (size - size * 7 // 10))
        left, number = left - size, number + 1


def links():
    os.link(path("documents/contract.txt"), path("documents/contract-hardlink.txt"))
    os.link(path("documents/contract.txt"), path("agents/third-name-of-contract.txt"))
    for target, name in (
        ("contract.txt", "documents/relative-link"),
        ("../config/settings.json", "documents/upward-link"),
        ("/data/documents/contract.txt", "documents/absolute-link"),
        ("no such file", "documents/dangling-link"),
        (".", "documents/link-to-directory"),
    ):
        os.symlink(target, path(name))
        os.lchown(path(name), APP, APP)
        os.utime(path(name), ns=(1_700_000_000_987_654_321, 1_700_000_000_123_456_789), follow_symlinks=False)


def odd_names():
    os.makedirs(path("documents/odd"))
    names = [
        "with\nnewline", "tab\there", "single'quote", 'double"quote', "back\\slash", "-rf", "--help", " leading blank",
        "trailing blank ", "*", "$(touch pwned)", "%s%n", "ünïcödé-日本語-🦊", "#hash", "a;b&c|d", "...", "~", "x" * 255,
    ]
    for number, name in enumerate(names):
        write(f"documents/odd/{name}", f"odd {number}\n")
    # Not UTF-8 at all: a name is bytes.
    raw = os.path.join(os.fsencode(DATA), b"documents/odd/latin1-\xe9\xff")
    with open(raw, "wb") as file:
        file.write(b"latin1\n")
    deep = path("documents", "deep", *["d" * 100] * 20)
    os.makedirs(deep)
    with open(os.path.join(deep, "bottom.txt"), "w", encoding="utf-8") as file:
        file.write("deep\n")


def sparse():
    with open(path("documents/sparse.img"), "wb") as file:
        file.truncate(256 * 1024 * 1024)
        file.seek(1 << 20)
        file.write(b"island")
        file.seek(200 << 20)
        file.write(os.urandom(8192))
    with open(path("documents/only-hole.img"), "wb") as file:
        file.truncate(10 * 1024 * 1024)


def special():
    os.mkfifo(path("documents/pipe"), 0o620)
    server = socket.socket(socket.AF_UNIX)
    server.bind("/data/agent.sock")
    server.close()
    for name in ("documents/empty-directory", "documents/nested/empty/directories"):
        os.makedirs(path(name))
    os.chmod(path("documents/empty-directory"), 0o1777)
    write("skills/setuid-tool", "#!/bin/sh\n", 0o4755)
    write("skills/setgid-tool", "#!/bin/sh\n", 0o2755)
    write("skills/unreadable", "nobody reads this\n", 0o000)
    write("skills/of-nobody", "owner 65534\n", 0o640, 65534, 65534)
    write("skills/of-a-big-id", "owner 3000000\n", 0o600, 3_000_000, 3_000_001)


def attributes():
    tagged = write("documents/tagged.txt", "has attributes\n")
    os.setxattr(tagged, "user.comment", "ein Kommentar äöü".encode())
    os.setxattr(tagged, "user.binary", bytes(range(256)))
    os.setxattr(tagged, "user.empty", b"")
    os.setxattr(path("documents"), "user.directory", b"yes")
    # cap_net_bind_service, as `setcap` writes it (version 2, effective).
    capable = write("skills/capable-tool", "#!/bin/sh\n", 0o755)
    os.setxattr(capable, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    # A POSIX ACL in the kernel's own form: owner rwx, user 4242 r--, group r--, mask r--, other ---.
    entries = [(1, 7, -1), (2, 4, 4242), (4, 4, -1), (16, 4, -1), (32, 0, -1)]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + (uid & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, perm, uid in entries
    )
    guarded = write("documents/with-acl.txt", "guarded\n")
    try:
        os.setxattr(guarded, "system.posix_acl_access", acl)
    except OSError:
        print("this file system has no ACLs", file=sys.stderr)


def owners_and_times():
    """The application owns all directories; every mtime has its own nanoseconds."""
    number = 0
    for root, directories, files in os.walk(DATA, topdown=False):
        for name in sorted(files) + sorted(directories):
            full = os.path.join(root, name)
            entry = os.lstat(full)
            if stat.S_ISLNK(entry.st_mode):
                continue
            if entry.st_uid == 0:
                os.chown(full, APP, APP)
                os.chmod(full, stat.S_IMODE(entry.st_mode))  # chown took the setuid bits
            number += 1
            moment = 1_600_000_000_000_000_000 + number * 1_000_000_007
            os.utime(full, ns=(moment, moment))
    os.chown(DATA, APP, APP)


os.umask(0o022)
for name in ("security", "config", "data", "logs", "skills", "documents", "agents", "memory"):
    os.makedirs(path(name), exist_ok=True)
for step in (credentials, documents, links, odd_names, sparse, special, attributes, owners_and_times):
    step()
print(json.dumps({"seeded": True}))
