"""Next hops that have each extension, and next hops that lack it: what is passed on, what is dropped,
what is sent differently, and what comes back to the author."""

import email
import os
import random

from harness.case import check, equal, eventually, test
from harness.pki import Ca
from harness.postfix import Postfix
from harness.receiver import EVERY, Aiosmtpd, Receiver, without
from harness.world import NETWORK, USER, message, stuffed
from test_delivery import ZONE

QUICK = {"queue": {"retry": ["1s"], "lifetime": "1h"},
         "extensions": {"priority_max": 9}}
EIGHT_BIT = message("eight", "Grüße\r\n".encode())
BINARY = message("binary", b"\0\r\n.\r\r\n\n" + bytes(range(256)) + b"no line end",
                 extra=b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                       b"Content-Transfer-Encoding: binary\r\n")
SOLICITATION = b"Solicitation: net.example:ADV\r\n"
UTF8_HEADER = message("utf8", extra="Comments: Grüße\r\n".encode())
UTF8_ADDRESS = message("utf8", extra="Reply-To: grüße@our.test\r\n".encode())
SIGNED = message("signed", "--b\r\n\r\nGrüße\r\n--b--\r\n".encode(),
                 extra=b"Content-Type: multipart/signed; boundary=b\r\n")
UTF8_LOCAL = "grüße".encode().decode("latin-1")  # as the wire client writes octets
CERTIFIER = "A" * 27
SINCE = "RRVS=2026-01-01T00:00:00Z"


class Hops:
    """One domain for each receiver, named as it; messages and reports are told apart by ENVID. proven:
    domains and their hosts that the operator vouches for, as REQUIRETLS asks where nothing is signed."""

    def __init__(self, w, names, over=None, proven=None):
        self.w, self.count, self.receivers = w, 0, {}
        self.author = Receiver(NETWORK + "20")
        self.at = {name: f"{NETWORK}{30 + i}" for i, name in enumerate(names)}
        w.serve_dns(ZONE + "".join(f"{n}.test. MX 10 mx.{n}.test.\nmx.{n}.test. A {a}\n"
                                   for n, a in self.at.items()))
        self.ca = Ca(w.path("hops"))
        w.start({**(over or QUICK), "relay": {
            "tls": {"ca": self.ca.path},
            "routes": [{"domain": domain, "to": [f"smtp://{host}" for host in hosts], "tls": "verify"}
                       for domain, hosts in (proven or {}).items()]}})
        self.session = w.session()

    def receiver(self, name, extensions, **how):
        if how.get("certificate"):
            how["certificate"] = self.ca.server(f"mx.{name}.test", "mx1.two.test", "mx2.two.test").files
        self.receivers[name] = Receiver(self.at[name], extensions=extensions, **how)

    def send(self, name, mail="", rcpt="", content=None, chunks=0, local="bob"):
        """Returns the ENVID that it went with."""
        self.count += 1
        envid = f"{name}-{self.count}@our.test"
        s = self.session
        s.want(250, f"MAIL FROM:<{USER}> ENVID={envid}{mail}")
        s.want(250, f"RCPT TO:<{local}@{name}.test>{rcpt}")
        content = content or message(name)
        code, text = s.chunks(content, chunks) if chunks else s.data(stuffed(content))
        equal(code, 250, f"end of {envid} ({text})")
        return envid

    def arrived(self, name, count=1):
        got = self.receivers[name].messages
        eventually(lambda: len(got) >= count, f"message {count} arrives at {name}")
        return got[count - 1]

    def report(self, envid):
        """(fields of the message, of the first recipient) of the report about it."""
        def find():
            for got in list(self.author.messages):
                parsed = email.message_from_bytes(got.content)
                if parsed.get_content_type() != "multipart/report":
                    continue
                blocks = parsed.get_payload()[1].get_payload()
                if blocks[0]["Original-Envelope-Id"] == envid:
                    return blocks[0], blocks[1]
            return None
        return eventually(find, f"a report about {envid}")

    def no_further_report(self, count):
        self.w.wait_empty()
        equal(len(self.author.messages), count, "reports")


def words(line):
    return line.split(" ")[1:]


def sent_by(receiver):
    return {c.split(" ")[0] for c in receiver.commands} & {"DATA", "BDAT"}


