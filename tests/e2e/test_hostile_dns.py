"""A name server that lies, stammers, repeats itself or says too much: each message ends as DESIGN says,
nobody else's mail is led astray, and the server neither falls nor grows."""

import struct
import subprocess

from harness.case import check, equal, eventually, test
from harness.hostile import (A, AAAA, CNAME, MX, NXDOMAIN, REFUSED, SERVFAIL, SRV, TXT, Hostile,
                             address, mx, name, record, txt)
from harness.receiver import Receiver
from harness.world import NETWORK, USER

HERE = f"{NETWORK}10"
GOOD = address(HERE)[1]
# text of 253 octets, 255 on the wire; and one more
LONG = ".".join(["h" * 63, "o" * 63, "s" * 63, "t" * 61])
TOO_LONG = name(".".join(["h" * 63, "o" * 63, "s" * 63, "t" * 62]))
SELF = b"\xc0\x0c"  # a pointer to the question's name


def rcode(code):
    return lambda q: q.reply(rcode=code)


def alias(to):
    """Every type of the name is an alias."""
    return lambda q: q.reply([record(q.name, CNAME, name(to))])


def chain(first, length, last):
    """length aliases, each of which has to be asked for."""
    names = [first] + [f"c{i}.{first}" for i in range(length - 1)] + [last]
    return {(names[i], kind): alias(names[i + 1]) for i in range(length) for kind in (MX, A, AAAA)}


def behind(domain, host="good.test"):
    return {(domain, MX): [mx(10, host)]}


def only_by_tcp(rdata):
    return lambda q: q.reply([record(SELF, q.kind, x) for x in rdata] if q.tcp else [],
                             truncated=not q.tcp)


def pointing_at_itself(q):
    """The name in the record is a pointer to where it stands."""
    at = 12 + len(q.octets) + 12 + 2
    return q.reply([record(SELF, MX, mx(10, struct.pack(">H", 0xc000 | at)))])


def pointing_forward(q):
    return q.reply([record(SELF, MX, mx(10, b"\xff\xff"))])


def cut_short(q):
    return q.reply([record(q.name, MX, mx(10, "good.test"), length=400)])


def short_rdata(q):
    return q.reply([record(q.name, q.kind, b"\x0a")])


def of_another_question(q):
    return q.reply([record("other.test", MX, mx(10, "good.test"))],
                   question=name("other.test") + struct.pack(">2H", MX, 1))


def of_another_name(q):
    return q.reply([record("other.test", q.kind, mx(10, "evil.test"))])


def poisoned(q):
    """The truth, and beside it an address for a host that others use."""
    return q.reply([record(q.name, MX, mx(10, "good.test"))],
                   more=[record("victim-mx.test", A, address(f"{NETWORK}66")[1], ttl=86400)])


def among_forgeries(q):
    forged = [q.reply([record(q.name, MX, mx(10, "evil.test"))], number=(q.id + i) % 65536)
              for i in range(1, 200)]
    return forged + [q.reply([record(q.name, MX, mx(10, "good.test"))])]


def late(q):
    return [5.0, q.reply([record(q.name, MX, mx(10, "good.test"))])]


def in_pieces(q):
    """More records than one packet says that it has."""
    packet = q.reply([record(q.name, MX, mx(10, "good.test"))])
    return packet[:6] + b"\xff\xff" + packet[8:]


BASE = {
    ("our.test", MX): [mx(10, "mx.our.test")],
    ("mx.our.test", A): [address(f"{NETWORK}20")[1]],
    ("good.test", A): [GOOD],
    ("evil.test", A): [address(f"{NETWORK}66")[1]],
    ("victim-mx.test", A): [GOOD],
}

