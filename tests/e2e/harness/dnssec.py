"""Knot with a signed root, in which everything stands but for the zones that are given apart: those
are unsigned, and insecure, bogus or dead as the root says of them."""

import os
import subprocess

from .dns import Knot

ZONES = """policy:
  - id: test
    algorithm: ecdsap256sha256
    rrsig-lifetime: 14d
zone:
  - domain: .
    file: root.zone
    zonefile-sync: -1
    dnssec-signing: on
    dnssec-policy: test
"""


class SignedKnot(Knot):
    """zones: {name: records, or None: every question is SERVFAIL}. bogus: those of them that the root
    says to be signed. anchor: a file with the key of the root."""

    def __init__(self, folder, records, zones=None, bogus=()):
        self.zones, self.bogus = zones or {}, bogus
        self.anchor = os.path.join(folder, "anchor")
        super().__init__(folder, records)

    def write(self, records):
        for name in self.zones:
            records += f"{name}. NS ns.test.\n"
            if name in self.bogus:
                records += f"{name}. DS 12345 13 2 {'ab' * 32}\n"
        super().write(records)

    def start(self):
        with open(self.path("knot.conf"), encoding="ascii") as f:
            conf = f.read().split("zone:\n  - domain: .")[0].split("policy:")[0] + ZONES
        for i, (name, records) in enumerate(self.zones.items()):
            conf += f"  - domain: {name}.\n    file: zone{i}\n    zonefile-sync: -1\n"
            if records is not None:
                with open(self.path(f"zone{i}"), "w", encoding="ascii") as f:
                    f.write(f"{name}. 3600 SOA ns.test. hostmaster.test. 1 3600 600 86400 1\n"
                            f"{name}. 3600 NS ns.test.\n{records}")
        with open(self.path("knot.conf"), "w", encoding="ascii") as f:
            f.write(conf)
        super().start()
        said = subprocess.run(["keymgr", "-c", self.path("knot.conf"), ".", "ds"],
                              capture_output=True, text=True, check=True).stdout
        with open(self.anchor, "w", encoding="ascii") as f:
            f.writelines(line.replace(" DS ", " IN DS ") + "\n" for line in said.splitlines() if " DS " in line)
