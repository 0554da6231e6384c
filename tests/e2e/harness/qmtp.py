"""Receivers of mail by QMTP: one that gives a response for each recipient, and whatever else it is
scripted to do, and mailfront."""

import os
import socket
import ssl
import subprocess
import threading
import time

from .case import eventually
from .world import port_open


class Fault(Exception):
    """What was sent is no QMTP."""


class Package:
    """One package as it arrived; content: with LF line ends, without the LF that says so."""

    def __init__(self, session, message, sender, recipients):
        if message[:1] != b"\n":
            raise Fault("message in another encoding")
        self.tls = session.tls
        self.content, self.sender = message[1:], sender.decode()
        self.recipients = [r.decode() for r in recipients]
        self.time = time.monotonic()

    @property
    def crlf(self):
        return self.content.replace(b"\n", b"\r\n")

    def header(self, name):
        """All values of a field, unfolded."""
        head = self.content.split(b"\n\n", 1)[0].replace(b"\n ", b" ").replace(b"\n\t", b" ")
        pairs = [line.split(b":", 1) for line in head.split(b"\n")]
        return [p[1].strip().decode("latin-1") for p in pairs
                if len(p) == 2 and p[0].lower() == name.lower().encode()]

    @property
    def body(self):
        return self.content.split(b"\n\n", 1)[1]


def netstring(content):
    return b"%d:%s," % (len(content), content)


def whole_netstrings(octets):
    """The netstrings of which octets consist, exactly."""
    out = []
    while octets:
        digits, colon, rest = octets.partition(b":")
        if not colon or not digits.isdigit() or (digits[:1] == b"0" and digits != b"0"):
            raise Fault(f"length {digits[:20]!r}")
        if rest[int(digits):int(digits) + 1] != b",":
            raise Fault("a netstring that does not end where it should")
        out.append(rest[:int(digits)])
        octets = rest[int(digits) + 1:]
    return out


class Session:
    def __init__(self, receiver, sock):
        self.receiver, self.sock, self.tls = receiver, sock, False
        self.octets = 0  # read of this package

    def read(self, count):
        """Octets; None: the client closed before the first one of them."""
        out = bytearray()
        limit = self.receiver.cut_at
        while len(out) < count:
            part = count - len(out)
            if limit is not None:
                part = min(part, limit - self.octets)
                if part == 0:
                    raise OSError("cut as scripted")
            time.sleep(self.receiver.slow)
            piece = self.sock.recv(min(part, 1 << 16))
            if not piece:
                if out or self.octets:
                    raise OSError("the client closed within a package")
                return None
            out += piece
            self.octets += len(piece)
        return bytes(out)

    def netstring(self):
        digits = b""
        while True:
            octet = self.read(1)
            if octet is None:
                return None
            if octet == b":":
                break
            digits += octet
            if not digits.isdigit() or len(digits) > 9 or (digits[:1] == b"0" and len(digits) > 1):
                raise Fault(f"length {digits!r}")
        if not digits:
            raise Fault("no length")
        self.ask("LENGTH", int(digits))
        content = self.read(int(digits))
        if self.read(1) != b",":
            raise Fault("no comma")
        return content

    def package(self):
        self.octets = 0
        message = self.netstring()
        if message is None:
            return None
        sender, recipients = self.netstring(), whole_netstrings(self.netstring())
        if not recipients:
            raise Fault("no recipient")
        for address in [sender, *recipients]:
            if address[:1] == b"<" or (address and b"@" not in address):
                raise Fault(f"address {address!r}")
        return Package(self, message, sender, recipients)

    def ask(self, event, what):
        """What the script wants: None, or octets and pauses (seconds) to send; False: close."""
        script = self.receiver.script
        answer = script(event, what, self) if script else None
        if answer is False:
            raise OSError("closed as scripted")
        if isinstance(answer, bytes):
            answer = [answer]
        for part in answer or []:
            if isinstance(part, bytes):
                self.sock.sendall(part)
            else:
                time.sleep(part)
        return answer is not None

    def run(self):
        self.ask("CONNECT", None)
        while True:
            package = self.package()
            if package is None:
                return
            self.receiver.seen.append(package)
            if not self.ask("PACKAGE", package):
                self.respond(package)
            self.ask("DONE", package)

    def respond(self, package):
        for recipient in package.recipients:
            said = b"K2.0.0 taken"
            if self.receiver.judge:
                said = self.receiver.judge(recipient, package) or said
            if said.startswith(b"K"):
                self.receiver.taken.append((recipient, package))
            self.sock.sendall(netstring(said))


class QmtpReceiver:
    """Listens on one address; with a certificate under TLS from the first octet.
    judge(recipient, package): the response, None for K.
    script(event, what, session): octets and pauses to send, None for nothing, False to close, at
    CONNECT, LENGTH (of each netstring, once it is known), PACKAGE (in place of the responses) and
    DONE (after them). cut_at: closes after so many octets of a package. window: octets that the
    kernel takes unread. slow: seconds before each read."""

    def __init__(self, address, port=209, judge=None, script=None, certificate=None, cut_at=None,
                 window=None, slow=0):
        self.judge, self.script, self.cut_at, self.slow = judge, script, cut_at, slow
        self.seen = []    # packages that arrived whole
        self.taken = []   # (recipient, package) that a K was said for
        self.faults = []  # of the client
        self.connections = 0
        self.open = []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family, backlog=512)
        if window:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        session = Session(self, sock)
        self.open.append(session)
        try:
            if self.context:
                session.sock = self.context.wrap_socket(sock, server_side=True)
                session.tls = True
            session.run()
        except Fault as fault:
            self.faults.append(str(fault))
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.open.remove(session)
            session.sock.close()
            sock.close()

    def close(self):
        """No further connection, and those that are open are cut."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in list(self.open):
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


QUEUE = """#!/bin/sh
# in the place of qmail-queue: message on 0, envelope on 1
n=$(mktemp "$QMAILHOME/in/XXXXXX") || exit 53
cat >"$n" && cat <&1 >"$n.envelope" && mv "$n.envelope" "$n.done"
"""


class Mailfront:
    """mailfront, which gives one response a package, whatever the number of recipients."""

    def __init__(self, folder, address, port=209, plugins=("accept",)):
        self.dir = os.path.join(folder, "mailfront")
        for name in ("bin", "in", "control"):
            os.makedirs(os.path.join(self.dir, name))
        program = os.path.join(self.dir, "bin", "qmail-queue")
        with open(program, "w", encoding="ascii") as f:
            f.write(QUEUE)
        os.chmod(program, 0o755)
        with open(os.path.join(folder, "mailfront.log"), "ab") as log:
            self.process = subprocess.Popen(
                ["tcpserver", "-HRl0", "-c", "100", address, str(port),
                 "mailfront", "qmtp", "qmail", *plugins], stdout=log, stderr=log,
                env=dict(os.environ, QMAILHOME=self.dir))
        eventually(lambda: port_open(port, address), "mailfront listens")

    @property
    def taken(self):
        """(recipient, content) for each recipient of what it has queued."""
        out = []
        for name in sorted(os.listdir(os.path.join(self.dir, "in"))):
            if not name.endswith(".done"):
                continue
            path = os.path.join(self.dir, "in", name)
            with open(path, "rb") as f:
                parts = f.read().rstrip(b"\0").split(b"\0")
            with open(path[:-5], "rb") as f:
                content = f.read()
            out += [(p[1:].decode(), content) for p in parts if p[:1] == b"T"]
        return out

    def close(self):
        self.process.terminate()
        self.process.wait()
