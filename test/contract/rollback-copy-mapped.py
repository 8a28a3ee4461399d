"""Keeps a file mapped and stores into one page of it: once at the start, then once for each line of its input."""
import mmap
import sys

with open(sys.argv[1], "wb") as file:
    file.write(b"0" * 65536)
    file.flush()
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
    mapped[4096:4098] = b"01"
    print("stored", flush=True)
    for line in sys.stdin:
        mapped[4096:4098] = line.strip().encode()
        print("stored", flush=True)
