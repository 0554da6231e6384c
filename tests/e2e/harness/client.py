"""The submitting side: a raw SMTP client that shows each octet, and Python's smtplib over it."""

import base64
import hashlib
import hmac
import os
import re
import smtplib
import socket
import ssl

from .case import Failure, equal

OUR = "127.0.0.1"


def tls_context(minimum=None, maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


def without_id(reply):
    """A refusal, (code, text), without the session's id at its end."""
    return reply[0], re.sub(r" \[[0-9a-z]{10}\]$", "", reply[1])


class Wire:
    """One SMTP connection. say() sends a line and returns the reply as (code, text)."""

    def __init__(self, port=587, address=OUR, tls=False, timeout=30, greet=True, source=None,
                 context=None):
        self.sock = socket.create_connection((address, port), timeout=timeout,
                                             source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = (context or tls_context()).wrap_socket(self.sock)
        self.rest = b""
        self.greeting = self.reply() if greet else None

    def send(self, octets):
        self.sock.sendall(octets)

    def line(self):
        while b"\n" not in self.rest:
            got = self.sock.recv(65536)
            if not got:
                raise EOFError(f"connection closed after {self.rest!r}")
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Failure(f"reply line without CRLF: {line!r}")
        return line[:-1].decode("ascii")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return int(lines[-1][:3]), "\n".join(line[4:] for line in lines)

    def say(self, command):
        self.send(command.encode("latin-1") + b"\r\n")
        return self.reply()

    def want(self, code, command):
        got = self.say(command)
        equal(got[0], code, f"reply to {command[:200]!r} ({got[1]})")
        return got[1]

    def ehlo(self, name="client.test"):
        return self.want(250, f"EHLO {name}")

    def starttls(self, context=None):
        self.want(220, "STARTTLS")
        if self.rest:
            raise Failure(f"octets after the reply to STARTTLS: {self.rest!r}")
        self.sock = (context or tls_context()).wrap_socket(self.sock)

    def plain(self, user, password):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.say(f"AUTH PLAIN {token}")

    def login(self, user, password):
        """AUTH LOGIN; the reply to the password."""
        self.want(334, "AUTH LOGIN")
        self.want(334, base64.b64encode(user.encode()).decode())
        return self.say(base64.b64encode(password.encode()).decode())

    def scram(self, user, password, mechanism="SCRAM-SHA-256", gs2="n,,", binding=b"",
              initial=True):
        """AUTH SCRAM (RFC 5802, 7677); also checks the server's signature. gs2 says what the client
        binds, binding is that of the channel."""
        digest = mechanism.replace("-PLUS", "")[6:].replace("-", "").lower()
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n={user},r={nonce}"
        first = base64.b64encode(f"{gs2}{bare}".encode()).decode()
        if initial:
            code, text = self.say(f"AUTH {mechanism} {first}")
        else:
            equal(self.say(f"AUTH {mechanism}"), (334, ""), "a challenge that is empty")
            code, text = self.say(first)
        if code != 334:
            return code, text
        server_first = base64.b64decode(text).decode()
        part = dict(p.split("=", 1) for p in server_first.split(","))
        equal(part["r"][:len(nonce)], nonce, "SCRAM nonce")
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(part["s"]),
                                     int(part["i"]))
        key = hmac.digest(salted, b"Client Key", digest)
        bound = base64.b64encode(gs2.encode() + binding).decode()
        without_proof = f"c={bound},r={part['r']}"
        message = f"{bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        code, text = self.say(base64.b64encode(f"{without_proof},p={proof}".encode()).decode())
        if code != 334:
            return code, text
        server_key = hmac.digest(salted, b"Server Key", digest)
        wanted = base64.b64encode(hmac.digest(server_key, message, digest)).decode()
        equal(base64.b64decode(text).decode(), f"v={wanted}", "SCRAM server signature")
        return self.say("")

    def data(self, content):
        """DATA with content (CRLF lines, already dot-stuffed); the last reply."""
        self.want(354, "DATA")
        self.send(content + b".\r\n")
        return self.reply()

    def chunks(self, content, size):
        """BDAT with content as it is, in chunks of that size; the last reply."""
        for at in range(0, max(len(content), 1), size):
            part = content[at:at + size]
            last = " LAST" if at + size >= len(content) else ""
            self.send(f"BDAT {len(part)}{last}\r\n".encode() + part)
            got = self.reply()
            if got[0] != 250:
                break
        return got

    def closed(self):
        """Whether the other side has ended the connection, without further replies."""
        try:
            return self.rest == b"" and self.sock.recv(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            return True

    def close(self):
        self.sock.close()


def session(user=None, password=None, port=587, source=None, context=None):
    """A connection after STARTTLS (or implicit TLS on 465), EHLO and, with a user, AUTH PLAIN."""
    wire = Wire(port, tls=port == 465, source=source, context=context)
    wire.ehlo()
    if port != 465:
        wire.starttls(context)
        wire.ehlo()
    if user:
        code, text = wire.plain(user, password)
        equal(code, 235, f"AUTH PLAIN ({text})")
    return wire


def smtplib_session(user=None, password=None, port=587):
    if port == 465:
        s = smtplib.SMTP_SSL(OUR, port, context=tls_context(), timeout=60)
    else:
        s = smtplib.SMTP(OUR, port, timeout=60)
        s.starttls(context=tls_context())
    if user:
        s.login(user, password)
    return s
