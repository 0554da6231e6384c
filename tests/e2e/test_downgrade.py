"""Attempts to get mail in clear text, or by somebody else, where DANE, MTA-STS or REQUIRETLS forbid it:
each ends with the mail waiting or refused, and not one MAIL command in clear."""

import re
import socket
import ssl
import subprocess

from harness.case import check, equal, eventually, test
from harness.dnssec import SignedKnot
from harness.pki import Ca, Policies, policy, tlsa
from harness.qmtp import QmtpReceiver
from harness.receiver import EXTENSIONS, Receiver, at, no_handshake, swallows
from harness.world import NETWORK, USER, message

TLS, CLEAR, WAITS, FAILS, NEVER = "under TLS", "in clear", "waits", "fails", "waits or fails"
OTHER = "by QMTP or MX6, in clear"
POLICY_HOST = NETWORK + "250"


class Case:
    """A domain with one host or more. outcome: TLS, CLEAR, WAITS, FAILS or NEVER. tlsa: records of the
    host, or "bogus", "dead". policy: of MTA-STS, text or a function for the policy host. names: of the
    certificate; None: none is there. lines: of the zone, beside. qmtp: QMTP is there, too, and preferred.
    six: what an MX6 target has, a script for Receiver, or None: there is none. after: the case before has
    its outcome first, and its host is this one's, too. more: of the certificate (begins, ends, stranger)."""

    def __init__(self, name, outcome, tlsa=None, policy=None, names=("{host}",), script=None,
                 extensions=None, mail="", header=b"", secure=True, qmtp=False, six=None, after=False,
                 **more):
        self.name, self.outcome, self.tlsa, self.policy = name, outcome, tlsa, policy
        self.names, self.script, self.mail, self.header = names, script, mail, header
        self.extensions, self.secure, self.more = extensions, secure, more
        self.qmtp, self.six, self.after = qmtp, six, after
        self.ways = []  # other receivers than the one of MX and SMTP


