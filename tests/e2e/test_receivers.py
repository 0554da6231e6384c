"""Receivers that misbehave: every realistic reply in every phase, connections closed in each, late
answers, garbage, endless and hostile ones. After each run the queue holds exactly what it should,
nothing is lost or doubled, the report has what the remote said, and the log says which phase, whose
address and how long."""

import email
import re
import socket
import time

from harness.case import check, equal, eventually, test
from harness.receiver import Receiver, at, no_handshake, swallows
from harness.world import NETWORK, message
from test_delivery import start

BAD, GOOD = "bad", "good"  # local parts; scripts of RCPT refuse the first
DEFERRED, FAILED, DELIVERED = "deferred", "failed", "delivered"
# of relay's log, by the verb that the script of a receiver sees
PHASE = {"CONNECT": "GREETING", "EHLO": "EHLO", "HELO": "HELO", "STARTTLS": "STARTTLS",
         "MAIL": "MAIL", "RCPT": "RCPT", "DATA": "DATA", "END": "END_OF_DATA"}
ONCE = {"queue": {"retry": ["1h"], "lifetime": "2d"}}


class Case:
    """One receiver, and one message to two of its recipients. verdicts: of bad and of good; text: what
    the log and the report have of the remote's words; phase, status: of the log, or None. again: the
    receiver may have it twice, since it took it and never said so."""

    def __init__(self, name, script, verdicts, phase=None, status=None, text="", again=False,
                 **options):
        self.name, self.script, self.verdicts = name, script, verdicts
        self.phase, self.status, self.text, self.again = phase, status, text, again
        self.options = options

    def number(self, i):
        self.domain, self.host = f"c{i}.test", f"mx.c{i}.test"
        self.address = f"{NETWORK}{10 + i}"