# domain: (its answers, verdict of the route, status, words)
DELIVER, DEFERRED, FAILED = ("deliver", ""), ("deferred", "4.4.3"), ("failed", "5.4.4")
CASES = {
    "chain8": (chain("chain8.test", 8, "end8.test") | behind("end8.test"), DELIVER, ""),
    "chain40": (chain("chain40.test", 40, "end40.test") | behind("end40.test"), DEFERRED, "SERVFAIL"),
    "thousand": ({("thousand.test", MX): [mx(10 + i, f"m{i}.nowhere.test") for i in range(999)] +
                  [mx(5, "good.test")]}, DELIVER, ""),
    "tcp": ({("tcp.test", MX): only_by_tcp([mx(10, "good.test")])}, DELIVER, ""),
    "notcp": ({("notcp.test", MX): lambda q: q.reply(truncated=True)}, DEFERRED, ""),
    "long": (behind("long.test", LONG) | {(LONG, A): [GOOD]}, DELIVER, ""),
    "toolong": ({("toolong.test", MX): [mx(10, TOO_LONG)]}, DEFERRED, "SERVFAIL"),
    "itself": ({("itself.test", MX): pointing_at_itself}, DEFERRED, "SERVFAIL"),
    "forward": ({("forward.test", MX): pointing_forward}, DEFERRED, "SERVFAIL"),
    "cut": ({("cut.test", MX): cut_short}, DEFERRED, "SERVFAIL"),
    "short": ({("short.test", MX): short_rdata}, DEFERRED, ""),
    "shorta": (behind("shorta.test", "half.test") | {("half.test", A): short_rdata}, DEFERRED, ""),
    "pieces": ({("pieces.test", MX): in_pieces}, DEFERRED, "SERVFAIL"),
    "question": ({("question.test", MX): of_another_question}, DEFERRED, ""),
    "owner": ({("owner.test", MX): of_another_name}, FAILED, ""),
    "forged": ({("forged.test", MX): among_forgeries}, DELIVER, ""),
    "poison": ({("poison.test", MX): poisoned}, DELIVER, ""),
    "victim": (behind("victim.test", "victim-mx.test"), DELIVER, ""),
    "digits": (behind("digits.test", HERE), FAILED, ""),
    "literal": (behind("literal.test", f"[{HERE.replace('.', '-')}]"), DEFERRED, ""),
    "brackets": ({("brackets.test", MX): [mx(10, bytes([len(HERE) + 2]) + f"[{HERE}]".encode() + b"\0"),
                                          mx(20, "good.test")]}, DELIVER, ""),
    "servfail": ({("servfail.test", MX): rcode(SERVFAIL)}, DEFERRED, "SERVFAIL"),
    "refused": ({("refused.test", MX): rcode(REFUSED)}, DEFERRED, ""),
    "silent": ({("silent.test", MX): None}, DEFERRED, ""),
    "onehost": ({("onehost.test", MX): [mx(5, "gone.test"), mx(10, "good.test")],
                 ("gone.test", A): rcode(SERVFAIL)}, DELIVER, ""),
    "allhosts": ({("allhosts.test", MX): [mx(5, "none.test"), mx(10, "gone.test")]},
                 DEFERRED, "gone.test"),
    "onefamily": (behind("onefamily.test", "half6.test") |
                  {("half6.test", A): [GOOD], ("half6.test", AAAA): rcode(SERVFAIL)}, DELIVER, ""),
    "mx6": (behind("mx6.test") | {("_mx6._tcp.mx6.test", SRV): rcode(REFUSED)}, DELIVER, ""),
    "txt": (behind("txt.test") | {("_mta-sts.txt.test", TXT): only_by_tcp([txt(b"x" * 60000)])},
            DELIVER, ""),
    "texts": (behind("texts.test") |
              {("_mta-sts.texts.test", TXT): only_by_tcp([txt(b"v=STSv1; id=%d" % i)
                                                          for i in range(1800)])},
              DELIVER, ""),
    "notxt": (behind("notxt.test") | {("_mta-sts.notxt.test", TXT): rcode(SERVFAIL)}, DELIVER, ""),
}


def start(w, answers, relay=None, over=None):
    dns = Hostile(BASE | answers)
    author = Receiver(f"{NETWORK}20")
    w.start({"relay": relay or {"ipv6": True}, "queue": {"retry": ["30m"], "delay_warning": "1h"}} |
            (over or {}))
    return dns, author


