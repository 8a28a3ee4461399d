"""Fills a directory with everything a file system can hold; the second argument scales the plain files."""
import os
import random
import socket
import subprocess
import sys

root, plain = sys.argv[1], int(sys.argv[2])
os.makedirs(root, exist_ok=True)
os.chdir(root)
random.seed(7)


def write(path, data=b"x"):
    with open(path, "wb") as file:
        file.write(data)


for at in range(plain):
    os.makedirs(f"plain/{at % 23}", exist_ok=True)
    write(f"plain/{at % 23}/{at}", random.randbytes(random.randrange(12_000)))
os.makedirs("odd")
for name in [b"new\nline", b"-rf", b" space ", b"quote\"'", b"back\\slash", b"*", b"a" * 255, b"\xff\xfe\x80",
             "späß".encode(), b"{}", b"--", b"\x01", b"a\tb", b"%s"]:
    write(b"odd/" + name, name)
os.makedirs(b"odd/\xf0dir/inner")
write(b"odd/\xf0dir/inner/\xf1", b"bytes")
os.symlink(b"../\xf2target", b"odd/\xf0dir/\xf3link")
os.link(b"odd/\xf0dir/inner/\xf1", b"odd/\xf0dir/linked\xf4")
deep = "deep"
for level in range(12):
    deep += "/" + chr(97 + level) * 200
os.makedirs(deep)
write(deep + "/end")
write("sparse")
with open("sparse", "r+b") as file:
    file.truncate(16 * 2**20)
    file.seek(12 * 2**20)
    file.write(b"middle" * 1000)
write("hole-only")
os.truncate("hole-only", 5 * 2**20 + 3)
write("big", random.randbytes(6 * 2**20))
write("owned", b"owned")
os.chown("owned", 4321, 1234)
os.chmod("owned", 0o4751)
os.makedirs("links/inner")
write("links/one", b"one inode")
os.link("links/one", "links/inner/two")
os.link("links/one", "three")
os.symlink("nowhere", "dangling")
os.symlink("links", "to-directory")
os.lchown("dangling", 99, 98)
os.mkfifo("fifo", 0o620)
os.mknod("device", 0o20600, os.makedev(1, 3))
bound = socket.socket(socket.AF_UNIX)
bound.bind("socket")
write("attributes", b"a")
os.setxattr("attributes", "user.note", b"\x00\xffbinary\n=")
os.setxattr("attributes", "trusted.mark", b"root only")
subprocess.run(["setfacl", "-m", "u:4321:r,g:1234:rw", "attributes"], check=True)
os.makedirs("acl-directory/empty")
subprocess.run(["setfacl", "-d", "-m", "u:4321:rwx", "acl-directory"], check=True)
os.setxattr("acl-directory", "user.directory", b"yes")
os.chmod("acl-directory/empty", 0o3700)
os.chown("acl-directory/empty", 77, 78)
os.chmod(".", 0o751)
os.setxattr(".", "user.root", b"of the tree")
for at, (path, directories, files) in enumerate(os.walk(".", topdown=False)):
    for name in files:
        full = os.path.join(path, name)
        os.utime(os.fsencode(full), ns=(0, 1_600_000_000_123_456_789 + at), follow_symlinks=False)
    os.utime(os.fsencode(path), ns=(0, 1_500_000_000_987_654_321 + at))