@test()
def each_extension_reaches_a_hop_that_has_it(w):
    """Every parameter at once, under TLS, as it was given or as the rules of its RFC have it."""
    h = Hops(w, ["every"], proven={"every.test": ["mx.every.test"]})
    h.receiver("every", EVERY, certificate=w.certificate)
    envid = h.send("every", content=message("every", extra=SOLICITATION),
                   mail=f" RET=HDRS BODY=8BITMIME SOLICIT=net.example:ADV MTRK={CERTIFIER}:864000"
                        " BY=5000;R MT-PRIORITY=3 REQUIRETLS AUTH=<>",
                   rcpt=f" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@every.test {SINCE};R")
    got = h.arrived("every")
    check(got.tls, "under TLS")
    said = dict(p.partition("=")[::2] for p in words(got.mail))
    mtrk, seconds = said.pop("MTRK").split(":")
    left, mode = said.pop("BY").split(";")
    check(mtrk == CERTIFIER and 863900 <= int(seconds) <= 864000, "MTRK: what is left", seconds)
    check(mode == "R" and 4900 <= int(left) <= 5000, "BY: what is left", left)
    equal(said, {"SIZE": str(len(got.content)), "BODY": "8BITMIME", "RET": "HDRS", "ENVID": envid,
                 "SOLICIT": "net.example:ADV", "MT-PRIORITY": "3", "REQUIRETLS": ""})
    equal(words(got.rcpt[0]), ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Bob@every.test", f"{SINCE};R"])
    equal(sent_by(h.receivers["every"]), {"BDAT"})
    equal(got.chunks, [len(got.content)], "one chunk")
    h.no_further_report(0)

    # binary content: each octet
    h.send("every", content=BINARY, chunks=100, mail=" BODY=BINARYMIME")
    got = h.arrived("every", 2)
    check(got.content.endswith(BINARY[BINARY.index(b"\r\n\r\n"):]), "octets", got.content)
    check("BODY=BINARYMIME" in words(got.mail), got.mail)
    # SMTPUTF8 for a header or an address, not for the word alone
    h.send("every", content=UTF8_HEADER, mail=" SMTPUTF8")
    check("SMTPUTF8" in words(h.arrived("every", 3).mail))
    h.send("every", local=UTF8_LOCAL, mail=" SMTPUTF8")
    got = h.arrived("every", 4)
    check("SMTPUTF8" in words(got.mail) and got.rcpt[0].startswith(f"TO:<{UTF8_LOCAL}@"), got.mail)
    h.send("every", mail=" SMTPUTF8")
    check("SMTPUTF8" not in words(h.arrived("every", 5).mail))
    # declared so, and lines all the same; 8-bit content that was not declared
    h.send("every", content=EIGHT_BIT, chunks=100, mail=" BODY=BINARYMIME")
    check("BODY=8BITMIME" in words(h.arrived("every", 6).mail))
    h.send("every", content=EIGHT_BIT)
    check("BODY=8BITMIME" in words(h.arrived("every", 7).mail))
    h.send("every", content=message("7bit"), mail=" BY=-3;N")
    said = words(h.arrived("every", 8).mail)
    check(any(p.startswith("BY=-") and p.endswith(";N") for p in said), said)
    check(not any(p.startswith("BODY=") for p in said), said)


# name: keywords that its receiver lacks
LACKING = {
    "chunking": ("CHUNKING", "BINARYMIME"),
    "binarymime": ("BINARYMIME",),
    "eightbit": ("8BITMIME", "BINARYMIME", "SMTPUTF8"),
    "utf8": ("SMTPUTF8",),
    "dsn": ("DSN",),
    "priority": ("MT-PRIORITY",),
    "deliverby": ("DELIVERBY",),
    "nodsnby": ("DELIVERBY", "DSN"),
    "rrvs": ("RRVS",),
    "requiretls": ("REQUIRETLS",),
    "notls": (),
    "soliciting": ("NO-SOLICITING",),
    "mtrk": ("MTRK",),
    "size": ("SIZE",),
    "pipelining": ("PIPELINING",),
}

# What is dropped or sent differently: name, message, words that must not be among the parameters,
# words that must
DROPPED = [
    ("chunking", {"mail": " BODY=8BITMIME", "content": EIGHT_BIT}, [], ["BODY=8BITMIME"]),
    ("binarymime", {"mail": " BODY=BINARYMIME", "content": EIGHT_BIT, "chunks": 50},
     ["BODY=BINARYMIME"], ["BODY=8BITMIME"]),
    ("binarymime", {"mail": " BODY=BINARYMIME", "content": BINARY, "chunks": 100},
     ["BODY=BINARYMIME"], []),
    ("chunking", {"mail": " BODY=BINARYMIME", "content": BINARY, "chunks": 100},
     ["BODY=BINARYMIME"], []),
    ("eightbit", {"mail": " BODY=8BITMIME", "content": EIGHT_BIT}, ["BODY=8BITMIME"], []),
    ("utf8", {"mail": " SMTPUTF8", "content": UTF8_HEADER}, ["SMTPUTF8"], []),
    ("eightbit", {"mail": " BODY=8BITMIME"}, ["BODY"], []),
    ("eightbit", {"mail": " BODY=BINARYMIME", "chunks": 50}, ["BODY"], []),
    ("utf8", {"mail": " SMTPUTF8 BODY=8BITMIME", "content": EIGHT_BIT}, ["SMTPUTF8"],
     ["BODY=8BITMIME"]),
    ("dsn", {"mail": " RET=FULL", "rcpt": " NOTIFY=FAILURE ORCPT=rfc822;b@dsn.test"},
     ["RET", "ENVID", "NOTIFY", "ORCPT"], []),
    ("priority", {"mail": " MT-PRIORITY=5"}, ["MT-PRIORITY"], ["ENVID"]),
    ("rrvs", {"rcpt": f" {SINCE};C"}, ["RRVS"], []),
    ("soliciting", {"mail": " SOLICIT=net.example:ADV",
                    "content": message("solicit", extra=SOLICITATION)}, ["SOLICIT"], []),
    ("mtrk", {"mail": f" MTRK={CERTIFIER}", "rcpt": " ORCPT=rfc822;b@mtrk.test"}, ["MTRK"],
     ["ENVID", "ORCPT=rfc822;b@mtrk.test"]),
    ("size", {"mail": " SIZE=500"}, ["SIZE"], []),
    ("pipelining", {}, [], ["SIZE"]),
]

# What comes back: name, message, action and status of the report
RETURNED = [
    ("eightbit", {"content": SIGNED}, "failed", "5.6.3"),
    ("utf8", {"mail": " SMTPUTF8", "content": UTF8_ADDRESS}, "failed", "5.6.7"),
    ("utf8", {"mail": " SMTPUTF8", "local": UTF8_LOCAL}, "failed", "5.6.7"),
    ("deliverby", {"mail": " BY=900;R"}, "failed", "5.3.3"),
    ("rrvs", {"rcpt": f" {SINCE}"}, "failed", "5.7.19"),
    ("rrvs", {"rcpt": f" {SINCE};R"}, "failed", "5.7.19"),
    ("requiretls", {"mail": " REQUIRETLS"}, "failed", "5.7.30"),
    ("notls", {"mail": " REQUIRETLS"}, "failed", "5.7.10"),
    # it arrives, and the author is told that it left the hops that report
    ("dsn", {"rcpt": " NOTIFY=SUCCESS"}, "relayed", "2"),
    ("deliverby", {"mail": " BY=900;N"}, "relayed", "2"),
    ("nodsnby", {"mail": " BY=900;N"}, "relayed", "2"),
]


@test()
def hops_that_lack_one_extension(w):
    h = Hops(w, LACKING, proven={f"{n}.test": [f"mx.{n}.test"] for n in ("requiretls", "notls")})
    for name, keywords in LACKING.items():
        h.receiver(name, without(*keywords), watch=name == "pipelining",
                   certificate=None if name in ("notls", "pipelining") else w.certificate)
    sent = [(name, h.send(name, **how), action, status) for name, how, action, status in RETURNED]
    for name, envid, action, status in sent:
        _, recipient = h.report(envid)
        equal(recipient["Action"], action, envid)
        check(recipient["Status"].startswith(status), envid, recipient["Status"])
        if action == "failed":
            check(f"mx.{name}.test" in recipient["Remote-MTA"], envid, recipient)
    for name in ("requiretls", "notls", "rrvs", "utf8"):
        equal([c for c in h.receivers[name].commands if c.startswith(("MAIL", "RCPT"))], [], name)
    # RFC 2852 4.1.4.2: a hop with DSN is asked to tell of delays
    late = h.arrived("deliverby")
    check("BY" not in late.mail and words(late.rcpt[0]) == ["NOTIFY=FAILURE,DELAY"], late.rcpt)
    w.wait_empty()
    reports = len(h.author.messages)
    equal(reports, len(RETURNED))

    before = {name: len(r.messages) for name, r in h.receivers.items()}
    for name, how, absent, present in DROPPED:
        h.send(name, **how)
        before[name] += 1
        got = h.arrived(name, before[name])
        said = words(got.mail) + words(got.rcpt[0])
        keywords = [p.split("=")[0] for p in said]
        for word in absent:
            check(word not in said and word not in keywords, name, word, said)
        for word in present:
            check(word in said or word in keywords, name, word, said)
    equal(sent_by(h.receivers["chunking"]), {"DATA"})
    equal(sent_by(h.receivers["binarymime"]), {"BDAT"})
    check("net.example:ADV" in h.receivers["soliciting"].messages[0].header("solicitation"))
    equal(h.receivers["pipelining"].early, 0, "commands before the reply")
    h.no_further_report(reports)


@test()
def commands_are_sent_ahead_where_pipelining_is_offered(w):
    """The counterpart: the receiver that finds none too early would see them."""
    h = Hops(w, ["ahead"])
    h.receiver("ahead", ["PIPELINING"], watch=True)
    h.send("ahead")
    h.arrived("ahead")
    check(h.receivers["ahead"].early >= 2, "RCPT and DATA behind MAIL")


@test()
def eight_bit_content_without_8bitmime(w):
    """Never 8-bit characters to a hop that does not take them."""
    h = Hops(w, ["eightbit"])
    h.receiver("eightbit", without("8BITMIME", "BINARYMIME", "SMTPUTF8"))
    envid = h.send("eightbit", content=SIGNED)
    _, recipient = h.report(envid)
    equal((recipient["Action"], recipient["Status"]), ("failed", "5.6.3"))
    check("signed part" in recipient["Diagnostic-Code"] + h.author.messages[0].content.decode(),
          recipient)
    equal(h.receivers["eightbit"].seen, [])
    h.send("eightbit", content=EIGHT_BIT)
    got = h.arrived("eightbit")
    check(got.content.isascii() and got.body == b"Gr=C3=BC=C3=9Fe\r\n", got.content)
    equal(got.header("content-transfer-encoding"), ["quoted-printable"])


@test()
def limits_of_size_time_and_number(w):
    """SIZE, the least time of DELIVERBY and LIMITS, as the hop says them."""
    h = Hops(w, ["small", "slow", "few", "single"])
    h.receiver("small", ["SIZE 1000"])
    h.receiver("slow", ["DELIVERBY 1000"])
    h.receiver("few", ["PIPELINING", "LIMITS RCPTMAX=3 MAILMAX=2"])
    h.receiver("single", ["LIMITS MAILMAX=1"])
    big = h.send("small", content=message("big", b"x" * 70 + b"\r\n" * 1000))
    in_time = h.send("slow", mail=" BY=900;R")
    _, recipient = h.report(big)
    equal((recipient["Action"], recipient["Status"]), ("failed", "5.3.4"))
    _, recipient = h.report(in_time)
    equal((recipient["Action"], recipient["Status"]), ("failed", "5.3.3"))
    h.send("slow", mail=" BY=1100;R")
    check("BY=" in h.arrived("slow").mail)
    w.submit([f"r{i}@few.test" for i in range(8)], wire=h.session)
    h.arrived("few", 3)
    equal([len(m.rcpt) for m in h.receivers["few"].messages], [3, 3, 2], "RCPTMAX")
    equal(h.receivers["few"].connections, 2, "MAILMAX")
    for i in range(3):
        h.send("single")
        h.arrived("single", i + 1)
    equal(h.receivers["single"].connections, 3, "MAILMAX=1")


@test()
def another_host_may_have_it(w):
    """What the first MX lacks the second is asked for; what both lack fails at once."""
    h = Hops(w, ["first", "second"], proven={"two.test": ["mx1.two.test", "mx2.two.test"]})
    w.dns.replace(ZONE + f"two.test. MX 10 mx1.two.test.\ntwo.test. MX 20 mx2.two.test.\n"
                         f"mx1.two.test. A {h.at['first']}\nmx2.two.test. A {h.at['second']}\n")
    h.receiver("first", without("RRVS", "MTRK"), certificate=w.certificate)
    h.receiver("second", without("DELIVERBY", "REQUIRETLS"), certificate=w.certificate)
    s = h.session
    # one needs what the second has, the other goes to the first
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, f"RCPT TO:<old@two.test> {SINCE}")
    s.want(250, "RCPT TO:<new@two.test>")
    equal(s.data(message())[0], 250)
    equal([h.arrived(n).rcpt[0].split(" ")[0] for n in ("first", "second")],
          ["TO:<new@two.test>", "TO:<old@two.test>"])
    envid = h.send("two", mail=" BY=900;R", rcpt=f" {SINCE}")
    _, recipient = h.report(envid)
    equal((recipient["Action"], recipient["Status"][:2]), ("failed", "5."))
    h.send("two", mail=" REQUIRETLS")
    check("REQUIRETLS" in h.arrived("first", 2).mail, "to the first")
    h.receivers["first"].close()
    # the first may have it, when it is back
    queue_id = w.submit("bob@two.test", mail=" REQUIRETLS", wire=s)
    w.wait_event(queue_id, "deferred")
    equal([q["id"] for q in w.queue()], [queue_id])