def all_answers():
    out = {}
    for answers, _, _ in CASES.values():
        out |= answers
    return out


@test(timeout=240)
def hostile_answers_end_as_designed(w):
    """By msactl route, and by a message to each: delivered, deferred or returned."""
    dns, author = start(w, all_answers())
    good, evil = Receiver(HERE), Receiver(f"{NETWORK}66")
    ids = {}
    s = w.session()
    for domain in CASES:
        ids[domain] = w.submit(f"bob@{domain}.test", wire=s)
    for domain, (_, (verdict, status), words) in CASES.items():
        last = w.ask("route", f"bob@{domain}.test")[1][-1]
        equal((last["verdict"], last.get("status", "")), (verdict, status), domain)
        check(words in last.get("text", ""), domain, last)
        event = w.wait_event(ids[domain], {"deliver": "delivered"}.get(verdict, verdict))[0]
        if status:
            check(status in str(event), domain, event)
    delivered = [d for d, x in CASES.items() if x[1] == DELIVER]
    eventually(lambda: len(good.messages) == len(delivered), "what can be delivered is")
    equal(sorted(r for m in good.messages for r in m.rcpt),
          sorted(f"TO:<bob@{d}.test>" for d in delivered))
    equal(evil.connections, 0, "connections to where no good answer leads")
    equal(sorted(q["id"] for q in w.queue()),
          sorted(ids[d] for d, x in CASES.items() if x[1] == DEFERRED))
    returned = [d for d, x in CASES.items() if x[1] == FAILED]
    eventually(lambda: len(author.messages) == len(returned), "a report of each failure")
    text = b"".join(m.content for m in author.messages).decode()
    for domain in returned:
        check(f"bob@{domain}.test" in text, domain, text)
    equal(text.count("Status: 5.4.4"), len(returned))
    check(any(x[2] for x in dns.asked), "TCP was used")


INSIDE = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.1.1", "224.0.0.1", "255.255.255.255", "::1", "::",
          "fe80::1", "ff02::1", "::ffff:127.0.0.1", f"::ffff:{HERE}", "::127.0.0.1"]


def inside():
    out = {}
    for i, text in enumerate(INSIDE):
        kind, octets = address(text)
        out |= behind(f"in{i}.test", f"host{i}.test") | {(f"host{i}.test", kind): [octets]}
        out |= {(f"bare{i}.test", kind): [octets]}  # without MX
    mixed = [address(text)[1] for text in INSIDE if ":" not in text]
    return out | behind("mixed.test", "some.test") | {("some.test", A): mixed + [GOOD]}


@test(timeout=180)
def addresses_inside_are_not_connected_to(w):
    """Loopback, unspecified, multicast, link-local, mapped: by MX and without; the good one beside them is
    used. With relay.allow_loopback they are addresses as others are."""
    subprocess.run(["ip", "address", "add", "2001:db8::1/128", "dev", "lo", "nodad"], check=True)
    _, author = start(w, inside())
    good = Receiver(HERE)
    local = [Receiver("127.0.0.1"), Receiver("127.9.9.9"), Receiver("::1")]
    s = w.session()
    domains = [f"{kind}{i}.test" for kind in ("in", "bare") for i in range(len(INSIDE))]
    for domain in domains:
        w.submit(f"bob@{domain}", wire=s)
    w.submit("bob@mixed.test", wire=s)
    eventually(lambda: len(author.messages) == len(domains), "a report of each")
    for m in author.messages:
        check(b"Status: 5.4.4" in m.content and b"relay.allow_loopback" in m.content, m.content)
    equal([m.rcpt for m in eventually(lambda: good.messages, "the good address")],
          [["TO:<bob@mixed.test>"]])
    equal(([r.connections for r in local], good.connections), ([0, 0, 0], 1))
    w.wait_empty()
    w.write({"relay": {"allow_loopback": True}})
    w.ctl("reload")
    for domain in domains:
        w.submit(f"bob@{domain}", wire=s)
    # nobody listens at 169.254.1.1 and the like: put off, as for any host that is not there
    reached = [i for i, text in enumerate(INSIDE) if text in ("127.0.0.1", "127.9.9.9", "::1")]
    eventually(lambda: sum(len(r.messages) for r in local) >= 2 * len(reached), "local delivery")
    took = {r for x in local + [good] for m in x.messages for r in m.rcpt}
    for i in reached:
        check({f"TO:<bob@in{i}.test>", f"TO:<bob@bare{i}.test>"} <= took, INSIDE[i], took)
    equal(len(author.messages), len(domains), "no further report")


