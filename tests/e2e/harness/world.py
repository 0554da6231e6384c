"""msad in a folder of its own, inside the namespaces that run.py has made for the test."""

import json
import os
import signal
import socket
import subprocess
import time

from . import config
from .case import Failure, check, equal, eventually
from .client import session
from .dns import Knot

REALM = "our.test"
USER, PASSWORD = "alice@our.test", "correct horse"
# receivers live here: not loopback, so that relay.allow_loopback stays off
NETWORK = "198.51.100."


class World:
    """Folder, DNS and msad of one test. Everything ends with the test's process namespace."""

    def __init__(self, folder, build):
        self.dir, self.build = folder, build
        self.conf = os.path.join(folder, "msa.conf")
        self.state = os.path.join(folder, "state")
        self.certificate = (os.environ["E2E_CERT"], os.environ["E2E_KEY"])
        self.process = self.dns = None
        self.environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=0",
                                UBSAN_OPTIONS="print_stacktrace=1")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def options(self):
        return {
            "hostname": "mail.our.test",
            "domains": [REALM],
            "state": self.state,
            "shutdown_grace": "10s",
            "tls": [{"certificate": self.certificate[0], "key": self.certificate[1]}],
            "listen": [{"address": "*", "port": 587, "tls": "starttls"},
                       {"address": "*", "port": 465, "tls": "implicit"}],
            "queue": {"retry": ["1s"], "lifetime": "1h"},
            "dns": {"servers": ["127.0.0.1"], "dnssec": "off", "timeout": "3s"},
            "limits": {"connections_per_client": 1000},
            "log": {"per_client_per_minute": 100000},
        }

    def write(self, over=None):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(config.text(config.merged(self.options(), over or {})))

    def serve_dns(self, records, **how):
        self.dns = Knot(self.dir, records, **how)
        return self.dns

    def start(self, over=None, user=True, wait=True):
        """Writes the configuration, adds the first user, starts msad and waits until it serves."""
        self.write(over)
        if user:
            self.ctl("user", "add", USER, "--password-stdin", stdin=PASSWORD + "\n")
        self.launch()
        if wait:
            self.wait_ready()

    def launch(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([f"{self.build}/msad", "-c", self.conf], stderr=log,
                                            stdout=log, env=self.environment)

    def wait_ready(self):
        eventually(lambda: self.process.poll() is not None or self.serving(),
                   "msad serves: " + self.log()[-2000:], 60)
        check(self.process.poll() is None, "msad ended at its start:\n", self.log())

    def serving(self):
        code, lines = self.ask("status", may_fail=True)
        return code == 0 and lines[0]["keeper"] == "serving" and lines[0]["server"] == "serving"

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_log(self, text, timeout=30):
        eventually(lambda: text in self.log(), f"in the log: {text}", timeout)

    def msactl(self, *words, stdin=None):
        return subprocess.run([f"{self.build}/msactl", "-c", self.conf, *words], input=stdin,
                              capture_output=True, text=True, env=self.environment, timeout=120,
                              stdin=subprocess.DEVNULL if stdin is None else None)

    def ctl(self, *words, stdin=None, code=0):
        """msactl with an expected exit code; what it printed."""
        done = self.msactl(*words, stdin=stdin)
        equal(done.returncode, code, f"exit code of msactl {words} ({done.stdout}{done.stderr})")
        return done.stdout + done.stderr

    def ask(self, *words, may_fail=False):
        """msactl --json: (exit code, list of objects)."""
        done = self.msactl("--json", *words)
        if not may_fail:
            equal(done.returncode, 0, f"exit code of msactl {words} ({done.stderr})")
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def status(self):
        """The status lines by process name."""
        return {line["process"]: line for line in self.ask("status")[1]}

    def queue(self):
        return self.ask("queue", "list")[1]

    def wait_empty(self, timeout=60):
        # not while a server that was killed is still away
        eventually(lambda: self.ask("queue", "list", may_fail=True) == (0, []), "the queue is empty",
                   timeout)

    def pid(self, name):
        return self.ask("status")[1][0][f"{name}_pid"]

    def session(self, port=587):
        return session(USER, PASSWORD, port)

    def submit(self, recipients, content=None, sender=USER, mail="", rcpt="", wire=None):
        """One message over a session of its own (or wire); its queue id."""
        s = wire or self.session()
        s.want(250, f"MAIL FROM:<{sender}>{mail}")
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            s.want(250, f"RCPT TO:<{recipient}>{rcpt}")
        code, text = s.data(content or message())
        equal(code, 250, f"end of data ({text})")
        if not wire:
            s.want(221, "QUIT")
            s.close()
        return text.split()[-1].rstrip(".")

    def retried_until(self, look, what, timeout=60):
        """eventually(), with the waiting times cut short by an impatient operator."""
        def again():
            got = look()
            if not got:
                self.msactl("queue", "retry")
                time.sleep(0.1)
            return got
        return eventually(again, what, timeout)

    def trace(self, queue_id):
        return self.ask("trace", queue_id)[1]

    def wait_event(self, queue_id, event, timeout=60):
        def look():
            code, lines = self.ask("trace", queue_id, may_fail=True)
            return [line for line in lines if line["event"] == event] if code == 0 else None
        return eventually(look, f"{event} in the trace of {queue_id}", timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=60):
        self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure("msad did not end after SIGTERM") from None
        equal(code, 0, "exit code of msad")

    def finish(self):
        """Stops what still runs and looks for what the sanitizers said."""
        if self.process and self.process.poll() is None:
            self.stop()
        if self.process:
            for sign in ("AddressSanitizer", "runtime error:", "child-ended server was ended by",
                         "broken contract"):
                check(sign not in self.log() or sign in getattr(self, "allowed", ()),
                      f"{sign} in the log")


def message(subject="test", body=b"Hello.\r\n", sender=USER, extra=b""):
    return (f"From: <{sender}>\r\nTo: someone@else.test\r\nSubject: {subject}\r\n"
            f"Date: Mon, 01 Jun 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{subject}.{time.monotonic_ns()}@our.test>\r\n").encode() + \
        extra + b"\r\n" + body


def stuffed(content):
    """Dot-stuffing for DATA."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")


def port_open(port, address="127.0.0.1"):
    try:
        socket.create_connection((address, port), timeout=1).close()
        return True
    except OSError:
        return False