class Run:
    """All cases at once under one msad."""

    def __init__(self, w, cases, over=None):
        self.w, self.cases = w, cases
        for i, case in enumerate(cases):
            case.number(i + 20)
        zone = "".join(f"{c.domain}. MX 10 {c.host}.\n{c.host}. A {c.address}\n" for c in cases)
        zone = zone.replace("mx.our.test", "author.our.test")
        self.author = start(w, dict(ONCE, **(over or {})), zone)
        for case in cases:
            case.receiver = Receiver(case.address, script=case.script, **case.options)
        s = w.session()
        for case in cases:
            case.id = w.submit([f"{BAD}@{case.domain}", f"{GOOD}@{case.domain}"],
                               message(subject=case.name.replace(" ", "_")), wire=s,
                               mail=f" ENVID={case.domain}")
        s.close()

    def wait(self, seconds=90):
        """Until every recipient has been tried once."""
        def tried():
            log = self.w.log()
            return all(re.search(f"(delivered|deferred|failed) queue={c.id}", log) for c in self.cases)
        try:
            eventually(tried, "every message is tried", seconds)
        except Exception:
            log = self.w.log()
            left = [c.name for c in self.cases
                    if not re.search(f"(delivered|deferred|failed) queue={c.id}", log)]
            raise AssertionError(f"not tried: {left}") from None
        wanted = {(c.id, f"{local}@{c.domain}") for c in self.cases
                  for local, verdict in zip((BAD, GOOD), c.verdicts) if verdict == DEFERRED}
        got = {}

        def settled():
            got["queue"] = {(q["id"], q["to"]) for q in self.w.queue()
                            if not q["to"].endswith("@our.test")}
            return got["queue"] == wanted
        try:
            eventually(settled, "the queue", 30)
        except Exception:
            names = {c.id: c.name for c in self.cases}
            more = sorted((names.get(i, i), to) for i, to in got["queue"] - wanted)
            less = sorted((names.get(i, i), to) for i, to in wanted - got["queue"])
            raise AssertionError(f"in the queue, and should not be: {more}; not there: {less}") \
                from None

    def check_reports(self):
        """One for each message that failed for somebody, and no other."""
        failed = [c for c in self.cases if FAILED in c.verdicts]
        eventually(lambda: len(self.author.messages) >= len(failed), "reports", 60)
        by_id = {}
        for got in self.author.messages:
            parsed = email.message_from_bytes(got.content)
            blocks = parsed.get_payload()[1].get_payload()
            by_id.setdefault(blocks[0]["Original-Envelope-Id"], []).append(parsed)
        equal(sorted(by_id), sorted(c.domain for c in failed), "messages that are reported")
        for case in failed:
            equal(len(by_id[case.domain]), 1, f"{case.name}: reports")
            parts = by_id[case.domain][0].get_payload()
            wanted = [f"{local}@{case.domain}" for local, verdict in zip((BAD, GOOD), case.verdicts)
                      if verdict == FAILED]
            blocks = parts[1].get_payload()[1:]
            equal([b["Final-Recipient"].split(";")[1].strip() for b in blocks], wanted, case.name)
            for block in blocks:
                equal(block["Action"], "failed", case.name)
                said = re.sub(r"\s+", " ", block["Diagnostic-Code"])
                for line in case.text.split("\n"):
                    check(line in said, case.name, "not in the report:", line, "but", said)
                check(case.host in block["Remote-MTA"], case.name, block["Remote-MTA"])
                if case.status:
                    equal(block["Status"], case.status, case.name)
            for line in case.text.split("\n"):
                check(line in re.sub(r"\s+", " ", parts[0].get_payload()), case.name,
                      "the words for people lack:", line, parts[0].get_payload())

    def check_log(self):
        """Which phase, whose address, how long, what was said."""
        log = self.w.log()
        for case in self.cases:
            verdict = next((v for v in case.verdicts if v != DELIVERED), DELIVERED)
            lines = [x for x in log.splitlines() if f" {verdict} queue={case.id}" in x]
            check(lines, case.name, "no line in the log says", verdict)
            at = f"remote={case.host} [{case.address}]:25 "
            check(any(at in x for x in lines), case.name, at, lines)
            line = next(x for x in lines if at in x)
            check(re.search(r" elapsed=\d+ms total=\d+ms status=\d\.\d+\.\d+: ", line), line)
            if case.phase:
                check(f" phase={case.phase} " in line, case.name, case.phase, line)
            if case.status:
                check(f" status={case.status}: " in line, case.name, case.status, line)
            check(case.text.split("\n")[0][:60] in line, case.name, case.text, line)

    def check_received(self):
        for case in self.cases:
            got = sorted(r.split("<")[1].split("@")[0] for m in case.receiver.messages
                         for r in m.rcpt)
            wanted = sorted(local for local, verdict in zip((BAD, GOOD), case.verdicts)
                            if verdict == DELIVERED)
            if not case.again:
                equal(got, wanted, f"{case.name}: who has it")

    def recover(self):
        """Every receiver behaves now: what was put off arrives, once."""
        for case in self.cases:
            case.receiver.script = None
        self.w.retried_until(lambda: not self.w.queue(), "the queue is empty", 90)
        for case in self.cases:
            counts = {BAD: 0, GOOD: 0}
            for m in case.receiver.seen if case.again else case.receiver.messages:
                for r in m.rcpt:
                    counts[r.split("<")[1].split("@")[0]] += 1
            for (local, count), verdict in zip(counts.items(), case.verdicts):
                wanted = (0,) if verdict == FAILED else (1, 2) if case.again else (1,)
                check(count in wanted, f"{case.name}: {local} has it {count} times")
            bodies = {m.body for m in case.receiver.messages}
            check(bodies <= {b"Hello.\r\n"}, case.name, bodies)

    def all(self, seconds=90):
        self.wait(seconds)
        self.check_log()
        self.check_received()
        self.check_reports()
        self.recover()


# ---- replies ----

# as real servers send them: code, enhanced status or "", words
FOUR = [(421, "4.3.2", "Service not available, closing transmission channel"),
        (421, "4.7.0", "[TSS04] Messages from 198.51.100.1 temporarily deferred due to user complaints"),
        (432, "4.3.2", "STOREDRV.Deliver; recipient thread limit exceeded"),
        (450, "4.2.0", "Recipient address rejected: Greylisted, see https://greylist.example/help"),
        (450, "", "mailbox busy"), (451, "4.3.0", "Temporary lookup failure"),
        (451, "4.7.500", "Server busy. Please try again later from [198.51.100.1]. (AS77712)"),
        (452, "4.2.2", "The email account that you tried to reach is over quota."),
        (452, "4.5.3", "Too many recipients"), (452, "", "insufficient system storage"),
        (454, "4.7.1", "Relay access denied"), (455, "", "parameters not accommodated"),
        (471, "", "an error of your mail server prevented delivery"), (499, "4.0.0", "later")]
