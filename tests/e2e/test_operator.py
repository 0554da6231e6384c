"""What the operator does to mail in the queue: at once, to what he names, by today's rules."""

import os
import pty
import subprocess
import threading
import time

from harness.case import check, equal, eventually, test
from harness.client import session
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""our.test. MX 10 mx.our.test.
mx.our.test. A {NETWORK}9
else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
other.test. MX 10 mx.other.test.
mx.other.test. A {NETWORK}11
dead.test. MX 10 mx.dead.test.
mx.dead.test. A {NETWORK}99
dead2.test. MX 10 mx.dead2.test.
mx.dead2.test. A {NETWORK}98
"""
LATER = {"queue": {"retry": ["1h"], "lifetime": "2d"}}


def start(w, over=None, zone=ZONE):
    w.serve_dns(zone)
    w.start({**LATER, **(over or {})})


def site(w, name):
    return w.ask("site", "list", "--site", name)[1][0]


def bring_down(w, domain):
    """Two messages that find nobody there: the site is left alone for a while."""
    for n in range(2):
        w.wait_event(w.submit(f"u{n}@{domain}"), "deferred")
    return eventually(lambda: site(w, f"mx.{domain}") if site(w, f"mx.{domain}")["state"] == "down"
                      else None, f"{domain} is down")


def rows(w, *words):
    return w.ask("queue", "list", *words)[1]


class Gate:
    """A receiver's script that answers the end of each content when it is let through."""

    def __init__(self):
        self.open, self.arrived = threading.Semaphore(0), 0

    def __call__(self, verb, args, receiver):
        if verb == "END":
            self.arrived += 1
            self.open.acquire(timeout=60)

    def let(self, n=1):
        self.open.release(n)


@test()
def other_sites_are_left_alone(w):
    """Hold, release, bounce, delete end no back-off; a retry ends that of its own site only."""
    start(w)
    down = {d: bring_down(w, d)["until_ms"] for d in ("dead.test", "dead2.test")}
    mine = w.submit("bob@dead2.test")
    w.wait_event(mine, "deferred")
    for words in (["hold", mine], ["release", mine], ["hold", mine], ["bounce", mine]):
        w.ctl("queue", *words)
        for d, until in down.items():
            s = site(w, f"mx.{d}")
            check(s["state"] == "down" and abs(s["until_ms"] - until) < 1000, words, s)
    failures = site(w, "mx.dead.test")["failures"]
    w.ctl("queue", "retry", "--domain", "dead2.test")
    eventually(lambda: site(w, "mx.dead2.test")["failures"] > 2, "it is tried now")
    equal(site(w, "mx.dead.test")["failures"], failures, "tries of the other one")
    check(abs(site(w, "mx.dead.test")["until_ms"] - down["dead.test"]) < 1000, "still left alone")


@test()
def put_offs_are_no_attempts(w):
    start(w)
    bring_down(w, "dead.test")
    queue_id = w.submit("carol@dead.test")
    told = w.wait_event(queue_id, "deferred")[0]
    check("left alone" in told["text"], told)
    row = rows(w, queue_id)[0]
    equal((row["attempts"], row["text"]), (0, told["text"]), "row of what was not tried")
    equal({r["attempts"] for r in rows(w, "--to", "u")}, {1}, "attempts of what was tried")
    w.ctl("queue", "retry", queue_id)
    eventually(lambda: rows(w, queue_id)[0]["attempts"] == 1, "it is tried by its name")


@test()
def what_goes_to_a_site(w):
    """By name of a host, or as site list prints it; also where it has not been tried yet."""
    Receiver(NETWORK + "10")
    start(w, {"relay": {"routes": [{"domain": "else.test", "sender": "other@our.test",
                                    "to": ["smtp://hub.test:25"]}]}})
    bring_down(w, "dead.test")
    w.wait_event(w.submit("dave@else.test"), "delivered")
    dead = w.submit(["carol@dead.test", "erin@dead2.test"])
    w.wait_event(dead, "deferred")
    printed = site(w, "mx.dead.test")["site"]
    for name in ("mx.dead.test", "*.dead.test", printed):
        equal([r["domain"] for r in rows(w, "--site", name)], ["dead.test"] * 3, name)
    check("1 recipient\n" in w.ctl("queue", "hold", "--site", "mx.dead2.test"), "hold")
    equal({(r["to"], r["held"]) for r in rows(w, dead)},
          {("carol@dead.test", False), ("erin@dead2.test", True)}, "held by site")
    equal([r["recipients"] for r in w.ask("queue", "summary", "--site", printed)[1]], [3])
    w.ctl("queue", "delete", "--site", "mx.nowhere.test", code=1)
    w.ctl("queue", "delete", "--site", printed)
    equal([r["to"] for r in rows(w)], ["erin@dead2.test"], "what is left")
    told = eventually(lambda: w.ask("trace", "--site", "mx.else.test", may_fail=True)[1], "trace")
    equal({(e["event"], e["to"]) for e in told}, {("delivered", "dave@else.test")})


