"""msactl route over a validating resolver: what DNS said, what follows, and the order of attempts."""

from harness.case import check, equal, eventually, test
from harness.receiver import Receiver
from harness.world import NETWORK

HASH = "00" * 32
BAD_DS = "12345 13 2 " + "ab" * 32

# the root is signed; plain.test and stripped.test are not, and the root says of the second that it
# is; wrong.test is signed by another key than the root says; the server of lame.test is lame
ROOT = f"""
ee.test. MX 10 mx.ee.test.
mx.ee.test. A {NETWORK}10
_25._tcp.mx.ee.test. TLSA 3 1 1 {HASH}
ta.test. MX 10 alias.ta.test.
alias.ta.test. CNAME real.ta.test.
real.ta.test. A {NETWORK}11
_25._tcp.real.ta.test. TLSA 2 0 1 {HASH}
none.test. MX 10 mx.none.test.
mx.none.test. A {NETWORK}12
pkix.test. MX 10 mx.pkix.test.
mx.pkix.test. A {NETWORK}13
_25._tcp.mx.pkix.test. TLSA 1 1 1 {HASH}
cut.test. MX 10 mx.cut.test.
cut.test. MX 20 mx.none.test.
mx.cut.test. A {NETWORK}14
_tcp.mx.cut.test. NS ns.test.
_tcp.mx.cut.test. DS {BAD_DS}
away.test. MX 10 host.plain.test.
out.test. MX 10 out.host.test.
out.host.test. CNAME host.plain.test.
_25._tcp.out.host.test. TLSA 3 1 1 {HASH}
qmtp.test. MX 12801 mx.none.test.
qdane.test. MX 12801 mx.ee.test.
six.test. MX 10 mx.none.test.
_mx6._tcp.six.test. SRV 5 0 25 second.six.test.
_mx6._tcp.six.test. SRV 1 0 25 first.six.test.
_mx6._tcp.six.test. SRV 0 0 2525 first.six.test.
first.six.test. AAAA 2001:db8::6
first.six.test. A {NETWORK}16
_25._tcp.first.six.test. TLSA 3 1 1 {HASH}
second.six.test. A {NETWORK}17
wild.test. MX 10 any.wild.test.
*.wild.test. A {NETWORK}18
*.wild.test. TLSA 3 1 1 {HASH}
alias.test. MX 10 mx.alias.test.
mx.alias.test. A {NETWORK}22
_25._tcp.mx.alias.test. CNAME _dane.alias.test.
_dane.alias.test. TLSA 3 1 1 {HASH}
leads.test. MX 10 mx.leads.test.
mx.leads.test. A {NETWORK}23
_25._tcp.mx.leads.test. CNAME _dane.plain.test.
bare.test. MX 10 mx.bare.test.
mx.bare.test. A {NETWORK}24
_tcp.mx.bare.test. NS ns.test.
_tcp.mx.bare.test. DS {BAD_DS}
sig.test. NS ns.test.
plain.test. NS ns.test.
stripped.test. NS ns.test.
stripped.test. DS {BAD_DS}
wrong.test. NS ns.test.
wrong.test. DS {BAD_DS}
lame.test. NS ns.test.
"""

PLAIN = f"""plain.test. MX 10 host.plain.test.
host.plain.test. A {NETWORK}20
_25._tcp.host.plain.test. TLSA 3 1 1 {HASH}
_dane.plain.test. TLSA 3 1 1 {HASH}
qmtp.plain.test. MX 12801 host.plain.test.
"""

SIGNED = f"""good.sig.test. MX 10 mx.sig.test.
mx.sig.test. A {NETWORK}25
_25._tcp.mx.sig.test. TLSA 3 1 1 {HASH}
badmx.sig.test. MX 10 mx.sig.test.
badtlsa.sig.test. MX 10 mx.badtlsa.sig.test.
badtlsa.sig.test. MX 20 mx.sig.test.
mx.badtlsa.sig.test. A {NETWORK}26
_25._tcp.mx.badtlsa.sig.test. TLSA 3 1 1 {HASH}
bada.sig.test. MX 10 mx.bada.sig.test.
mx.bada.sig.test. A {NETWORK}27
denied.sig.test. MX 10 mx.denied.sig.test.
mx.denied.sig.test. A {NETWORK}28
"""
BROKEN = {("badmx.sig.test.", "MX"), ("_25._tcp.mx.badtlsa.sig.test.", "TLSA"), ("mx.bada.sig.test.", "A"),
          ("mx.denied.sig.test.", "NSEC")}