FIVE = [(500, "5.5.2", "Error: command not recognized"), (501, "5.1.7", "Bad sender address syntax"),
        (502, "5.5.1", "Command not implemented"), (503, "5.5.1", "Bad sequence of commands"),
        (504, "5.5.2", "<our>: Helo command rejected: need fully-qualified hostname"),
        (510, "5.1.1", "no such host"), (521, "5.3.2", "does not accept mail"),
        (523, "5.3.4", "the total message size exceeds the server limit"),
        (530, "5.7.0", "Must issue a STARTTLS command first"), (535, "5.7.8", "authentication failed"),
        (541, "5.7.1", "The recipient address rejected your message"),
        (550, "5.1.1", "The email account that you tried to reach does not exist."),
        (550, "5.7.1", "Service unavailable, client host [198.51.100.1] blocked using zen.list.example"),
        (550, "5.7.26", "This mail has been blocked because the sender is unauthenticated."),
        (550, "", "no such user here"), (551, "5.1.6", "User not local; please try <other@else.test>"),
        (552, "5.2.2", "Mailbox full"), (552, "5.3.4", "Message size exceeds fixed limit"),
        (552, "", "Too many recipients"), (553, "5.1.8", "sorry, your domain does not exist (#5.1.8)"),
        (554, "5.7.1", "Message rejected as spam (score 12.3)"), (554, "", "transaction failed"),
        (555, "5.5.4", "Unsupported option"), (556, "5.1.10", "Recipient address has null MX"),
        (571, "5.7.1", "Delivery not authorized, message refused"), (599, "5.0.0", "never")]


def put_off(status):
    return "4" + status[1:] if status else None


def reply_case(verb, code, status, words, **more):
    """What RFC 5321 and the relay's own table make of one reply."""
    text = f"{code} {status + ' ' if status else ''}{words}"
    script = at(verb, text, BAD if verb == "RCPT" else None)
    name = f"{verb} {code} {status}"
    later = (DEFERRED, DEFERRED)
    # the usual reply to HELO follows, unless who refuses shows that it knows EHLO
    if verb == "EHLO" and code >= 500 and not (code == 550 and status):
        return Case(name, script, (DELIVERED, DELIVERED), "END_OF_DATA", "2.0.0")
    if verb in ("CONNECT", "EHLO", "HELO") or code == 421:
        if verb == "HELO":
            refuse = script
            script = lambda got, args, s: "502 5.5.1 what" if got == "EHLO" else refuse(got, args, s)
        return Case(name, script, later, PHASE[verb], put_off(status), text, **more)
    if verb == "RCPT" and code == 552 and status in ("", "5.5.3"):
        return Case(name, script, (DEFERRED, DELIVERED), PHASE[verb], "4.5.3", text)
    verdict = DEFERRED if code < 500 else FAILED
    if verb == "RCPT":
        return Case(name, script, (verdict, DELIVERED), PHASE[verb], status or None, text)
    return Case(name, script, (verdict, verdict), PHASE[verb], status or None, text)


@test(timeout=300)
def every_reply_to_the_session(w):
    Run(w, [reply_case(verb, *row) for verb in ("CONNECT", "EHLO", "HELO") for row in FOUR + FIVE]).all()


@test(timeout=300)
def every_reply_to_the_envelope(w):
    Run(w, [reply_case(verb, *row) for verb in ("MAIL", "RCPT") for row in FOUR + FIVE]).all()


@test(timeout=300)
def every_reply_to_the_content(w):
    Run(w, [reply_case(verb, *row) for verb in ("DATA", "END") for row in FOUR + FIVE]).all()


@test(timeout=300)
def replies_without_pipelining(w):
    """The same to a server that is asked one thing at a time, and one that takes chunks."""
    cases = []
    for extensions in ([], ["PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES"]):
        for verb in ("MAIL", "RCPT", "END"):
            for row in FOUR[::3] + FIVE[::4]:
                case = reply_case(verb, *row)
                case.options = {"extensions": extensions}
                case.name += f" {len(extensions)}"
                cases.append(case)
    Run(w, cases).all()