def at_terminal(w, types, *words):
    """msactl with a terminal as its standard input; exit code, standard output and error."""
    mine, its = pty.openpty()
    os.write(mine, types)
    done = subprocess.run([f"{w.build}/msactl", "-c", w.conf, *words], stdin=its, text=True,
                          capture_output=True, env=w.environment, timeout=60)
    os.close(its)
    os.close(mine)
    return done.returncode, done.stdout, done.stderr


@test()
def changes_are_shown_before(w):
    """--dry-run lists and counts; at a terminal the count is told, and some of them ask."""
    start(w)
    w.ctl("pause", "relay")
    ids = [w.submit([f"a{n}@else.test", f"b{n}@else.test"]) for n in range(2)]
    told = w.ask("queue", "delete", "--from", USER, "--dry-run")[1]
    equal({(r["id"], r["to"]) for r in told[:-1]},
          {(i, f"{c}{n}@else.test") for n, i in enumerate(ids) for c in "ab"}, "rows")
    equal(told[-1], {"recipients": 4, "dry_run": True})
    text = w.ctl("queue", "hold", ids[0], "--dry-run")
    check("a0@else.test" in text and "2 recipients would be changed" in text, text)
    for types in (b"n\n", b"\n", b"yesterday\n", b"\x04"):
        code, out, err = at_terminal(w, types, "queue", "delete", "--from", USER)
        check((code, out) == (1, "") and "4 recipients match" in err and "nothing was done" in err,
              (types, code, out, err))
    equal(len(rows(w)), 4, "all are left")
    code, out, err = at_terminal(w, b"", "queue", "hold", ids[0])
    check(code == 0 and "2 recipients match" in err and "?" not in err and "2 rec" in out, err)
    code, out, err = at_terminal(w, b"y\n", "queue", "delete", "--to", "a")
    equal((code, out), (0, "2 recipients\n"), err)
    code, out, err = at_terminal(w, b"", "queue", "redirect", ids[1], "--yes",
                                 "--to", "c@other.test")
    equal((code, out, err), (0, "1 recipient\n", ""))
    code, out, err = at_terminal(w, b"y\n", "queue", "bounce", "--to", "nobody")
    check(code == 1 and "nothing in the queue matches" in err and "?" not in err, err)
    equal({r["to"] for r in rows(w)}, {"b0@else.test", "c@other.test"})
    w.ctl("queue", "list", "--yes", code=2)


@test()
def a_bounce_acts_while_all_is_paused(w):
    """Held, backed off, not yet tried: returned at once; the reports wait, and it is said."""
    author = Receiver(NETWORK + "9")
    start(w)
    bring_down(w, "dead.test")
    tried = w.submit("carol@dead.test")
    w.wait_event(tried, "deferred")
    check("reports" in w.ctl("pause", "relay"), "what a pause means")
    check("reports" in w.status()["server"]["paused_note"], "status")
    equal([r.get("waits_for") for r in rows(w, tried)], [None], "it is not due")
    fresh = w.submit(["dave@else.test", "erin@else.test"])
    equal([r["waits_for"] for r in rows(w, fresh)], ["pause", "pause"])
    w.ctl("queue", "hold", "--to", "erin")
    w.ctl("queue", "bounce", "--to", "nobody@else.test", code=1)
    for queue_id, count in ((tried, 1), (fresh, 2)):
        equal(w.ask("queue", "bounce", queue_id)[1][-1]["recipients"], count)
        told = w.wait_event(queue_id, "failed")
        equal({(e["status"], "operator" in e["text"]) for e in told}, {("5.7.1", True)})
        eventually(lambda: not rows(w, queue_id), "it has left the queue", 10)
    reports = eventually(lambda: (r := rows(w, "--domain", "our.test")) and len(r) == 2 and r,
                         "a report for each message")
    equal({(r["from"], r["to"], r["attempts"]) for r in reports}, {("", USER, 0)})
    equal(author.messages, [], "nothing is delivered")
    w.ctl("resume", "relay")
    eventually(lambda: len(author.messages) == 2, "the reports")
    check(all(b"operator" in m.content for m in author.messages), "their words")


