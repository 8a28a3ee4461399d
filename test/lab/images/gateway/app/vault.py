"""Credentials at rest: AES-256-GCM under the key in security/vault.key."""

import base64
import json
import os

FILES = {"models.json": "apiKey", "channels.json": "token", "tts.json": "apiKey"}


class VaultError(Exception):
    pass


def key_path(data):
    return os.path.join(data, "security", "vault.key")


def prepare(data):
    """Makes the directories of a first start and, only when nothing is encrypted yet, a new key."""
    for name in ("security", "config", "data", "logs", "skills", "documents"):
        os.makedirs(os.path.join(data, name), exist_ok=True)
    if not os.path.exists(key_path(data)):
        # Like many an application: a lost key is silently replaced, and every secret is unreadable.
        handle = os.open(key_path(data), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(32))


def check(data):
    """Decrypts every stored credential; answers how many there are, raises VaultError else."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    with open(key_path(data), "rb") as file:
        key = file.read()
    if len(key) != 32:
        raise VaultError(f"vault.key has {len(key)} bytes, expected 32")
    count = 0
    for name, field in FILES.items():
        path = os.path.join(data, "config", name)
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
        for entry in entries:
            sealed = base64.b64decode(entry[field].removeprefix("enc:v1:"))
            try:
                AESGCM(key).decrypt(sealed[:12], sealed[12:], entry["id"].encode())
            except InvalidTag as error:
                raise VaultError(f"{name}: the credential of '{entry['id']}' cannot be decrypted") from error
            count += 1
    return count


def fingerprint(data):
    """Changes whenever the key or a credentials file changed on disk."""
    stats = []
    for path in [key_path(data), *(os.path.join(data, "config", name) for name in FILES)]:
        try:
            stat = os.stat(path)
            stats.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        except OSError:
            stats.append(None)
    return stats