BELOW = {
    "sig.test.": (SIGNED, True),
    "_tcp.mx.bare.test.": ("", False),
    "plain.test.": (PLAIN, False),
    "stripped.test.": (f"stripped.test. MX 10 mx.none.test.\nmx.stripped.test. A {NETWORK}21\n", False),
    "wrong.test.": ("wrong.test. MX 10 mx.none.test.\n", True),
    "lame.test.": (None, False),
    "_tcp.mx.cut.test.": (f"_25._tcp.mx.cut.test. TLSA 3 1 1 {HASH}\n", True),
}

# the machine has no global IPv6 address, and nothing is connected to
RELAY = {"allow_loopback": True, "tls": {"mta_sts": False}}


def start(w, relay=None):
    dns = w.serve_dns(ROOT, signed=True, below=BELOW)
    w.start({"dns": {"dnssec": "auto", "trust_anchor": dns.anchor()}, "relay": relay or RELAY},
            user=False)
    eventually(lambda: w.status()["server"]["dns"]["validating"], "answers are validated")


def route(w, domain):
    lines = w.ask("route", f"bob@{domain}")[1]
    attempts = [(x["host"], x["address"], x["protocol"], x["tls"], x["rule"], x["secure"])
                for x in lines if "attempt" in x]
    return attempts, lines[-1], [x for x in lines if "step" in x]


def said(steps, asked):
    """dnssec and words of each step about this question."""
    return [(x["dnssec"], x["said"]) for x in steps if x["asked"] == asked]


def here(number, port=25):
    return f"{NETWORK}{number}:{port}"


@test()
def route_by_dane(w):
    start(w)
    attempts, last, steps = route(w, "ee.test")
    equal(attempts, [("mx.ee.test", here(10), "smtp", "dane", "dane", True)])
    equal(last["verdict"], "deliver")
    equal(said(steps, "MX ee.test"), [("secure", "10 mx.ee.test")])
    equal(said(steps, "A mx.ee.test"), [("secure", f"{NETWORK}10")])
    equal(said(steps, "AAAA mx.ee.test"), [("secure", "none")])
    equal(said(steps, "TLSA _25._tcp.mx.ee.test"), [("secure", "3 1 1, 32 bytes")])
    equal(said(steps, "SRV _mx6._tcp.ee.test"), [("secure", "none")])
    # behind an alias, at the name that it leads to
    attempts, _, steps = route(w, "ta.test")
    equal(attempts, [("alias.ta.test", here(11), "smtp", "dane", "dane", True)])
    equal(len(said(steps, "TLSA _25._tcp.real.ta.test")), 1)
    # none, and none that can be used
    equal(route(w, "none.test")[0],
          [("mx.none.test", here(12), "smtp", "opportunistic", "", True)])
    equal(route(w, "pkix.test")[0], [("mx.pkix.test", here(13), "smtp", "require", "dane", True)])
    text = w.ctl("route", "bob@ee.test")
    check("TLSA _25._tcp.mx.ee.test: 3 1 1, 32 bytes (secure): must match (DANE)" in text, text)
    check("smtp by mx, TLS dane (dane), the way is proven" in text, text)


@test()
def route_where_dnssec_fails(w):
    """Wrong signatures, missing ones, a zone that nobody serves: never as if it were unsigned."""
    start(w)
    for domain in ("wrong.test", "stripped.test"):
        attempts, last, steps = route(w, domain)
        equal((attempts, last["verdict"], last["status"]), ([], "deferred", "4.4.3"), domain)
        equal(said(steps, f"MX {domain}")[0][0], "bogus", domain)
        check("DNSSEC validation failed" in last["text"], last)
    attempts, last, _ = route(w, "lame.test")
    equal((attempts, last["verdict"], last["status"]), ([], "deferred", "4.4.3"))
    # the TLSA records alone: that host is barred, the next one is not
    attempts, last, steps = route(w, "cut.test")
    equal(attempts, [("mx.cut.test", here(14), "smtp", "barred", "dane", True),
                     ("mx.none.test", here(12), "smtp", "opportunistic", "", True)])
    equal(said(steps, "TLSA _25._tcp.mx.cut.test")[0][0], "bogus")
    text = w.ctl("route", "bob@cut.test")
    check("TLS barred (dane)" in text and "DANE: look-up of TLSA _25._tcp.mx.cut.test failed" in text, text)