@test()
def what_comes_after_counts_no_more(w):
    """Replies to QUIT and RSET change nothing of what was taken; two recipients refused, nobody left;
    replies of several lines."""
    lines = "550-5.7.1 first line\r\n550-5.7.1 <https://example.test/?a=b&c=d>\r\n550 5.7.1 last line"
    later = "451-4.3.0 one\r\n451 4.3.0 two"
    cases = [Case(f"QUIT {reply}", at("QUIT", reply), (DELIVERED, DELIVERED), "END_OF_DATA")
             for reply in ("500 5.5.1 what", "421 4.3.2 bye", b"", b"\x00\xff\r\n", False)]
    cases += [
        Case("both refused", at("RCPT", "550 5.1.1 nobody here"), (FAILED, FAILED), "RCPT", "5.1.1",
             "550 5.1.1 nobody here"),
        Case("both later", at("RCPT", "450 4.2.0 greylisted"), (DEFERRED, DEFERRED), "RCPT", "4.2.0",
             "450 4.2.0 greylisted"),
        Case("RSET", lambda verb, args, s: "550 5.1.1 no" if verb == "RCPT" else
             "451 4.3.0 no" if verb == "RSET" else None, (FAILED, FAILED), "RCPT", "5.1.1"),
        Case("lines", at("END", lines), (FAILED, FAILED), "END_OF_DATA", "5.7.1",
             "550 5.7.1 first line\n<https://example.test/?a=b&c=d>\nlast line"),
        Case("lines later", at("END", later), (DEFERRED, DEFERRED), "END_OF_DATA", "4.3.0",
             "451 4.3.0 one"),
        Case("lines of a refusal", at("RCPT", lines, BAD), (FAILED, DELIVERED), "RCPT", "5.7.1",
             "550 5.7.1 first line\nlast line"),
        Case("utf8", at("END", "550 5.7.1 Schöne Grüße".encode() + b"\r\n"), (FAILED, FAILED),
             "END_OF_DATA", "5.7.1"),
        Case("latin1", at("END", b"550 5.7.1 Gr\xfc\xdfe\r\n"), (FAILED, FAILED), "END_OF_DATA",
             "5.7.1"),
        Case("354 at the end", at("END", "354 more"), (DEFERRED, DEFERRED), "END_OF_DATA", None,
             again=True),
        Case("250 to DATA", at("DATA", "250 2.0.0 ok"), (DEFERRED, DEFERRED), "DATA"),
    ]
    Run(w, cases).all()


# ---- connections that end ----

def closes(verb, how):
    """After the command has come. END: everything has come."""
    def act(session, usual):
        if how == "reset":  # RST in place of FIN
            session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    b"\x01\x00\x00\x00\x00\x00\x00\x00")
        elif how == "half":
            session.raw(usual.encode("latin-1")[:2])
        elif how == "line":
            session.raw(usual.encode("latin-1"))
        elif how == "multi":
            session.raw(usual[:3].encode() + b"-and so on\r\n")
        return False
    return at(verb, act)


class InContent:
    """Closes when so much of the content has come."""

    def __init__(self, octets):
        self.octets = octets

    def __call__(self, session, usual):
        session.say("354 go on")
        session.file.read(self.octets)
        return False


@test(timeout=300)
def closed_in_every_phase(w):
    cases = []
    for verb, phase in PHASE.items():
        if verb in ("HELO", "STARTTLS"):
            continue
        for how in ("plain", "reset", "half", "line", "multi"):
            if verb == "DATA" and how == "line":
                continue  # "354 send it" without its end
            if (verb, how) == ("CONNECT", "reset"):
                phase = None  # it may come before we know that we are connected
            cases.append(Case(f"{verb} {how}", closes(verb, how), (DEFERRED, DEFERRED), phase,
                              again=verb == "END"))
    # the phase of a loss in the content is that of whoever sees it first
    cases += [Case(f"content {n}", at("DATA", InContent(n)), (DEFERRED, DEFERRED)) for n in (0, 1, 100)]
    # what was taken before the connection went is taken
    cases += [Case("after the end", at("QUIT", False), (DELIVERED, DELIVERED)),
              Case("RCPT good", closes("RCPT", "plain") and at("RCPT", lambda s, u: False, GOOD),
                   (DEFERRED, DEFERRED), "RCPT")]
    Run(w, cases).all()


