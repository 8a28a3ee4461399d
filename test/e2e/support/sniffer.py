"""Counts the packets that any interface of the host sees to a port, or that ask for a name. Ends with its input."""

import os
import select
import socket
import struct
import sys

PORT = struct.pack("!H", int(sys.argv[1]))
# As a question holds it: the image itself, which is pulled meanwhile, holds the bare text.
NAME = bytes([len(sys.argv[2])]) + sys.argv[2].encode()

listening = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
print("ready", flush=True)
count = 0
while True:
    ready, _, _ = select.select([listening, 0], [], [])
    if 0 in ready and not os.read(0, 1024):
        break
    if listening in ready:
        frame = listening.recv(65535)
        ports = frame[36:38] == PORT and frame[12:14] == b"\x08\x00"
        ports6 = frame[56:58] == PORT and frame[12:14] == b"\x86\xdd"
        if ports or ports6 or NAME in frame:
            count += 1
print(count, flush=True)
