"""DKIM: what msad signs holds for others (python3-dkim, opendkim, rspamd), in all shapes of mail; the
keys, their rotation, and what happens while nobody can sign."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import dkim

from harness.case import check, equal, eventually, test
from harness.receiver import Receiver
from harness.world import NETWORK, USER, message, stuffed

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
nowhere.test. MX 0 .
"""


class Keys:
    """Made by msactl dkim new; what the DNS says of them."""

    def __init__(self, w):
        self.w, self.records, self.rows = w, {}, []

    def new(self, selector, domain="our.test", **more):
        for line in self.w.ask("dkim", "new", domain, selector)[1]:
            self.records[line["name"] + "."] = line["record"].encode()
            self.rows.append(dict({"domain": domain, "selector": line["selector"],
                                   "key": line["key"]}, **more))
        return self

    def zone(self):
        lines = []
        for name, record in self.records.items():
            strings = [record[at:at + 255].decode() for at in range(0, len(record), 255)]
            lines.append(f"{name} TXT " + " ".join(f'"{s}"' for s in strings) + "\n")
        return "".join(lines)

    def lookup(self, name, timeout=0):
        return self.records.get(name.decode() if isinstance(name, bytes) else name)


def begin(w, over=None, selector="s1", **row):
    """Keys, DNS with them, msad that signs with them, a receiver of else.test."""
    w.write()
    keys = Keys(w).new(selector, **row)
    w.serve_dns(ZONE + keys.zone())
    receiver = Receiver(NETWORK + "10")
    w.start(dict({"rewrite": {"dkim": keys.rows}}, **(over or {})))
    return keys, receiver


def received(receiver, number):
    eventually(lambda: len(receiver.messages) >= number, f"{number} messages arrive")
    return receiver.messages[number - 1]


def signatures(got):
    return [dict(tag.strip().split("=", 1) for tag in value.split(";"))
            for value in got.header("dkim-signature")]


def verify(keys, content, count=2):
    """python3-dkim looks at each signature."""
    d = dkim.DKIM(content)
    for index in range(count):
        check(d.verify(idx=index, dnsfunc=keys.lookup), f"signature {index} does not hold:\n",
              content[:3000].decode("latin-1"))


def one(w, keys, receiver, content, number, **more):
    """Submits content; what arrives holds, and is content with our fields on top."""
    w.submit("bob@else.test", stuffed(content), **more)
    got = received(receiver, number)
    tags = signatures(got)
    equal([t["a"] for t in tags[:2]], ["rsa-sha256", "ed25519-sha256"])
    verify(keys, got.content)
    check(got.content.startswith(b"DKIM-Signature:"), "the signatures are not on top")
    for line in got.content[:got.content.index(b"Received:")].split(b"\r\n"):
        check(len(line) <= 78, "a line of a signature is too long:", line)
    return got


SHAPES = {
    "plain": message(),
    "empty body": message(body=b""),
    "line ends only": message(body=b"\r\n\r\n\r\n"),
    "trailing blank lines": message(body=b"text\r\n\r\n \t\r\n\r\n\r\n"),
    "white space": message(body=b"  a \t b  \r\n\r\n\t\r\nc\t\r\n"),
    "dots": message(body=b".\r\n..\r\n.a\r\n"),
    "8 bit": message(body="Grüße\r\n".encode(), extra=b"Content-Type: text/plain; charset=utf-8\r\n"
                     b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"),
    "References of 1,000 octets in one line": message(
        extra=b"References: " + b" ".join(b"<%060d@our.test>" % i for i in range(13)) + b"\r\n"),
    "References of 4,000 octets, folded": message(
        extra=b"References:" + b"".join(b"\r\n\t <%060d@our.test>" % i for i in range(57)) + b"\r\n"),
    "odd folding": message(extra=b"X-A: b\r\nCc:\r\n\t\t a@else.test ,\r\n   b@else.test  \r\n"),
    "several fields of a name": message(extra=b"Keywords: a\r\nComments: b\r\nComments: c\r\n"),
    "a list's": message(extra=b"List-Id: <l.our.test>\r\nList-Unsubscribe: <https://our.test/u>\r\n"
                        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
    "no Date, no Message-ID": b"From: <alice@our.test>\r\nSubject: bare\r\n\r\nx\r\n",
    "signed before, by us": message(
        extra=b"DKIM-Signature: v=1; a=rsa-sha256; d=our.test; s=s1; h=From; bh=AAAA; b=BBBB\r\n"),
    "large": message(body=b"0123456789 abcdef  \r\n" * 30000),
    "lines of 998": message(body=(b"x" * 998 + b"\r\n") * 50),
}


def all_shapes(w, canonicalization):
    keys, receiver = begin(w, canonicalization=canonicalization)
    for number, (name, content) in enumerate(SHAPES.items(), 1):
        print(name)
        got = one(w, keys, receiver, content, number)
        equal(signatures(got)[0]["c"], canonicalization)
        body = content.split(b"\r\n\r\n", 1)[1]
        equal(got.body, body, f"{name}: the body")


@test()
def dkim_relaxed(w):
    all_shapes(w, "relaxed/relaxed")


@test()
def dkim_simple(w):
    all_shapes(w, "simple/simple")


@test()
def dkim_mixed(w):
    all_shapes(w, "relaxed/simple")


@test()
def dkim_is_oversigned(w):
    """Nobody can add a field that people see, nor change one; a trace field may come."""
    keys, receiver = begin(w)
    content = one(w, keys, receiver, message(), 1).content
    good = b"Received: from a by b; Mon, 01 Jun 2026 10:00:00 +0000\r\n" + content
    verify(keys, good)
    for field in (b"From: eve@our.test", b"To: x@y.test", b"Subject: other", b"Reply-To: eve@x.test",
                  b"Cc: z@y.test", b"Content-Type: text/html", b"Date: now", b"References: <a@b>"):
        check(not dkim.DKIM(field + b"\r\n" + content).verify(dnsfunc=keys.lookup),
              "may be added:", field)
    check(not dkim.DKIM(content.replace(b"Hello", b"Hallo")).verify(dnsfunc=keys.lookup), "body")


OPENDKIM = """Syslog no
UserID root
Mode v
Nameservers 127.0.0.1
Socket inet:{port}@127.0.0.1
AlwaysAddARHeader yes
AuthservID checker.test
"""


@test()
def dkim_holds_for_opendkim_and_rspamd(w):
    """libopendkim's verifier by its milter, rspamd by its own; both look the keys up in the DNS."""
    keys, receiver = begin(w)
    files = []
    for number, (name, content) in enumerate(SHAPES.items(), 1):
        got = one(w, keys, receiver, content, number)
        files.append((name, w.path(f"m{number}")))
        with open(files[-1][1], "wb") as f:
            f.write(got.content)
    for name, path in files:
        done = subprocess.run(["opendkim", "-t", path, "-x", opendkim_conf(w)],
                              capture_output=True, text=True, check=False)
        check(done.returncode == 0 and "verification (s=s1" in done.stdout + done.stderr
              and "succeeded" in done.stdout + done.stderr, name, done.returncode, done.stdout,
              done.stderr)
    check_with_rspamd(w, files)


def opendkim_conf(w):
    path = w.path("opendkim.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write(OPENDKIM.format(port=8999))
    return path
