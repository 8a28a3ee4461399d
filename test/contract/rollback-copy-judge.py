"""Prints one line for each path of a tree with everything that a copy of it must share.

Written without the project's code, so that it can judge it: content, kind, mode, owner, mtime,
symlink target, device, which names share an inode, extended attributes and ACLs, holes.
"""
import hashlib
import os
import stat
import sys

root = os.fsencode(sys.argv[1])
holes = "--no-holes" not in sys.argv
inodes = {}
lines = []


def extents(file, size):
    found, at = [], 0
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(file, start, os.SEEK_HOLE)
        found.append((start, min(at, size)))
    return found


def tell(path):
    full = os.path.join(root, path) if path else root
    info = os.lstat(full)
    kind = stat.S_IFMT(info.st_mode)
    facts = [oct(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns, info.st_rdev]
    if kind == stat.S_IFLNK:
        facts.append(os.readlink(full))
    names = sorted(os.listxattr(full, follow_symlinks=False))
    facts += [(name, os.getxattr(full, name, follow_symlinks=False)) for name in names]
    if kind == stat.S_IFREG:
        facts.append(info.st_size)
        with open(full, "rb") as file:
            if holes:
                facts.append(extents(file.fileno(), info.st_size))
                file.seek(0)
            digest = hashlib.sha256()
            while block := file.read(2**20):
                digest.update(block)
            facts.append(digest.hexdigest())
    if kind != stat.S_IFDIR and info.st_nlink > 1:
        inodes.setdefault((info.st_dev, info.st_ino), []).append(path)
    lines.append(repr(path) + " " + " ".join(map(repr, facts)))
    if kind == stat.S_IFDIR:
        for name in sorted(os.listdir(full)):
            tell(os.path.join(path, name) if path else name)


tell(b"")
lines += sorted("linked " + repr(sorted(names)) for names in inodes.values() if len(names) > 1)
print("\n".join(lines))
