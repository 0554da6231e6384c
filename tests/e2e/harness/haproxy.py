"""haproxy in front of msad: TCP frontends that tell the client by the PROXY protocol."""

import os
import subprocess

from .case import Failure, eventually
from .world import port_open

GLOBAL = """global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""

# the proxy's own address is 127.0.0.9
FRONTEND = """listen p{port}
    bind {address}:{port}
    source 127.0.0.9
    server msad 127.0.0.1:{to} {options}
"""


class Haproxy:
    """Each of frontends: (address, port, port of msad, options of the server line)."""

    def __init__(self, folder, frontends):
        self.dir = os.path.join(folder, "haproxy")
        os.mkdir(self.dir)
        text = GLOBAL
        for address, port, to, options in frontends:
            text += FRONTEND.format(address=address, port=port, to=to, options=options)
        conf = os.path.join(self.dir, "haproxy.cfg")
        with open(conf, "w", encoding="ascii") as f:
            f.write(text)
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", conf], stdout=self.log,
                                        stderr=self.log)
        eventually(lambda: self.process.poll() is not None or
                   all(port_open(port, address) for address, port, _, _ in frontends),
                   "haproxy listens")
        if self.process.poll() is not None:
            with open(self.log.name, encoding="utf-8") as f:
                raise Failure("haproxy ended: " + f.read())

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