class World:
    def __init__(self, w, cases, over=None):
        self.w, self.cases = w, cases
        self.ca, self.stranger = Ca(w.path("ca")), Ca(w.path("stranger"), "stranger")
        records, zones, bogus = "", {}, []
        for i, c in enumerate(cases):
            c.domain, c.host, c.address = f"c{i}.test", f"mx.c{i}.test", f"{NETWORK}{20 + i}"
            more = dict(c.more)
            ca = self.stranger if more.pop("stranger", False) else self.ca
            kind = more.pop("context", None)
            c.server = c.names is not None and not c.after and ca.server(*[n.format(host=c.host, domain=c.domain)
                                                         for n in c.names], **more)
            if c.after:
                before = cases[i - 1]
                c.host, c.receiver, c.server = before.host, before.receiver, before.server
            mine = f"{c.domain}. MX {12801 if c.qmtp else 10} {c.host}.\n"
            mine += "" if c.after else f"{c.host}. A {c.address}\n"
            if c.qmtp:
                c.ways.append(QmtpReceiver(c.address))
            if c.six:
                address = f"2001:db8::{20 + i}"
                subprocess.run(["ip", "address", "add", address + "/128", "dev", "lo", "nodad"], check=True)
                mine += f"_mx6._tcp.{c.domain}. SRV 0 0 25 six.{c.domain}.\nsix.{c.domain}. AAAA {address}\n"
                c.ways.append(Receiver(address))
            base = f"_25._tcp.{c.host}."
            if c.tlsa in ("bogus", "dead"):
                zone = f"_tcp.{c.host}"
                zones[zone] = None if c.tlsa == "dead" else \
                    f"{base} TLSA {tlsa(3, 1, 1, self.ca.server('x').certificate)}\n"
                bogus += [zone] if c.tlsa == "bogus" else []
            elif c.tlsa:
                mine += "".join(f"{base} TLSA {x}\n" for x in c.tlsa(self, c))
            if c.policy:
                mine += f'_mta-sts.{c.domain}. TXT "v=STSv1; id=1"\nmta-sts.{c.domain}. A {POLICY_HOST}\n'
            if c.secure:
                records += mine
            else:
                zones[c.domain] = mine
            c.receiver = c.receiver if c.after else Receiver(c.address, script=c.script, extensions=c.extensions,
                                  certificate=c.server and c.server.files)
            if kind:
                kind(c.receiver)
        self.records = records
        w.dns = self.dns = SignedKnot(w.dir, records + f"our.test. MX 10 mx.our.test.\nmx.our.test. A {NETWORK}19\n",
                                      zones, bogus)
        self.author = Receiver(NETWORK + "19")
        self.policies = Policies(POLICY_HOST, self.ca.server(*[f"mta-sts.{c.domain}" for c in cases]))
        for c in cases:
            self.policies.answers[c.domain] = c.policy.format(host=c.host, domain=c.domain) \
                if isinstance(c.policy, str) else c.policy
        w.start(dict({"dns": {"servers": ["127.0.0.1"], "dnssec": "auto", "trust_anchor": self.dns.anchor, "timeout": "5s"},
                      "queue": {"retry": ["1h"], "lifetime": "2d"}, "relay": {"tls": {"ca": self.ca.path}}},
                     **(over or {})))
        for i, c in enumerate(cases):
            if c.after:
                eventually(lambda c=c: self.verdict(cases[i - 1].id), c.name)
            c.id = self.submit(c)

    def submit(self, c, subject=None):
        return self.w.submit(f"bob@{c.domain}", message(subject or c.domain, extra=c.header), mail=c.mail)

    def verdict(self, queue_id):
        """The last one of the log, once the queue agrees with it."""
        said = re.findall(f" (delivered|deferred|failed) queue={queue_id}: ", self.w.log())
        queued = queue_id in {q["id"] for q in self.w.queue()}
        if not said or queued != (said[-1] == "deferred"):
            return None
        return said[-1]

    def line(self, queue_id):
        return [x[-300:] for x in self.w.log().splitlines() if f"queue={queue_id}" in x and "accepted" not in x][-3:]

    def check(self, c):
        try:
            verdict = eventually(lambda: self.verdict(c.id), c.name, 60)
        except AssertionError:
            raise AssertionError(f"{c.name}: no outcome: {self.line(c.id)}") from None
        mine = [m for m in c.receiver.seen if f"@{c.domain}>" in m.rcpt[0]]
        got = [m for m in mine if m in c.receiver.messages]
        other = [way for way in c.ways if way.seen]
        if c.outcome == OTHER:
            check(verdict == "delivered" and other and not mine, c.name, verdict, self.line(c.id))
            return
        check(not other, c.name, "went by", other, self.line(c.id))
        if c.outcome in (TLS, CLEAR):
            check(verdict == "delivered" and len(got) == 1 and got[0].tls == (c.outcome == TLS), c.name, verdict,
                  [m.tls for m in got], self.line(c.id))
        else:
            wanted = {WAITS: ("deferred",), FAILS: ("failed",), NEVER: ("deferred", "failed")}[c.outcome]
            check(verdict in wanted and not mine, c.name, verdict, self.line(c.id))
        if c.outcome != CLEAR:
            allowed = sum(x.outcome == CLEAR for x in self.cases if x.receiver is c.receiver)
            equal(c.receiver.clear, allowed, f"{c.name}: MAIL in clear text")

    def check_all(self):
        faults = []
        for c in self.cases:
            try:
                self.check(c)
            except AssertionError as e:
                faults.append(str(e))
        check(not faults, "\n".join(faults))


def stripped(verb):
    return lambda got, args, s: "250-receiver.test\r\n250 8BITMIME" if got == verb else None


def old_tls(receiver):
    receiver.context.set_ciphers("ALL:@SECLEVEL=0")
    receiver.context.minimum_version = receiver.context.maximum_version = ssl.TLSVersion.TLSv1_1


# what somebody on the way, or the receiver, does to keep TLS from working: options of Case
ATTACKS = {
    "no STARTTLS": {"names": None},
    "STARTTLS taken out of EHLO": {"script": stripped("EHLO")},
    "EHLO refused": {"script": at("EHLO", "502 5.5.1 what")},
    "EHLO garbled": {"script": at("EHLO", "250-receiver.test\r\n250 STARTTLXXX")},
    "454": {"script": at("STARTTLS", "454 4.7.0 TLS not available due to temporary reason")},
    "500": {"script": at("STARTTLS", "500 5.5.1 command not recognized")},
    "501": {"script": at("STARTTLS", "501 5.5.4 syntax error")},
    "421": {"script": at("STARTTLS", "421 4.3.2 going down")},
    "250": {"script": at("STARTTLS", "250 2.0.0 ok")},
    "closed at STARTTLS": {"script": at("STARTTLS", False)},
    "words behind the reply": {"script": at("STARTTLS", swallows(b"250 ok\r\n"))},
    "a session behind the reply": {"script": at("STARTTLS", swallows(
        b"250 8BITMIME\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n"))},
    "no handshake": {"script": at("STARTTLS", no_handshake())},
    "garbage": {"script": at("STARTTLS", no_handshake(b"250 ok\r\n" * 5))},
    "alert": {"script": at("STARTTLS", no_handshake(b"\x15\x03\x03\x00\x02\x02\x28"))},
    "TLS 1.1": {"context": old_tls},
}
# whose certificate shows that it is another one: where names count
WRONG = {
    "another name": {"names": ("mx.else.test",)},
    "the domain's name": {"names": ("{domain}",)},
    "a wildcard too far": {"names": ("*.test",)},
    "expired": {"begins": -9, "ends": -1},
    "not valid yet": {"begins": 2},
    "another authority": {"stranger": True},
}