@test()
def what_waits_for_a_slot_obeys(w):
    """Held, deleted, redirected and returned while they wait behind another message."""
    gate = Gate()
    receiver, other = Receiver(NETWORK + "10", script=gate), Receiver(NETWORK + "11")
    author = Receiver(NETWORK + "9")
    start(w, {"relay": {"per_site": 1}})
    first = w.submit("first@else.test")
    eventually(lambda: gate.arrived == 1, "the first is under way")
    ids = {who: w.submit(f"{who}@else.test") for who in ("held", "gone", "moved", "back", "last")}
    equal({r["id"]: (r["state"], r.get("waits_for")) for r in rows(w)},
          {first: ("delivering", None), **{i: ("queued", "slot") for i in ids.values()}})
    check("waits for a free connection" in w.ctl("queue", "show", ids["last"]), "in words")
    w.ctl("queue", "hold", ids["held"])
    w.ctl("queue", "delete", ids["gone"])
    w.ctl("queue", "redirect", ids["moved"], "--to", "moved@other.test")
    w.ctl("queue", "bounce", ids["back"])
    eventually(lambda: len(other.messages) == 1, "redirected, and delivered there")
    eventually(lambda: len(author.messages) == 1, "returned")
    equal({r["id"] for r in rows(w)}, {first, ids["held"], ids["last"]})
    gate.let(9)
    eventually(lambda: len(receiver.messages) == 2, "what nobody touched")
    left = eventually(lambda: len(r := rows(w)) == 1 and r, "one is left")
    equal(left[0]["id"], ids["held"])
    equal([m.rcpt[0] for m in receiver.messages], ["TO:<first@else.test>", "TO:<last@else.test>"])
    equal(other.messages[0].rcpt[0].split()[0], "TO:<moved@other.test>")
    w.ctl("queue", "release", ids["held"])
    w.wait_empty()
    equal(receiver.messages[-1].rcpt[0], "TO:<held@else.test>")


@test()
def done_to_what_is_being_tried(w):
    """It counts when the try is over: after a deferral at once, after a delivery not at all."""
    gate = Gate()
    verdict = {}

    def script(verb, args, s):
        gate(verb, args, s)
        return verdict.get("reply") if verb == "END" else None
    receiver, other = Receiver(NETWORK + "10", script=script), Receiver(NETWORK + "11")
    author = Receiver(NETWORK + "9")
    start(w)
    verdict["reply"] = "451 4.3.0 not now"
    for n, (words, get) in enumerate(((["bounce"], author), (["redirect", "--to", "x@other.test"],
                                                            other))):
        queue_id = w.submit("bob@else.test")
        eventually(lambda: gate.arrived == n + 1, "it is under way")
        w.ctl("queue", *words, queue_id)
        time.sleep(0.2)
        equal(len(get.messages), 0, f"{words} while it is being tried")
        gate.let()
        eventually(lambda: get.messages, f"{words} after it was put off")
        w.wait_empty()
    verdict.clear()
    queue_id = w.submit("bob@else.test")
    eventually(lambda: gate.arrived == 3, "it is under way")
    w.ctl("queue", "bounce", queue_id)
    gate.let()
    w.wait_event(queue_id, "delivered")
    w.wait_empty()
    equal(len(author.messages), 1, "reports")


