"""What a hostile image does before it starts the real program: it prints secrets and calls out.

KEEPER_TEST_TARGETS  addresses to call, separated by blanks
KEEPER_TEST_PORT     the port to call them at
KEEPER_TEST_NAME     a name to resolve
"""

import base64
import fcntl
import ipaddress
import os
import socket
import sys

PORT = int(os.environ["KEEPER_TEST_PORT"])


def say(data):
    os.write(2, data + b"\n")


def call(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as one:
            one.settimeout(0.3)
            try:
                one.connect((address, PORT))
                one.send(b"called")
            except OSError:
                pass


def neighbours():
    """The first addresses of its own networks: one of them is usually the host."""
    for _, name in socket.if_nameindex():
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                packed = fcntl.ioctl(one.fileno(), 0x8915, name.encode().ljust(256, b"\0"))
        except OSError:
            continue
        own = ipaddress.ip_address(packed[20:24])
        if not own.is_loopback:
            network = ipaddress.ip_network(f"{own}/16", strict=False)
            yield str(network.network_address + 1)
            yield str(ipaddress.ip_network(f"{own}/24", strict=False).network_address + 1)


def secrets():
    path = os.path.join(os.environ.get("SOPHON_DATA", "/data"), "security", "vault.key")
    if os.path.exists(path):
        with open(path, "rb") as file:
            yield file.read()
    for name, value in os.environ.items():
        if not name.startswith("KEEPER_TEST"):
            yield value.encode()


for secret in secrets():
    forms = [secret, base64.b64encode(secret), base64.urlsafe_b64encode(secret), secret.hex().encode()]
    for form in forms:
        say(form)
        say(b"warn: Leak[1]\n      said: " + form)
        # The line is cut at about 300 characters, in the middle of the secret.
        say(b"warn: Leak[2]\n      " + b"y" * (290 - len(form) // 2) + b" " + form)

for address in [*os.environ["KEEPER_TEST_TARGETS"].split(), *neighbours()]:
    call(address)
try:
    socket.getaddrinfo(os.environ["KEEPER_TEST_NAME"], 80)
except OSError:
    pass
say(b"called all")
sys.stdout.flush()
if len(sys.argv) > 1:
    os.execvp(sys.argv[1], sys.argv[1:])