@test()
def route_by_dane_of_all_forms(w):
    """Records by a wildcard and behind an alias, in signed zones; an alias that leads out of them says
    nothing, and that there are none is believed only where it is proven."""
    start(w)
    equal(route(w, "wild.test")[0], [("any.wild.test", here(18), "smtp", "dane", "dane", True)])
    attempts, _, steps = route(w, "alias.test")
    equal(attempts, [("mx.alias.test", here(22), "smtp", "dane", "dane", True)])
    equal(said(steps, "TLSA _25._tcp.mx.alias.test"), [("secure", "3 1 1, 32 bytes")])
    attempts, _, steps = route(w, "leads.test")
    equal(attempts, [("mx.leads.test", here(23), "smtp", "opportunistic", "", True)])
    equal(said(steps, "TLSA _25._tcp.mx.leads.test"), [("insecure", "not counted")])
    attempts, _, steps = route(w, "bare.test")
    equal(attempts, [("mx.bare.test", here(24), "smtp", "barred", "dane", True)])
    equal(said(steps, "TLSA _25._tcp.mx.bare.test")[0][0], "bogus")


@test()
def route_where_one_signature_is_wrong(w):
    """In a zone that is signed well: over MX, an address, TLSA, or the proof that there is none."""
    dns = w.serve_dns(ROOT, signed=True, below=BELOW)
    dns.corrupt("sig.test.", BROKEN)
    w.start({"dns": {"dnssec": "auto", "trust_anchor": dns.anchor()}, "relay": RELAY}, user=False)
    eventually(lambda: w.status()["server"]["dns"]["validating"], "answers are validated")
    equal(route(w, "good.sig.test")[0], [("mx.sig.test", here(25), "smtp", "dane", "dane", True)])
    for domain, asked in (("badmx.sig.test", "MX badmx.sig.test"), ("bada.sig.test", "A mx.bada.sig.test")):
        attempts, last, steps = route(w, domain)
        equal((attempts, last["verdict"], last["status"]), ([], "deferred", "4.4.3"), domain)
        equal(said(steps, asked)[0][0], "bogus", domain)
    attempts, _, steps = route(w, "badtlsa.sig.test")
    equal(attempts, [("mx.badtlsa.sig.test", here(26), "smtp", "barred", "dane", True),
                     ("mx.sig.test", here(25), "smtp", "dane", "dane", True)])
    attempts, _, steps = route(w, "denied.sig.test")
    equal(attempts, [("mx.denied.sig.test", here(28), "smtp", "barred", "dane", True)])
    equal(said(steps, "TLSA _25._tcp.mx.denied.sig.test")[0][0], "bogus")


@test()
def route_through_unsigned_zones(w):
    start(w)
    attempts, _, steps = route(w, "plain.test")
    equal(attempts, [("host.plain.test", here(20), "smtp", "opportunistic", "", False)])
    equal(said(steps, "MX plain.test"), [("insecure", "10 host.plain.test")])
    check(not said(steps, "TLSA _25._tcp.host.plain.test"), "asked for in an unsigned zone", steps)
    attempts, _, steps = route(w, "away.test")
    equal(attempts, [("host.plain.test", here(20), "smtp", "opportunistic", "", True)])
    equal(said(steps, "A host.plain.test")[0][0], "insecure")
    # a signed alias that leads out of the signed zones has records of its own
    attempts, _, steps = route(w, "out.test")
    equal(attempts, [("out.host.test", here(20), "smtp", "dane", "dane", True)])
    equal(said(steps, "CNAME out.host.test")[0][0], "secure")


