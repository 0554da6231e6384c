"""Knot DNS with one zone, the root: everything that a test may ask for is in it or does not exist."""

import os
import socket
import struct
import subprocess

from .case import eventually

ZONE_HEAD = """. 3600 SOA ns.test. hostmaster.test. 1 3600 600 86400 1
. 3600 NS ns.test.
ns.test. 3600 A 127.0.0.1
"""

CONF = """server:
    listen: 127.0.0.1@53
    rundir: {dir}
database:
    storage: {dir}
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: {dir}
    zonefile-load: whole
    journal-content: none
zone:
  - domain: .
    file: root.zone
"""


def _answers(name):
    """One question of type SOA straight to the server."""
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".") if p) + b"\0"
    query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + question + struct.pack(">2H", 6, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        s.sendto(query, ("127.0.0.1", 53))
        try:
            return len(s.recv(4096)) > 12
        except OSError:
            return False


class Knot:
    def __init__(self, folder, records):
        self.dir = os.path.join(folder, "knot")
        os.mkdir(self.dir)
        self.write(records)
        with open(self.path("knot.conf"), "w", encoding="ascii") as f:
            f.write(CONF.format(dir=self.dir))
        self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, records):
        with open(self.path("root.zone"), "w", encoding="ascii") as f:
            f.write(ZONE_HEAD + records)

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(["knotd", "-c", self.path("knot.conf")],
                                            stdout=log, stderr=log)
        eventually(lambda: _answers("."), "Knot answers")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def replace(self, records):
        """Another zone, in a fresh server."""
        self.stop()
        self.write(records)
        self.start()