def right(usage, selector, matching):
    return lambda w, c: [tlsa(usage, selector, matching, c.server.certificate if c.server else
                              w.ca.server(c.host).certificate)]


def wrong(*more):
    return lambda w, c: [tlsa(3, 1, 1, w.ca.server(c.host).certificate)] + list(more)


def authority(usage=2, selector=1, matching=1):
    return lambda w, c: [tlsa(usage, selector, matching, w.ca.certificate)]


UNUSABLE = {"PKIX-TA": "0 0 1 " + "ab" * 32, "PKIX-EE": "1 1 1 " + "ab" * 32, "usage 9": "9 1 1 " + "ab" * 32,
            "selector 7": "3 7 1 " + "ab" * 32, "matching 8": "3 1 8 " + "ab" * 32,
            "a short digest": "3 1 1 " + "ab" * 20}
ENFORCE = policy("{host}")


def nothing(w, c):
    return [UNUSABLE["PKIX-EE"]]


def no_certificate(w, c):
    """Data that look like a certificate from outside only."""
    return ["3 0 0 30020101"]


@test(timeout=300)
def dane(w):
    good = {f"{u} {s} {m}": right(u, s, m) for u in (3,) for s in (0, 1) for m in (0, 1, 2)}
    good.update({f"2 {s} {m}": authority(2, s, m) for s in (0, 1) for m in (0, 1, 2)})
    cases = [Case(name, TLS, tlsa=records) for name, records in good.items()]
    cases += [Case(f"attack: {name}", WAITS, tlsa=right(3, 1, 1), **options) for name, options in ATTACKS.items()]
    cases += [Case("another key", WAITS, tlsa=wrong()), Case("another key, clear", WAITS, tlsa=wrong(), names=None),
              Case("bogus", WAITS, tlsa="bogus"), Case("bogus, clear", WAITS, tlsa="bogus", names=None),
              Case("dead", WAITS, tlsa="dead"), Case("dead, clear", WAITS, tlsa="dead", names=None)]
    # RFC 7672 3.1.1: of usage 3 neither names nor dates count; of usage 2 they do
    cases += [Case(f"3: {name}", TLS, tlsa=right(3, 1, 1), **options) for name, options in WRONG.items()]
    cases += [Case(f"2: {name}", TLS if name == "the domain's name" else WAITS, tlsa=authority(), **options)
              for name, options in WRONG.items()]
    for name, record in UNUSABLE.items():
        cases += [Case(f"unusable: {name}", TLS, tlsa=lambda w, c, r=record: [r]),
                  Case(f"unusable, clear: {name}", WAITS, tlsa=lambda w, c, r=record: [r], names=None)]
    cases += [Case("unusable beside another key", WAITS, tlsa=wrong(UNUSABLE["PKIX-EE"])),
              Case("several, one right", TLS, tlsa=lambda w, c: wrong()(w, c) + right(3, 1, 1)(w, c)),
              Case("enforce does not help", WAITS, tlsa=wrong(), policy=ENFORCE),
              Case("unusable beside enforce", TLS, tlsa=nothing, policy=ENFORCE),
              Case("unusable beside enforce, a stranger", WAITS, tlsa=nothing, policy=ENFORCE, stranger=True),
              Case("the author allows it", CLEAR, tlsa=right(3, 1, 1), names=None, header=b"TLS-Required: No\r\n"),
              # nothing forbids clear text
              Case("no records", CLEAR, names=None),
              Case("insecure MX", CLEAR, tlsa=wrong(), names=None, secure=False)]
    World(w, cases).check_all()


