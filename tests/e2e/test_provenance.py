"""How a header came to be: msactl trace --diff, for what is queued and what is done."""

import os
import signal
import socket
import threading
import time

from harness.case import check, equal, eventually, test
from harness.milters import opendkim
from harness.receiver import Receiver
from harness.world import NETWORK, message, stuffed

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
BARE = b"From: <alice@our.test>\r\nTo: bob@else.test\r\nSubject: bare\r\n folded\r\n\r\nx\r\n"


def header_of(content):
    return content.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n"


def diff(w, queue_id):
    """The lines of the record, in JSON."""
    code, lines = w.ask("trace", queue_id, "--diff", may_fail=True)
    return [x for x in lines if "event" not in x] if code == 0 else []


def submitted(lines):
    return lines[0]["submitted"].encode("utf-8")


def sent(lines):
    return lines[-1]["sent"].encode("utf-8")


def applied(lines):
    """The submitted header with all changes made, as their old and new lines say: nothing else was
    changed."""
    text = submitted(lines)
    by_layer = {}
    for line in lines:
        if "old" in line:
            by_layer.setdefault(line["layer"], []).append(line)
    for _, changes in sorted(by_layer.items()):
        for change in reversed(changes):
            at, old = change["at"], change["old"].encode("utf-8")
            equal(text[at:at + len(old)], old, "what is changed")
            text = text[:at] + change["new"].encode("utf-8") + text[at + len(old):]
    return text


def dead_server(w):
    before = w.pid("server")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: w.serving() and w.pid("server") not in (0, before), "another server")


@test()
def told_while_queued_and_when_done(w):
    """Also over kill -9 of the server and a stop; octet for octet what the receiver got."""
    w.serve_dns(ZONE)
    w.start({"log": {"level": "info"}})
    queue_id = w.submit("bob@else.test", BARE)
    lines = eventually(lambda: diff(w, queue_id), "the diff of a queued message")
    equal(submitted(lines), header_of(BARE), "as submitted")
    reasons = [r for x in lines if "reasons" in x for r in x["reasons"]]
    equal([r["setting"] for r in reasons], ["", "rewrite.add_message_id", "rewrite.add_date"])
    equal([r["section"] for r in reasons], ["RFC 5321 4.4", "8.3", "8.2"])
    dead_server(w)
    equal(diff(w, queue_id), lines, "after kill -9")
    w.stop()
    w.launch()
    w.wait_ready()
    equal(diff(w, queue_id), lines, "after a stop")

    receiver = Receiver(NETWORK + "10")
    w.retried_until(lambda: receiver.messages, "it arrives")
    w.wait_empty()
    lines_then = eventually(lambda: diff(w, queue_id), "the diff of what is done")
    equal(lines_then, lines, "after the delivery")
    equal(sent(lines), header_of(receiver.messages[0].content), "as sent")
    equal(applied(lines), sent(lines), "the changes put together")
    time.sleep(1)  # history is written behind the queue
    dead_server(w)
    equal(diff(w, queue_id), lines, "of what is done, after kill -9")
    text = w.ctl("trace", queue_id, "--diff")
    for part in ("delivered", "--- as submitted\n+++ as changed by this server\n",
                 "@@ 8.2: Date was missing (rewrite.add_date)\n+Date: ", " Subject: bare\n  folded\n"):
        check(part in text, part, "not in", text)
    check("--diff" not in w.ctl("trace", queue_id), "without --diff")
    equal([x for x in w.ask("trace", queue_id)[1] if "event" not in x], [], "without --diff")


@test()
def of_large_messages_and_headers(w):
    """Of a spool file, of a large header; one that is deleted by the operator."""
    w.serve_dns(ZONE)
    w.start()
    lines = b"".join(b"X-%d: " % n + b"y" * 900 + b"\r\n" for n in range(200))
    eight_bit = BARE.replace(b"bare", "grün".encode())
    for content, mail in ((BARE + b"0123456789\r\n" * 500000, ""), (lines + BARE, ""),
                          (eight_bit, " SMTPUTF8 BODY=8BITMIME")):
        queue_id = w.submit("bob@else.test", content, mail=mail)
        before = diff(w, queue_id)
        equal(submitted(before), header_of(content), "as submitted")
        equal(applied(before), sent(before), "the changes put together")
        w.ctl("queue", "delete", queue_id)
        equal(eventually(lambda: diff(w, queue_id), "after it was deleted"), before)


class PolicyService(threading.Thread):
    """Answers every question with the same action."""

    def __init__(self, port, action):
        super().__init__(daemon=True)
        self.action = action
        self.listener = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        text = b""
        while True:
            got = connection.recv(65536)
            if not got:
                return
            text += got
            while b"\n\n" in text:
                text = text.split(b"\n\n", 1)[1]
                connection.sendall(f"action={self.action}\n\n".encode())


@test()
def each_party_has_its_layer(w):
    """The policy service's field, opendkim's signature and our own; sent is what the receiver got."""
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.write()
    keys = [{"domain": "our.test", "selector": x["selector"], "key": x["key"]}
            for x in w.ask("dkim", "new", "our.test", "s1")[1]]
    path = w.path("dkim.sock")
    opendkim(w, "local:" + path)
    PolicyService(10040, "PREPEND X-Policy: seen")
    w.start({"policy": {"milters": {"socket": "unix:" + path}, "service": "inet:10040@127.0.0.1"},
             "rewrite": {"dkim": keys}})
    queue_id = w.submit("bob@else.test", stuffed(message(body=b"0123456789\r\n" * 50000)))
    eventually(lambda: receiver.messages, "it arrives")
    w.wait_empty()
    lines = eventually(lambda: diff(w, queue_id), "the diff")
    equal([(x["by"], x["name"]) for x in lines if "by" in x],
          [("server", ""), ("service", ""), ("milter", "unix:" + path), ("signature", "")])
    check(any(x.get("new") == "X-Policy: seen\r\n" and x["layer"] == 2 for x in lines), lines)
    check(any(x.get("new", "").startswith("DKIM-Signature:") and x["layer"] == 3 for x in lines),
          lines)
    equal(sent(lines), header_of(receiver.messages[0].content), "as sent")
    equal(applied(lines), sent(lines), "the changes put together")


@test()
def nothing_of_what_was_refused(w):
    w.serve_dns(ZONE)
    w.start({"queue": {"history": "14d"}})
    s = w.session()
    s.want(250, "MAIL FROM:<alice@our.test>")
    s.want(250, "RCPT TO:<bob@else.test>")
    code, text = s.data(b"no header at all\r\n\r\nx\r\n")
    equal(code, 554, text)
    session_id = text.split("[")[-1].rstrip("]")
    eventually(lambda: w.msactl("trace", session_id).returncode == 0, "it was noted")
    done = w.msactl("trace", session_id, "--diff")
    equal(done.returncode, 0, done.stderr)
    check("nothing is kept" in done.stderr and "+++" not in done.stdout, done.stdout, done.stderr)
    equal(w.msactl("trace", "--diff").returncode, 2, "without an id")
    equal(w.msactl("queue", "list", "--diff").returncode, 2, "of another command")
    w.ctl("trace", "0123456789abcdef", "--diff", code=1)