@test()
def chunks_of_a_large_message(w):
    """Many chunks; one that is refused ends the transaction, not the connection."""
    h = Hops(w, ["large"])
    refuse = {"left": 1}

    def script(verb, args, session):
        if verb == "BDAT" and len(session.chunks) == 2 and refuse["left"]:
            refuse["left"] -= 1
            return "452 4.3.1 no room now"
        return None
    h.receiver("large", ["PIPELINING", "CHUNKING"], script=script)
    lines = b"".join(random.Random(1).randbytes(35).hex().encode() + b"\r\n.\r\n"
                     for _ in range(30000))
    h.send("large", content=message("large", lines), chunks=1 << 20)
    got = eventually(lambda: h.receivers["large"].messages, "arrives at the second attempt")[0]
    check(got.content.endswith(lines), "content")
    check(len(got.chunks) > 10 and sum(got.chunks) == len(got.content), got.chunks)
    commands = h.receivers["large"].commands
    check("RSET" in commands or h.receivers["large"].connections == 2, "a clean state")
    equal(len(h.receivers["large"].seen), 1)


@test()
def chunking_switched_off(w):
    h = Hops(w, ["every"], {**QUICK, "extensions": {"off": ["CHUNKING", "DSN"]}})
    h.receiver("every", EVERY)
    w.submit("bob@every.test", wire=h.session)
    got = h.arrived("every")
    equal(sent_by(h.receivers["every"]), {"DATA"})
    equal(words(got.rcpt[0]), [])