@test(timeout=300)
def mta_sts(w):
    cases = [Case("right", TLS, policy=ENFORCE), Case("wildcard", TLS, policy=policy("*.{domain}")),
             Case("several", TLS, policy=policy("a.example", "{host}", "b.example"))]
    cases += [Case(f"attack: {name}", WAITS, policy=ENFORCE, **options) for name, options in ATTACKS.items()]
    cases += [Case(f"certificate: {name}", WAITS, policy=ENFORCE, **options) for name, options in WRONG.items()]
    cases += [Case("another host", WAITS, policy=policy("mx.else.test")),
              Case("another host, clear", WAITS, policy=policy("mx.else.test"), names=None),
              Case("a wildcard too far", WAITS, policy=policy("*.test")),
              Case("the author allows it", CLEAR, policy=ENFORCE, names=None, header=b"TLS-Required: No\r\n"),
              # nothing forbids clear text
              Case("testing", CLEAR, policy=policy("{host}", mode="testing"), names=None),
              Case("no policy: a wildcard within", CLEAR, policy=policy("mx.*.test"), names=None),
              Case("none", CLEAR, policy="version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n", names=None)]
    for c in cases:
        c.secure = False
    World(w, cases).check_all()


@test(timeout=300)
def mta_sts_that_was_known(w):
    """What is cached goes on to hold: whatever becomes of the record and the policy host, over restarts
    too; and what is no policy never takes the place of one."""
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", f"https://{POLICY_HOST}/x")
        handler.end_headers()

    def page(handler):
        Policies.send(handler, "<html>please log in</html>", "text/html")

    def oversized(handler):
        Policies.send(handler, policy("{host}") + "x: y\r\n" * 200000)

    later = {"gone": None, "redirect": redirect, "a page": page, "oversized": oversized,
             "empty": "", "no version": "mode: none\r\nmax_age: 86400\r\n",
             "two modes": "version: STSv1\r\nmode: none\r\nmode: x\r\nmax_age: -1\r\n"}
    cases = [Case(name, TLS, policy=ENFORCE, secure=False) for name in later]
    # first seen so: no policy is known, and nothing forbids clear text
    cases += [Case(f"first {name}", CLEAR, policy=answer, names=None, secure=False)
              for name, answer in later.items() if answer]
    world = World(w, cases)
    world.check_all()
    cases = cases[:len(later)]
    for c in cases:
        world.policies.answers[c.domain] = later[c.name]
        c.receiver.context = None  # from now on there is no STARTTLS
        c.receiver.messages.clear()
        c.receiver.seen.clear()
        c.outcome = WAITS
        for session in list(c.receiver.open):
            session.sock.shutdown(socket.SHUT_RDWR)
    eventually(lambda: not any(c.receiver.open for c in cases), "connections are closed")

    def waits(what):
        for c in cases:
            c.id = world.submit(c, what)
        world.check_all()
    world.cases = cases
    waits("changed")
    # another id in the DNS, whose policy cannot be had
    zones = {k: v and v.replace("id=1", "id=2") for k, v in world.dns.zones.items()}
    world.dns.zones = zones
    world.dns.replace(world.records)
    waits("another")
    world.dns.zones = {k: v and "".join(x for x in v.splitlines(True) if "mta-sts" not in x) for k, v in zones.items()}
    world.dns.replace(world.records)
    world.policies.close()
    w.stop()
    w.launch()
    w.wait_ready()
    waits("restarted")


@test(timeout=300)
def requiretls(w):
    """RFC 8689 4.2.1: to whoever says REQUIRETLS under TLS, proven by DANE or MTA-STS, and nobody else."""
    says = EXTENSIONS + ["REQUIRETLS"]
    asks = {"mail": " REQUIRETLS", "extensions": says}
    cases = [Case("DANE", TLS, tlsa=right(3, 1, 1), **asks), Case("enforce", TLS, policy=ENFORCE, secure=False, **asks)]
    cases += [Case(f"DANE: {name}", NEVER, tlsa=right(3, 1, 1), **asks, **options) for name, options in ATTACKS.items()]
    cases += [Case(f"enforce: {name}", NEVER, policy=ENFORCE, secure=False, **asks, **options)
              for name, options in ATTACKS.items()]
    cases += [Case(f"certificate: {name}", NEVER, policy=ENFORCE, secure=False, **asks, **options)
              for name, options in WRONG.items()]
    cases += [Case("not said", FAILS, tlsa=right(3, 1, 1), mail=" REQUIRETLS"),
              Case("said in clear only", FAILS, tlsa=right(3, 1, 1), mail=" REQUIRETLS",
                   script=lambda verb, args, s: "250-receiver.test\r\n250-REQUIRETLS\r\n250 STARTTLS"
                   if verb == "EHLO" and not s.tls else None),
              Case("another key", NEVER, tlsa=wrong(), **asks),
              Case("bogus", WAITS, tlsa="bogus", **asks), Case("dead", WAITS, tlsa="dead", **asks),
              Case("no certificate in the record", TLS, tlsa=no_certificate, **asks),
              Case("no certificate in the record, a stranger", NEVER, tlsa=no_certificate, stranger=True, **asks),
              Case("insecure, no policy", NEVER, secure=False, **asks),
              Case("the author contradicts himself", NEVER, tlsa=right(3, 1, 1), header=b"TLS-Required: No\r\n",
                   mail=" REQUIRETLS", names=None)]
    World(w, cases).check_all()