# ---- late, slow, wrong ----

def late(seconds):
    def act(session, usual):
        time.sleep(seconds)
        return usual
    return act


def dribbles(session, usual):
    session.last = usual
    return session.raw(usual.encode("latin-1") + b"\r\n", 0.02)


def then(octets):
    """The usual reply, and more that nobody asked for."""
    def act(session, usual):
        session.last = usual
        return session.raw(usual.encode("latin-1") + b"\r\n" + octets)
    return act


@test(timeout=300)
def late_and_slow_ones_get_it(w):
    """Whoever answers within the time of RFC 5321 4.5.3.2 has it, once."""
    cases = [Case(f"{verb} {words}", at(verb, act), (DELIVERED, DELIVERED), "END_OF_DATA")
             for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END", "QUIT")
             for words, act in (("late", late(4)), ("dribbles", dribbles))]
    Run(w, cases).all(120)


GARBAGE = {
    "text": b"hello there\r\n", "empty": b"\r\n", "short": b"25\r\n", "letters": b"2x0 ok\r\n",
    "range": b"999 what\r\n", "low": b"199 what\r\n", "NUL": b"250\0 ok\r\n", "NULs": b"\0" * 200 + b"\r\n",
    "bare LF": b"250 ok\n250 ok\n", "bare CR": b"250 ok\r250 ok\r\n", "other code": b"250-a\r\n550 b\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
    "binary": bytes(range(256)) * 8, "CRLF inside": b"250-\r\n\r\n250 ok\r\n",
    "huge": b"250 " + b"x" * 200000 + b"\r\n",
    "no end": b"250 " + b"x" * 300000, "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
}
# a line that ends with LF alone, or has a CR inside, is read as it is; what is behind it then breaks
# the protocol
TAKEN = {"END bare LF", "END bare CR"}


@test(timeout=300)
def garbage_in_every_phase(w):
    """Whatever it is, mail is put off or delivered, never failed, lost or doubled; connections close."""
    cases = []
    for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"):
        for name, octets in GARBAGE.items():
            def act(session, usual, octets=octets):
                session.raw(octets)
                time.sleep(0.2)
                return False
            cases.append(Case(f"{verb} {name}", at(verb, act), None, again=verb == "END"))
    run = Run(w, cases)
    log = eventually(lambda: all(re.search(f"(delivered|deferred|failed) queue={c.id}", w.log())
                                 for c in cases) and w.log(), "every message is tried", 120)
    for case in cases:
        verdicts = set(re.findall(f"(delivered|deferred|failed) queue={case.id}", log))
        equal(verdicts, {DELIVERED if case.name in TAKEN else DEFERRED}, case.name)
        case.verdicts = (verdicts.pop(),) * 2
    run.wait()
    run.check_received()
    equal(run.author.messages, [], "reports")
    run.recover()


def endless(first, more, limit=64 << 20):
    def act(session, usual):
        sent = len(first)
        if not session.raw(first):
            return False
        while sent < limit and session.raw(more):
            sent += len(more)
        session.receiver.sent = sent
        return False
    return act


@test(timeout=300)
def endless_ones_have_an_end(w):
    """Replies and EHLOs without end are cut: nobody reads 64 MiB of them, and others are served."""
    block = b"250-x\r\n" * 2000
    cases = []
    for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"):
        code = {"CONNECT": b"220", "DATA": b"354"}.get(verb, b"250")
        cases += [Case(f"{verb} lines", at(verb, endless(code + b"-a\r\n", block.replace(b"250", code))),
                       (DEFERRED, DEFERRED), PHASE[verb], again=verb == "END"),
                  Case(f"{verb} line", at(verb, endless(code + b" ", b"y" * 65536)),
                       (DEFERRED, DEFERRED), PHASE[verb], again=verb == "END")]
    many = "250-receiver.test\r\n" + "".join(f"250-X{i} y\r\n" for i in range(10000)) + "250 8BITMIME"
    cases.append(Case("EHLO of 10,000 lines", at("EHLO", many), (DEFERRED, DEFERRED), "EHLO"))
    run = Run(w, cases)
    s = Receiver(NETWORK + "10")
    begun = time.monotonic()
    w.submit("bob@else.test")
    eventually(lambda: s.messages, "another one is served")
    check(time.monotonic() - begun < 5, "another one waited")
    run.all()
    for case in cases:
        check(getattr(case.receiver, "sent", 0) < 16 << 20, case.name, "was read",
              getattr(case.receiver, "sent", 0))


