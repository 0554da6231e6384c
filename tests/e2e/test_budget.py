"""Budgets: what goes beyond is refused or held, people are told, and a restart changes nothing."""

import os
import signal

from harness.case import check, equal, eventually, test
from harness.client import Wire, session
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
our.test. MX 10 mx.else.test.
"""


def start(w, over=None, **budget):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start({"permissions": [{"login": "*", **budget}], "postmaster": "boss@our.test",
             **(over or {})})
    return receiver


def to(receiver, address):
    return [m for m in receiver.messages if f"<{address}>" in " ".join(m.rcpt)]


def refused(w, recipients, user=USER):
    """The reply to DATA."""
    s = session(user, PASSWORD)
    s.want(250, f"MAIL FROM:<{user}>")
    for recipient in recipients:
        s.want(250, f"RCPT TO:<{recipient}>")
    said = s.say("DATA")
    s.close()
    return said


@test()
def messages_in_an_hour_are_refused(w):
    receiver = start(w, messages_per_hour=5, over_budget="refuse")
    w.ctl("user", "add", "bob", "--password-stdin", stdin=PASSWORD + "\n")
    s = w.session()
    for number in range(5):
        w.submit("x@else.test", message(f"n{number}"), wire=s)
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<x@else.test>")
    code, words = s.say("DATA")
    equal(code, 450, words)
    check("alice@our.test may send 5 messages in an hour, and this makes 6, again from 20" in words
          and "(permissions[].messages_per_hour)" in words, words)
    s.want(250, "RSET")
    # bounces and other users are not concerned
    s.want(250, "MAIL FROM:<>")
    s.want(250, "RCPT TO:<x@else.test>")
    equal(s.data(message("null"))[0], 250)
    s.close()
    w.submit("x@else.test", message("bob", sender="bob@our.test"), sender="bob@our.test",
             wire=session("bob@our.test", PASSWORD))
    eventually(lambda: len(to(receiver, "x@else.test")) == 7, "all others arrive")
    warning = eventually(lambda: to(receiver, USER), "the user is warned")
    check(b"4 messages in an hour, of 5 that are allowed" in warning[0].content, warning[0].content)
    told = eventually(lambda: to(receiver, "boss@our.test"), "the postmaster is told")
    check(b"The login alice@our.test has sent" in told[0].content, told[0].content)
    check(b"msactl queue release --user alice@our.test" in told[0].content, told[0].content)
    equal(refused(w, ["x@else.test"])[0], 450)
    # kept over a restart and over a kill
    w.stop()
    w.launch()
    w.wait_ready()
    equal(refused(w, ["x@else.test"])[0], 450)
    before = w.pid("server")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: w.serving() and w.pid("server") not in (0, before), "another server")
    equal(refused(w, ["x@else.test"])[0], 450)
    equal(len(to(receiver, "boss@our.test")), 1, "told once, whatever was started anew")
    equal(w.log().count("budget-broken"), 1, "and logged")
    # until the operator says so
    w.ctl("queue", "release", "--user", USER)
    w.submit("x@else.test", message("anew"))
    w.stop()
    w.launch()
    w.wait_ready()
    w.submit("x@else.test", message("anew, still"))


@test()
def a_stolen_account_is_held(w):
    """What goes beyond is accepted and held, and so is what was in the queue before."""
    receiver = start(w, recipients_per_day=20, over_budget="hold")
    receiver.close()
    waiting = w.submit("early@else.test", message("early"))
    other = w.submit("late@else.test", message("other", sender="bob@our.test"),
                     sender="bob@our.test", wire=bob(w))
    eventually(lambda: all(row["attempts"] for row in w.queue()), "both were tried")
    many = w.submit([f"r{n}@else.test" for n in range(20)], message("many"))
    eventually(lambda: all(row["held"] for row in w.queue() if row["login"] == USER),
               "all of the login is held")
    rows = w.queue()
    equal(sorted({row["id"] for row in rows if row["held"]}), sorted([waiting, many]))
    equal([row["held"] for row in rows if row["id"] == other], [False])
    check(all("recipients in a day" in row["text"] for row in rows if row["id"] == many), rows)
    more = w.submit("more@else.test", message("more"))
    check(all(row["held"] for row in w.queue() if row["id"] == more), "and what comes then")
    receiver = Receiver(NETWORK + "10")
    told = w.retried_until(lambda: to(receiver, "boss@our.test"), "the postmaster is told")
    check(b"its mail is held" in told[0].content and b"msactl queue delete --user alice@our.test"
          in told[0].content, told[0].content)
    w.retried_until(lambda: to(receiver, "late@else.test"), "others are not concerned")
    equal(to(receiver, "early@else.test") + to(receiver, "more@else.test"), [])
    w.stop()
    w.launch()
    w.wait_ready()
    after = w.submit("after@else.test", message("after"))
    check(all(row["held"] for row in w.queue() if row["id"] == after), "and after a restart")
    equal(len(to(receiver, "boss@our.test")), 1, "of which nobody is told again")
    equal(w.log().count("budget-broken"), 1, "and logged")
    w.ctl("queue", "release", "--user", USER)
    eventually(lambda: to(receiver, "early@else.test") and to(receiver, "more@else.test") and
               to(receiver, "r19@else.test"), "released")
    w.submit("anew@else.test", message("anew"))
    eventually(lambda: to(receiver, "anew@else.test"), "the budget begins anew")


def bob(w):
    w.ctl("user", "add", "bob", "--password-stdin", stdin=PASSWORD + "\n")
    return session("bob@our.test", PASSWORD)


@test()
def new_recipients_in_a_day(w):
    receiver = start(w, new_recipients_per_day=3, over_budget="refuse")
    for _ in range(3):
        w.submit(["a@else.test", "A@ELSE.test", "b@else.test"], message("known"))
    code, words = refused(w, ["a@else.test", "c@else.test", "d@else.test"])
    equal(code, 450, words)
    code, words = refused(w, [f"n{n}@else.test" for n in range(4)])
    equal(code, 550, words)
    check("new recipients in a day, and this makes 6" in words, words)
    w.submit(["c@else.test", "b@else.test"], message("one more"))
    w.stop()
    w.launch()
    w.wait_ready()
    w.submit(["a@else.test", "b@else.test", "c@else.test"], message("still known"))
    equal(refused(w, ["d@else.test"])[0], 450)
    eventually(lambda: len(to(receiver, "c@else.test")) == 2, "they arrive")


@test()
def what_is_not_accepted_costs_nothing(w):
    start(w, messages_per_hour=2, over_budget="refuse")
    for _ in range(4):
        s = w.session()
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<x@else.test>")
        s.want(354, "DATA")
        s.send(b"From: a\r\n")
        s.close()
        s = w.session()
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<x@else.test>")
        equal(s.data(b"From: a@b@c\r\n\r\n")[0], 554)
        s.close()

    def submits():
        return refused(w, ["x@else.test"])[0] == 354
    eventually(submits, "what was taken is given back")
    w.submit("x@else.test")


@test()
def user_show_tells_rights_and_budgets(w):
    start(w, messages_per_hour=5, recipients_per_day=100, over_budget="refuse",
          may_send_as=["%u", "@sales.our.test"], may_send_to=["@else.test"])
    for _ in range(2):
        w.submit(["a@else.test", "b@else.test"])
    rights = w.ask("user", "show", USER)[1][0]["rights"]
    equal(rights["may_send_as"], ["%u", "@sales.our.test"])
    equal([(b["budget"], b["used"], b["most"]) for b in rights["budgets"]],
          [("messages_per_hour", 2, 5), ("recipients_per_day", 4, 100)])
    text = w.ctl("user", "show", "alice")
    for line in ("may send as   %u, @sales.our.test", "may send to   @else.test",
                 "budgets       2 of 5 messages in an hour; then refused",
                 "              4 of 100 recipients in a day; then refused"):
        check(line in text, f"no {line!r} in:\n", text)
    w.stop()
    equal(w.ask("user", "show", USER)[1][0]["rights"], None)
    check("may send as" not in w.ctl("user", "show", "alice"), "without the server")


@test()
def the_login_is_locked_as_well(w):
    receiver = start(w, messages_per_hour=2, over_budget="hold", lock_auth=True)
    s, other = w.session(), w.session()
    w.submit("x@else.test", wire=s)
    w.submit("x@else.test", wire=s)
    held = w.submit("x@else.test", wire=s)
    eventually(lambda: w.ask("user", "show", USER)[1][0]["state"] == "locked", "it is locked")
    check(all(row["held"] for row in w.queue() if row["id"] == held), w.queue())
    equal(other.reply()[0], 421, "of another session")
    for name in ("alice", USER):
        code, words = under_tls().plain(name, PASSWORD)
        equal(code, 535, words)
    shown = w.ctl("user", "show", "alice")
    check("sent 3 messages in an hour, of 2" in shown, shown)
    told = eventually(lambda: to(receiver, "boss@our.test"), "the postmaster is told")
    check(b"msactl user unlock alice@our.test" in told[0].content, told[0].content)
    w.ctl("user", "unlock", "alice")
    w.ctl("queue", "release", "--user", USER)
    w.submit("y@else.test")
    eventually(lambda: to(receiver, "y@else.test") and len(to(receiver, "x@else.test")) == 3, "all")


def under_tls():
    s = Wire()
    s.ehlo()
    s.starttls()
    s.ehlo()
    return s
