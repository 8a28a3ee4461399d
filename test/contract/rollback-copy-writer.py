"""Writes to a tree without end, in every way that could fool a copy. Prints a line a round."""
import mmap
import os
import random
import shutil
import sys

os.chdir(sys.argv[1])
random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
os.makedirs("w", exist_ok=True)
os.chdir("w")
with open("mapped", "wb") as file:
    file.write(random.randbytes(6 * 2**20))
mapped_file = open("mapped", "r+b")
mapped = mmap.mmap(mapped_file.fileno(), 0)
for name in ["left", "right"]:
    shutil.rmtree(name, ignore_errors=True)
    os.makedirs(f"{name}/inner")
    for at in range(40):
        with open(f"{name}/inner/{at}", "w") as file:
            file.write(f"{name}{at}")


def mapped_store():
    for _ in range(20):
        at = random.randrange(len(mapped) - 8)
        mapped[at:at + 8] = random.randbytes(8)


def append():
    with open("appended", "ab") as file:
        file.write(random.randbytes(random.randrange(9000)))


def truncate():
    with open("truncated", "ab") as file:
        file.write(random.randbytes(5000))
    os.truncate("truncated", random.randrange(5000))


def rename():
    with open("renamed.new", "wb") as file:
        file.write(random.randbytes(4000))
    os.replace("renamed.new", f"renamed.{random.randrange(5)}")


def keep_mtime():
    with open("kept", "wb") as file:
        file.write(random.randbytes(3000))
    os.utime("kept", ns=(1, 1_700_000_000_000_000_001))


def swap_directories():
    os.rename("left", "middle")
    os.rename("right", "left")
    os.rename("middle", "right")


def change_kind():
    if os.path.islink("kind"):
        os.unlink("kind")
        os.mkdir("kind")
        open("kind/in", "w").close()
    elif os.path.isdir("kind"):
        shutil.rmtree("kind")
        with open("kind", "w") as file:
            file.write("file")
    else:
        if os.path.exists("kind"):
            os.unlink("kind")
        os.symlink("left", "kind")


def attributes():
    with open("attributed", "a") as file:
        os.fchmod(file.fileno(), random.choice([0o600, 0o640, 0o4711]))
        os.fchown(file.fileno(), random.randrange(3), random.randrange(3))
    os.setxattr("attributed", "user.count", random.randbytes(3))
    if random.random() < 0.3:
        os.removexattr("attributed", "user.count")


def link():
    name = f"linked.{random.randrange(3)}"
    if os.path.lexists(name):
        os.unlink(name)
    else:
        os.link("appended", name)


def hole():
    with open("holes", "wb") as file:
        file.truncate(random.randrange(2**22))
        file.seek(random.randrange(2**22))
        file.write(b"data")


def tree():
    name = f"tree.{random.randrange(4)}"
    if os.path.isdir(name):
        shutil.rmtree(name)
    else:
        os.makedirs(f"{name}/a/b")
        with open(f"{name}/a/b/c", "wb") as file:
            file.write(random.randbytes(100))


ways = [mapped_store, append, truncate, rename, keep_mtime, swap_directories, change_kind, attributes, link, hole, tree]
append()
print("started", flush=True)
while True:
    for way in ways:
        way()
    print("round", flush=True)