@test()
def words_that_nobody_asked_for(w):
    """A second reply, in each phase: what follows is not believed."""
    forged = b"250 2.0.0 ok\r\n" * 10
    cases = [Case(f"{verb} and more", at(verb, then(forged)), None, again=verb == "END")
             for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END")]
    run = Run(w, cases)
    eventually(lambda: all(re.search(f"(delivered|deferred|failed) queue={c.id}", w.log())
                           for c in cases), "every message is tried")
    for case in cases:
        verdicts = set(re.findall(f"(delivered|deferred|failed) queue={case.id}", w.log()))
        # the content was there when it was said
        taken = case.again
        equal(verdicts, {DELIVERED if taken else DEFERRED}, case.name)
        case.verdicts = (DELIVERED, DELIVERED) if taken else (DEFERRED, DEFERRED)
    run.wait()
    equal(run.author.messages, [], "reports")
    run.recover()


def under_tls(verb, reply):
    return lambda got, args, s: reply if got == verb and s.tls else None


@test(timeout=300)
def starttls_in_all_its_ways(w):
    """Opportunistic: who refuses it or fails at it gets the mail in clear, but for who says 421: it goes
    away and is left alone; who puts words behind the reply is asked again in clear; what is said under
    TLS counts, and what was said before does not."""
    tls = {"certificate": w.certificate}
    cases = [Case(f"STARTTLS {code} {status}", at("STARTTLS", f"{code} {status} {words}"),
                  (DELIVERED, DELIVERED), "END_OF_DATA", **tls)
             for code, status, words in FOUR + FIVE if code != 421]
    cases += [reply_case("STARTTLS", *row, **tls) for row in FOUR if row[0] == 421]
    for name, octets in (("a reply", b"250 ok\r\n"), ("an EHLO", b"250-x\r\n250 AUTH PLAIN\r\n"), ("an octet", b"x"),
                         ("replies", b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n250 2.0.0 taken\r\n")):
        cases.append(Case(f"{name} behind it", at("STARTTLS", swallows(octets)), (DELIVERED, DELIVERED),
                          "END_OF_DATA", **tls))
    for name, act in (("closed", no_handshake()), ("garbage", no_handshake(b"hello\r\n" * 10)),
                      ("alert", no_handshake(b"\x15\x03\x03\x00\x02\x02\x28")),
                      ("SMTP", no_handshake(b"220 receiver.test ESMTP\r\n"))):
        cases.append(Case(f"handshake: {name}", at("STARTTLS", act), (DELIVERED, DELIVERED), "END_OF_DATA", **tls))
    for verb in ("EHLO", "MAIL", "RCPT", "END"):
        cases.append(Case(f"451 to {verb} under TLS", under_tls(verb, "451 4.3.0 not now"), (DEFERRED, DEFERRED),
                          PHASE[verb], "4.3.0", "451 4.3.0 not now", **tls))
    cases.append(Case("550 to MAIL under TLS", under_tls("MAIL", "550 5.7.1 not you"),
                      (FAILED, FAILED), "MAIL", "5.7.1", "550 5.7.1 not you", **tls))
    run = Run(w, cases)
    run.all()
    for case in cases:
        if "421" in case.name:  # the second one when it has recovered
            equal((case.receiver.connections, [m.tls for m in case.receiver.seen]), (2, [True]), case.name)
        if "behind it" in case.name or "handshake" in case.name:
            equal([m.tls for m in case.receiver.seen], [False], case.name)
            equal(case.receiver.connections, 2, case.name)