@test()
def route_by_mx6_and_mxps(w):
    start(w)
    attempts, _, steps = route(w, "six.test")
    equal(attempts,
          [("first.six.test", "[2001:db8::6]:25", "smtp", "dane", "dane", True),
           ("first.six.test", here(16), "smtp", "dane", "dane", True),
           ("mx.none.test", here(12), "smtp", "opportunistic", "", True)])
    why = {x["said"]: x["why"] for x in steps if x["step"] == "mx6"}
    check("relay.mx6_ports" in why["0 0 2525 first.six.test"], why)
    check("skipped" in why["second.six.test has no IPv6 address that can be used"], why)
    equal([x[1:5] for x in route(w, "qmtp.test")[0]],
          [(here(12, 209), "qmtp", "none", ""), (here(12), "smtp", "opportunistic", "")])
    check("qmtp by mx, clear text" in w.ctl("route", "bob@qmtp.test"), "clear text is named")
    attempts, _, steps = route(w, "qdane.test")
    equal([x[2:4] for x in attempts], [("smtp", "dane")])
    check("left out: it is clear text" in w.ctl("route", "bob@qdane.test"), steps)


HOSTILE = f"""
loop.test. CNAME pool.test.
pool.test. CNAME loop.test.
hostloop.test. MX 10 round.test.
hostloop.test. MX 20 good.test.
round.test. CNAME square.test.
square.test. CNAME round.test.
good.test. A {NETWORK}10
tlsaloop.test. MX 10 tl.test.
tl.test. A {NETWORK}11
_25._tcp.tl.test. CNAME _25._tcp.tl.test.
inside.test. MX 10 inside.host.test.
inside.host.test. A 127.0.0.1
inside.host.test. A 0.0.0.0
inside.host.test. A 169.254.1.1
inside.host.test. AAAA ::1
inside.host.test. AAAA ::ffff:198.51.100.10
inside.host.test. AAAA fe80::1
odd.test. MX 10 a\\013\\010b.test.
odd.test. MX 20 good.test.
""" + "".join(f"many.test. MX 5 m{i}.nowhere.test.\n" for i in range(1000))


@test()
def route_over_hostile_zones(w):
    """Aliases in circles, a thousand MX, names with line ends, addresses of this machine."""
    dns = w.serve_dns(HOSTILE, signed=True)
    w.start({"dns": {"dnssec": "auto", "trust_anchor": dns.anchor()},
             "relay": {"tls": {"mta_sts": False}}}, user=False)
    eventually(lambda: w.status()["server"]["dns"]["validating"], "answers are validated")
    attempts, last, _ = route(w, "loop.test")
    equal((attempts, last["verdict"], last["status"]), ([], "deferred", "4.4.3"))
    equal([x[0] for x in route(w, "hostloop.test")[0]], ["good.test"])
    equal([x[3] for x in route(w, "tlsaloop.test")[0]], ["barred"])
    attempts, last, steps = route(w, "inside.test")
    equal((attempts, last["verdict"], last["status"]), ([], "failed", "5.4.4"))
    check("relay.allow_loopback" in last["text"], last)
    equal(len([x for x in steps if x["step"] == "filter"]), 6)
    attempts, _, steps = route(w, "odd.test")
    equal([x[0] for x in attempts], ["good.test"])
    check("\n" not in "".join(x["said"] for x in steps), steps)
    # over TCP, as it is large: 20 of them are asked about and no more
    attempts, last, steps = route(w, "many.test")
    equal((attempts, last["status"]), ([], "5.4.4"))
    equal(len([x for x in steps if x["step"] == "address" and "nowhere" in x["asked"]]), 40)
    check(len(steps) <= 500, len(steps))
    equal(w.process.poll(), None)


@test()
def route_without_mx6_mxps_dane(w):
    start(w, {"mx6": False, "mxps": False, "tls": {"dane": False, "mta_sts": False}})
    equal([x[0] for x in route(w, "six.test")[0]], ["mx.none.test"])
    check("relay.mx6" in w.ctl("route", "bob@six.test"), "the setting is named")
    equal([x[2] for x in route(w, "qmtp.test")[0]], ["smtp"])
    equal([x[3] for x in route(w, "ee.test")[0]], ["opportunistic"])