# Postfix: name, keywords that it does not say
POSTFIX = {"pfull": "", "pchunk": "chunking", "pdsn": "dsn", "ppipe": "pipelining",
           "peight": "8bitmime", "pnone": "chunking,dsn,pipelining,size,enhancedstatuscodes"}


@test()
def postfix_and_aiosmtpd(w):
    """Postfix with keywords discarded refuses what it does not say, as aiosmtpd does what it does not
    know: what arrives has been said rightly."""
    h = Hops(w, list(POSTFIX) + ["aio"])
    Postfix(w.dir, NETWORK + "29", " ".join(f"{n}.test" for n in POSTFIX), w.certificate,
            {h.at[name]: keywords for name, keywords in POSTFIX.items()})
    aio = Aiosmtpd(h.at["aio"])
    everything = {"mail": f" RET=HDRS BODY=8BITMIME SOLICIT=net.example:ADV MTRK={CERTIFIER}"
                          " BY=5000;N MT-PRIORITY=3",
                  "rcpt": f" NOTIFY=SUCCESS,FAILURE,DELAY {SINCE};C",
                  "content": message("everything", b"one\r\n.\r\n..\r\ntwo\r\n", extra=SOLICITATION)}
    sent = {name: h.send(name, **everything) for name in [*POSTFIX, "aio"]}
    for name, envid in sent.items():
        equal(h.report(envid)[1]["Action"], "relayed", f"BY=n;N at {name}")
    h.w.wait_empty()
    equal([m[2].split(b"\r\n\r\n")[1] for m in aio.messages], [b"one\r\n.\r\n..\r\ntwo\r\n"])
    # 8-bit characters, to those that say 8BITMIME and to the one that does not
    eight = {name: h.send(name, content=EIGHT_BIT) for name in POSTFIX}
    check(eight["peight"], "to the one that does not, re-encoded")
    h.w.wait_empty()
    equal(len(h.author.messages), len(sent), "reports")
    log = os.path.join(w.dir, "postfix", "log", "maillog")
    with open(log, encoding="utf-8", errors="replace") as f:
        said = f.read()
    equal(said.count("message-id=<everything."), len(POSTFIX), "messages that Postfix took")
    equal(said.count("message-id=<eight."), len(POSTFIX))
    check("improper command pipelining" not in said and "unsupported" not in said.lower(), said)
