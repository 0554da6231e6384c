"""Knot DNS: everything that a test may ask for is in the root zone, or in zones below it that the
root delegates, or does not exist. The root may be signed; its key is the anchor that msad gets."""

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
    dnssec-signing: {signing}
"""

BELOW = """  - domain: {name}
    file: {file}
    dnssec-signing: {signing}
"""

BELOW_HEAD = """{name} 3600 SOA ns.test. hostmaster.test. 1 3600 600 86400 1
{name} 3600 NS ns.test.
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
    """below: {name: (records, signed)}, zones that the root delegates; its records say how (DS or
    not). Without records the server is lame: it has the zone, and nothing to say about it."""

    def __init__(self, folder, records, signed=False, below=None):
        self.dir = os.path.join(folder, "knot")
        os.mkdir(self.dir)
        self.write(records)
        with open(self.path("knot.conf"), "w", encoding="ascii") as f:
            f.write(CONF.format(dir=self.dir, signing="on" if signed else "off"))
            for name, (lines, zone_signed) in (below or {}).items():
                file = name.rstrip(".") + ".zone"
                if lines is not None:
                    with open(self.path(file), "w", encoding="ascii") as zone:
                        zone.write(BELOW_HEAD.format(name=name) + lines)
                f.write(BELOW.format(name=name, file=file, signing="on" if zone_signed else "off"))
        self.start()

    def anchor(self):
        """The root's key as a DS record in a file, for dns.trust_anchor."""
        done = subprocess.run(["keymgr", "-c", self.path("knot.conf"), ".", "ds"],
                              capture_output=True, text=True, check=True)
        ds = [line for line in done.stdout.splitlines() if " 13 2 " in line][0]
        with open(self.path("anchor"), "w", encoding="ascii") as f:
            f.write(". 300 IN " + ds.split(" ", 1)[1] + "\n")
        return self.path("anchor")

    def corrupt(self, zone, broken):
        """The signed zone below the root, delegated by its key, with a wrong signature of each of
        broken: (owner, type covered). Knot signs it no more."""
        said = subprocess.run(["keymgr", "-c", self.path("knot.conf"), zone, "ds"],
                              capture_output=True, text=True, check=True).stdout
        out = self.path("signed")
        os.mkdir(out)
        subprocess.run(["knotc", "-c", self.path("knot.conf"), "-b", "zone-flush", "+outdir", out, zone],
                       capture_output=True, check=True)
        self.stop()
        name = zone.rstrip(".") + ".zone"
        with open(os.path.join(out, name), encoding="ascii") as f:
            lines = f.read().splitlines()
        for i, line in enumerate(lines):
            words = line.split()
            if words[2:3] == ["RRSIG"] and (words[0], words[3]) in broken:
                lines[i] = line[:-10] + ("A" if line[-10] != "A" else "B") + line[-9:]
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        with open(self.path("root.zone"), "a", encoding="ascii") as f:
            f.writelines(line.replace(" DS ", " IN DS ") + "\n" for line in said.splitlines() if " 13 2 " in line)
        with open(self.path("knot.conf"), encoding="ascii") as f:
            conf = f.read()
        mine = BELOW.format(name=zone, file=name, signing="on")
        assert mine in conf
        with open(self.path("knot.conf"), "w", encoding="ascii") as f:
            f.write(conf.replace(mine, BELOW.format(name=zone, file=name, signing="off")))
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