@test()
def ourselves_is_an_address_and_a_port(w):
    """MX that leads to our own listener fails; another service on our address takes its mail, and the
    hosts behind it are not cut off."""
    here = f"{NETWORK}50"
    _, author = start(w, {("self.test", MX): [mx(5, "me.test"), mx(10, "good.test")],
                          ("me.test", A): [address(here)[1]],
                          ("beside.test", MX): [mx(5, "mail.our.test"), mx(10, "good.test")],
                          ("mail.our.test", A): [address(f"{NETWORK}51")[1]]},
                      over={"listen": [{"address": "*", "port": 587, "tls": "starttls"},
                                       {"address": here, "port": 25, "tls": "starttls"}]})
    good, beside = Receiver(HERE), Receiver(f"{NETWORK}51")
    w.submit("bob@self.test")
    content = eventually(lambda: author.messages, "the report")[0].content
    check(b"Status: 5.4.6" in content and b"loop back" in content, content)
    equal(good.connections, 0, "the hosts behind ourselves")
    w.submit("bob@beside.test")
    eventually(lambda: beside.messages, "our name and address, another port of ours")
    w.wait_empty()


@test()
def an_answer_after_its_time(w):
    """dns.timeout ends the wait; what comes later is there for the next attempt."""
    dns, _ = start(w, {("late.test", MX): late}, over={"dns": {"timeout": "1s"}})
    good = Receiver(HERE)
    queue_id = w.submit("bob@late.test")
    event = w.wait_event(queue_id, "deferred")[0]
    check("4.4.3" in str(event) and "within the time allowed" in str(event), event)
    dns.answers[("late.test", MX)] = [mx(10, "good.test")]
    w.retried_until(lambda: good.messages, "arrives")
    w.wait_empty()


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Rss:"))


@test(build="release", timeout=300, alone=True)
def hostile_answers_cost_no_memory(w):
    """Thousands of names, each with the largest answers there are: the server stays within its bounds."""
    big_mx = [mx(i, f"m{i}.huge.test") for i in range(1, 2000)]
    dns, _ = start(w, {})

    def huge(q):
        """Any name below huge.test, whatever is asked."""
        if not q.tcp:
            return q.reply(truncated=True)
        if q.kind == MX:
            return q.reply([record(SELF, MX, x, ttl=3600) for x in big_mx])
        if q.kind == TXT:
            return q.reply([record(SELF, TXT, txt(b"x" * 60000), ttl=3600)])
        return q.reply([record(SELF, q.kind, bytes([10, i >> 8, i & 255, 1]) if q.kind == A else bytes(14) +
                               struct.pack(">H", i), ttl=3600) for i in range(2000)])

    class Endless(dict):
        def get(self, key, default=()):
            return super().get(key, huge if key[0].endswith("huge.test") else default)
    dns.answers = Endless(dns.answers)
    idle = resident(w.pid("server"))
    for i in range(40):  # until the resolver's cache is full
        w.ask("route", f"bob@warm{i}.huge.test")
    warm = resident(w.pid("server"))
    for i in range(200):
        lines = w.ask("route", f"bob@d{i}.huge.test")[1]
    equal(lines[-1]["verdict"], "deliver")
    check(sum(1 for n, kind, tcp in dns.asked if tcp and kind == MX and n.startswith("d")) == 200,
          "each was asked for, and came whole")
    grown = resident(w.pid("server")) - warm
    check(warm - idle < 32 * 1024 and grown < 4 * 1024,
          f"from {idle} to {warm} KiB, and by {grown} KiB more")
