"""Real filters: rspamd, opendkim, clamav-milter with clamd, postgrey, policyd-spf. No network is
needed: rspamd has a list of top-level domains and no maps, clamd a database of one signature,
policyd-spf asks the test's DNS."""

import os
import socketserver
import subprocess
import threading

from .case import Failure, check, eventually
from .world import port_open

# what the one signature finds, and the patterns that rspamd knows for tests
VIRUS = b"A-VERY-BAD-ATTACHMENT"
SPAM_REJECT = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
SPAM_HEADER = b"YJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

RSPAMD = """options {{
  pidfile = "{dir}/pid"; tempdir = "{dir}"; filters = ""; url_tld = "{dir}/tld";
  enable_test_patterns = true; disable_hyperscan = true; history_file = "{dir}/history";
  control_socket = "{dir}/control mode=0600";
  dns {{ nameserver = ["127.0.0.1:53:10"]; timeout = 1s; retransmits = 1; }}
}}
logging {{ type = "file"; filename = "{dir}/log"; level = "info"; }}
worker "rspamd_proxy" {{
  bind_socket = "127.0.0.1:{port}"; milter = yes; count = 1; timeout = 30s;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
actions {{ reject = 15; add_header = 6; }}
"""

CLAMD = """Foreground yes
User root
LocalSocket {dir}/clamd.sock
DatabaseDirectory {dir}/db
LogFile {dir}/clamd.log
"""

CLAMAV_MILTER = """Foreground yes
User root
MilterSocket inet:{port}@127.0.0.1
ClamdSocket unix:{dir}/clamd.sock
OnInfected {infected}
OnClean Accept
OnFail Defer
AddHeader Replace
LogFile {dir}/log
TemporaryDirectory {dir}
"""

OPENDKIM = """Syslog no
UserID root
Mode s
Domain our.test
Selector s1
KeyFile {dir}/s1.private
Canonicalization relaxed/simple
OversignHeaders From
Socket {socket}
UMask 000
"""


class Daemon:
    """One process and its folder."""

    def __init__(self, world, name, argv, ready):
        self.argv, self.ready = argv, ready
        self.dir, self.name = world.path(name), name
        self.process = None

    def launch(self):
        with open(os.path.join(self.dir, "out"), "ab") as out:
            self.process = subprocess.Popen(self.argv, stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL)
        eventually(lambda: self.process.poll() is not None or self.ready(), f"{self.name} listens")
        if self.process.poll() is not None:
            with open(os.path.join(self.dir, "out"), encoding="utf-8", errors="replace") as f:
                raise Failure(f"{self.name} ended: " + f.read())
        return self

    def kill(self):
        self.process.kill()
        self.process.wait(20)


def folder(world, name):
    path = world.path(name)
    os.makedirs(path, exist_ok=True)
    return path


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def rspamd(world, port):
    path = folder(world, "rspamd")
    write(path + "/tld", "test\ncom\nnet\n")
    write(path + "/conf", RSPAMD.format(dir=path, port=port))
    return Daemon(world, "rspamd", ["rspamd", "-f", "-i", "-c", path + "/conf"],
                  lambda: port_open(port)).launch()


def clamav(world, port, infected="Quarantine"):
    """clamav-milter; its clamd runs beside it."""
    path = folder(world, "clamav")
    folder(world, "clamav/db")
    write(path + "/db/test.ndb", "Test.Virus:0:*:" + VIRUS.hex() + "\n")
    write(path + "/clamd.conf", CLAMD.format(dir=path))
    write(path + "/conf", CLAMAV_MILTER.format(dir=path, port=port, infected=infected))
    Daemon(world, "clamav", ["clamd", "-c", path + "/clamd.conf"],
           lambda: os.path.exists(path + "/clamd.sock")).launch()
    return Daemon(world, "clamav", ["clamav-milter", "-c", path + "/conf"],
                  lambda: port_open(port)).launch()


def opendkim(world, socket):
    """Signs for our.test with the selector s1; .record is what DNS would say."""
    folder(world, "opendkim")
    # it reads nothing below a folder that anybody may write to, as /tmp is
    path = "/mnt/opendkim"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/mnt"], check=True)
    os.mkdir(path, 0o700)
    done = subprocess.run(["opendkim-genkey", "-D", path, "-d", "our.test", "-s", "s1", "-b",
                           "2048"], capture_output=True, text=True, check=False)
    check(done.returncode == 0, "opendkim-genkey:", done.stderr)
    write(path + "/conf", OPENDKIM.format(dir=path, socket=socket))
    where = socket.split(":", 1)[1]
    ready = (lambda: os.path.exists(where)) if socket.startswith("local:") else \
            (lambda: port_open(int(where.split("@")[0])))
    d = Daemon(world, "opendkim", ["opendkim", "-f", "-x", path + "/conf"], ready).launch()
    with open(path + "/s1.txt", encoding="ascii") as f:
        d.record = "".join(f.read().split('"')[1::2])
    return d


def postgrey(world, socket, delay):
    path = folder(world, "postgrey")
    return Daemon(world, "postgrey",
                  ["postgrey", f"--unix={socket}", f"--dbdir={path}", f"--delay={delay}",
                   "--user=root", "--group=root", f"--pidfile={path}/pid",
                   "--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null",
                   "--auto-whitelist-clients=0"],
                  lambda: os.path.exists(socket)).launch()


def policyd_spf(world, port):
    """One process for each connection, as Postfix's spawn(8) starts it; 127.0.0.1 is checked, too."""
    path = folder(world, "spf")
    write(path + "/conf", "debugLevel = 1\nTestOnly = 1\nHELO_reject = False\n"
          "Mail_From_reject = Fail\nPermError_reject = False\nTempError_Defer = True\n"
          "skip_addresses = 192.0.2.255/32\n")
    write(path + "/resolv.conf", "nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", path + "/resolv.conf", "/etc/resolv.conf"], check=True)

    class Connection(socketserver.BaseRequestHandler):
        def handle(self):
            with open(path + "/out", "ab") as out:
                subprocess.run(["policyd-spf", path + "/conf"], stdin=self.request,
                               stdout=self.request, stderr=out, check=False)

    class Spawn(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
    server = Spawn(("127.0.0.1", port), Connection)
    threading.Thread(target=server.serve_forever, daemon=True).start()