@test(timeout=300)
def other_ways(w):
    """QMTP, which is clear text, targets of MX6, and connections that are open already: none leads around
    a policy, and each is taken where there is none."""
    subprocess.run(["ip", "address", "add", "2001:db8::1/128", "dev", "lo", "nodad"], check=True)
    asks = {"mail": " REQUIRETLS", "extensions": EXTENSIONS + ["REQUIRETLS"]}
    opportunistic = {"secure": False, "stranger": True}
    cases = []
    for way in ({"qmtp": True}, {"six": True}):
        name = next(iter(way))
        cases += [Case(f"{name}: no policy", OTHER, **way), Case(f"{name}: no policy, insecure", OTHER, secure=False, **way),
                  Case(f"{name}: DANE", TLS, tlsa=right(3, 1, 1), **way),
                  Case(f"{name}: DANE, no STARTTLS", WAITS, tlsa=right(3, 1, 1), names=None, **way),
                  Case(f"{name}: DANE, another key", WAITS, tlsa=wrong(), **way),
                  Case(f"{name}: bogus", WAITS, tlsa="bogus", **way), Case(f"{name}: dead", WAITS, tlsa="dead", **way),
                  Case(f"{name}: enforce", TLS, policy=ENFORCE, secure=False, **way),
                  Case(f"{name}: enforce, no STARTTLS", WAITS, policy=ENFORCE, names=None, secure=False, **way),
                  Case(f"{name}: enforce, expired", WAITS, policy=ENFORCE, begins=-9, ends=-1, secure=False, **way),
                  Case(f"{name}: REQUIRETLS, DANE", TLS, tlsa=right(3, 1, 1), **asks, **way),
                  Case(f"{name}: REQUIRETLS", NEVER, secure=False, **asks, **way),
                  Case(f"{name}: REQUIRETLS, enforce, no STARTTLS", NEVER, policy=ENFORCE, names=None, secure=False,
                       **asks, **way)]
    cases += [Case("kept: opportunistic", TLS, **opportunistic),
              Case("kept: then enforce", WAITS, policy=ENFORCE, secure=False, after=True),
              Case("kept: in clear", CLEAR, names=None, secure=False),
              Case("kept: then enforce, too", WAITS, policy=ENFORCE, secure=False, after=True),
              Case("kept: testing", TLS, policy=policy("{host}", mode="testing"), **opportunistic),
              Case("kept: then REQUIRETLS", NEVER, secure=False, after=True, mail=" REQUIRETLS")]
    World(w, cases).check_all()


@test(timeout=300)
def what_has_worked_before(w):
    """relay.tls.refuse_downgrade: where TLS has worked no mail goes in clear any more, not
    by a plan that was made before either."""
    attacks = {name: options for name, options in ATTACKS.items() if "context" not in options}
    cases = [Case(name, TLS, secure=False) for name in attacks]
    cases.append(Case("never had TLS", CLEAR, names=None, secure=False))
    world = World(w, cases, {"relay": {"tls": {"ca": w.path("ca", "ca.pem"), "refuse_downgrade": True}}})
    world.check_all()
    for c in cases[:-1]:
        options = attacks[c.name]
        c.receiver.script, c.outcome = options.get("script"), WAITS
        if "names" in options:
            c.receiver.context = None
    for c in cases:
        c.receiver.messages.clear()
        c.receiver.seen.clear()
        for session in list(c.receiver.open):
            session.sock.shutdown(socket.SHUT_RDWR)
    cases[-1].receiver.clear = 0
    eventually(lambda: not any(c.receiver.open for c in cases), "connections are closed")
    for c in cases:
        c.id = world.submit(c, "again")
    world.check_all()