@test()
def route_needs_ipv6_for_mx6(w):
    start(w, {"tls": {"mta_sts": False}})
    equal([x[0] for x in route(w, "six.test")[0]], ["mx.none.test"])
    check("no global IPv6 address" in w.ctl("route", "bob@six.test"), "why")


@test()
def a_resolver_that_strips_dnssec(w):
    """Said at start, by status and by check; nothing is under DANE, and mail goes on."""
    box = Receiver(f"{NETWORK}10")
    dns = w.serve_dns(ROOT, below={"plain.test.": BELOW["plain.test."]})
    with open(w.path("anchor"), "w", encoding="ascii") as f:
        f.write(f". 300 IN DS {BAD_DS}\n")
    w.start({"dns": {"dnssec": "auto", "trust_anchor": w.path("anchor")}, "relay": RELAY})
    w.wait_log("dns-insecure")
    equal(w.status()["server"]["dns"]["validating"], False)
    done = w.msactl("check")
    equal(done.returncode, 0)
    check("dns.dnssec: warning: the resolvers do not let DNSSEC through" in done.stdout, done.stdout)
    equal(w.ask("check")[1][-1]["key"], "dns.dnssec")
    attempts, _, steps = route(w, "ee.test")
    equal(attempts, [("mx.ee.test", here(10), "smtp", "opportunistic", "", False)])
    equal(said(steps, "MX ee.test")[0][0], "insecure")
    w.submit("bob@ee.test")
    eventually(lambda: box.messages, "the message")
    w.wait_empty()
    equal(w.log().count("dns-insecure"), 1, "warnings")
    dns.stop()


@test()
def route_in_words(w):
    """What an operator reads: where mail goes, by which hop, and of whom."""
    w.serve_dns(f"xn--bcher-kva.test. MX 10 mx.test.\nmx.test. A {NETWORK}10\n")
    w.start({"relay": {**RELAY, "routes": [
        {"domain": "login.test", "login": "al@our.test", "to": f"smtps://{NETWORK}11"},
        {"domain": "*.onion", "socks": "socks5://127.0.0.1:9050"}]}}, user=False)
    said = w.ctl("route", "bob@bücher.test")
    check("MX xn--bcher-kva.test: 10 mx.test" in said, said)
    check(said.endswith("deliver         site mx.test\n"), said)
    said = w.ctl("route", "bob@a.onion")
    check("a.onion:25 through the proxy 127.0.0.1:9050, smtp by static route" in said, said)
    for user in ("al", "al@our.test"):
        check(f"{NETWORK}11:465" in w.ctl("route", "bob@login.test", "--user", user), user)
    check(f"{NETWORK}11" not in w.ctl("route", "bob@login.test", "--user", "kim"), "another's")
    check("auth.realms" in w.ctl("route", "bob@login.test", "--user", "al@else.test", code=2), "no login")
    check("fully qualified" in w.ctl("route", "bob@localhost", code=2), "no address")


@test()
def a_resolver_that_is_dead_at_start(w):
    """Said at start, by status and by check; what must be looked up waits, and goes out later."""
    box = Receiver(f"{NETWORK}10")
    with open(w.path("anchor"), "w", encoding="ascii") as f:
        f.write(f". 300 IN DS {BAD_DS}\n")
    w.start({"dns": {"dnssec": "auto", "trust_anchor": w.path("anchor")},
             "relay": RELAY, "queue": {"retry": ["1s"]}})
    w.wait_log("dns-silent")
    equal(w.status()["server"]["dns"]["answering"], False)
    done = w.msactl("check")
    equal(done.returncode, 0)
    check("dns.servers: warning: the resolvers do not answer" in done.stdout, done.stdout)
    w.submit("bob@ee.test")
    eventually(lambda: "4.4.3" in w.ctl("queue", "list"), "it waits")
    dns = w.serve_dns(ROOT, below={"plain.test.": BELOW["plain.test."]})
    eventually(lambda: box.messages, "the message", 90)
    w.wait_log("dns-answers")
    equal(w.status()["server"]["dns"]["answering"], True)
    check("the resolvers do not answer" not in w.msactl("check").stdout, "no longer said")
    dns.stop()