@test()
def a_retry_goes_by_the_rules_of_today(w):
    """The route is never stored: relay.routes and DNS of today say where queued mail goes."""
    first, second, third = (Receiver(NETWORK + str(n)) for n in (10, 11, 12))
    start(w, {"relay": {"routes": [{"domain": "*", "to": f"smtp://{NETWORK}99:25"}]}})
    w.ctl("user", "add", "bob", "--password-stdin", stdin=PASSWORD + "\n")
    wire = session("bob@our.test", PASSWORD)
    ids = {"by_domain": w.submit("x@else.test"), "by_dns": w.submit("x@later.test")}
    wire.want(250, "MAIL FROM:<bob@our.test>")
    wire.want(250, "RCPT TO:<x@else.test>")
    code, text = wire.data(message(sender="bob@our.test"))
    equal(code, 250, text)
    ids["by_login"] = text.split()[-1].rstrip(".")
    for queue_id in ids.values():
        w.wait_event(queue_id, "deferred")
    w.dns.replace(ZONE + f"later.test. MX 10 mx.later.test.\nmx.later.test. A {NETWORK}12\n")
    w.write({**LATER, "relay": {"routes": [
        {"domain": "*", "login": "bob@our.test", "to": f"smtp://{NETWORK}11:25"}]}})
    w.ctl("reload")
    w.ctl("queue", "retry")
    w.wait_empty()
    for receiver, who in ((first, "by_domain"), (second, "by_login"), (third, "by_dns")):
        equal([m.queue_id() for m in receiver.messages], [ids[who]], who)
    # and what TLS is worth there: the rule came after the mail
    verdict = Receiver(NETWORK + "98")
    queue_id = w.submit("x@dead.test")
    w.wait_event(queue_id, "deferred")
    w.write({**LATER, "relay": {"routes": [
        {"domain": "dead.test", "to": f"smtp://{NETWORK}98:25", "tls": "require"}]}})
    w.ctl("reload")
    w.ctl("queue", "retry", queue_id)
    eventually(lambda: "TLS" in rows(w, queue_id)[0]["text"], "no TLS, no delivery")
    equal(verdict.messages, [])
    w.write({**LATER, "relay": {"routes": [{"domain": "dead.test",
                                            "to": f"smtp://{NETWORK}98:25"}]}})
    w.ctl("reload")
    w.ctl("queue", "retry", queue_id)
    w.wait_empty()
    equal([m.queue_id() for m in verdict.messages], [queue_id])


@test()
def a_lone_letter_passes_bulk(w):
    """Of one site: who sends one message waits for no more than one of another's thousand; and a
    small one passes a large one of the same login."""
    gate = Gate()
    receiver = Receiver(NETWORK + "10", script=gate)
    start(w, {"relay": {"per_site": 1}})
    w.ctl("user", "add", "bob", "--password-stdin", stdin=PASSWORD + "\n")
    wire = w.session()
    for n in range(30):
        w.submit(f"bulk{n}@else.test", wire=wire)
    w.submit("large@else.test", message(body=b"0123456789\r\n" * 90000), wire=wire)
    w.submit("small@else.test", wire=wire)
    eventually(lambda: gate.arrived == 1, "bulk is under way")
    other = session("bob@our.test", PASSWORD)
    w.submit("letter@else.test", message(sender="bob@our.test"), sender="bob@our.test", wire=other)
    gate.let(99)
    w.wait_empty()
    names = [m.rcpt[0].split("<")[1].split("@")[0] for m in receiver.messages]
    check(names.index("letter") <= 2, names)
    check(names.index("small") < names.index("large"), names)


@test()
def what_waives_tls_does_not_wait_for_the_others(w):
    """A site that has lost its TLS is left alone (refuse_downgrade), but for "TLS-Required: No"."""
    receiver = Receiver(NETWORK + "10", certificate=w.certificate)
    start(w, {"relay": {"tls": {"refuse_downgrade": True}}})
    w.submit("bob@else.test")
    w.wait_empty()
    check(receiver.messages[0].tls, "TLS at first")
    receiver.close()
    receiver = Receiver(NETWORK + "10")
    bring_down(w, "else.test")
    check("refuse_downgrade" in site(w, "mx.else.test")["text"], site(w, "mx.else.test"))
    free = w.submit("free@else.test", message(extra=b"TLS-Required: No\r\n"))
    w.wait_event(free, "delivered")
    bound = w.submit("bound@else.test")
    w.wait_event(bound, "deferred")
    equal([m.rcpt[0].split()[0] for m in receiver.messages], ["TO:<free@else.test>"])
    equal((site(w, "mx.else.test")["state"], rows(w, bound)[0]["attempts"]), ("down", 0))
