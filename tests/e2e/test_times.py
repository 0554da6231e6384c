"""Mail that is to be sent later, or to be delivered by a time; and what ranks before what."""

import time

from harness.case import check, equal, eventually, test
from harness.receiver import EXTENSIONS, Receiver
from harness.world import NETWORK, USER, message
from test_delivery import fields, report, start

QUICK = {"queue": {"retry": ["1s"], "lifetime": "1h", "delay_warning": "1h"}}


@test()
def held_for_later_release(w):
    """HOLDFOR: not before its time, not by "retry all", but when its id is named."""
    start(w)
    receiver = Receiver(NETWORK + "10")
    began = time.time()
    queue_id = w.submit("bob@else.test", mail=" HOLDFOR=4")
    named = w.submit("bob@else.test", mail=" HOLDFOR=3600")
    w.ctl("queue", "retry", code=1)
    time.sleep(1)
    equal(receiver.messages, [])
    equal(sorted(q["id"] for q in w.queue()), sorted([queue_id, named]))
    w.ctl("queue", "retry", named)
    eventually(lambda: receiver.messages, "the named one arrives")
    equal(receiver.messages[0].queue_id(), named)
    check(time.time() - began < 3.5, "the named one did not wait")
    eventually(lambda: len(receiver.messages) == 2, "the other one arrives at its time", 20)
    check(time.time() - began >= 4, "it was held for 4 s")
    equal([m.mail for m in receiver.messages], ["FROM:<alice@our.test> SIZE=%d" % len(m.content)
                                                for m in receiver.messages])


@test()
def held_over_a_restart_and_reported(w):
    """The hold is in the queue, and the report names what was asked for."""
    author = start(w)
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
    queue_id = w.submit("nobody@else.test", mail=f" HOLDUNTIL={until} ENVID=x")
    w.stop()
    refuse = Receiver(NETWORK + "10", script=lambda verb, args, s:
                      "550 5.1.1 nobody here" if verb == "RCPT" else None)
    w.launch()
    w.wait_ready()
    time.sleep(1)
    equal(refuse.commands, [])
    _, parts = report(author)
    whole, _ = fields(parts)
    equal(whole["Future-Release-Request"], f"until;{until}")
    w.wait_event(queue_id, "failed")


@test()
def by_time_returns_the_message(w):
    """BY=n;R: a failed report when the time is up, however long the queue would go on."""
    author = start(w, QUICK)
    began = time.monotonic()
    queue_id = w.submit("bob@else.test", mail=" BY=3;R")
    w.wait_event(queue_id, "deferred")
    _, parts = report(author)
    whole, row = fields(parts)
    check(2 < time.monotonic() - began < 20, "the report came when the time was up")
    equal(row["Action"], "failed")
    equal(row["Status"], "5.4.7")
    check(whole["Deliver-By-Date"], "the report has Deliver-By-Date")
    w.wait_empty()


@test()
def by_time_tells_and_goes_on(w):
    """BY=n;N: one delayed report 4.4.7, then it is delivered, with what is left of the time."""
    author = start(w, QUICK)
    queue_id = w.submit("bob@else.test", mail=" BY=2;N")
    w.wait_event(queue_id, "deferred")
    _, parts = report(author)
    _, row = fields(parts)
    equal(row["Action"], "delayed")
    equal(row["Status"], "4.4.7")
    receiver = Receiver(NETWORK + "10", extensions=EXTENSIONS + ["DELIVERBY"])
    w.retried_until(lambda: receiver.messages, "it goes on and arrives")
    by = receiver.messages[0].mail.split(" BY=")[1].split()[0]
    seconds, mode = by.split(";")
    check(int(seconds) <= 0 and mode == "N", "the time is passed on as passed: ", by)
    w.wait_empty()
    equal(len(author.messages), 1)


@test()
def by_time_and_hops_without_it(w):
    """N to a hop without DELIVERBY is reported as relayed, R is not given to it; T always tells."""
    author = start(w, QUICK)
    receiver = Receiver(NETWORK + "10")
    w.submit("bob@else.test", mail=" BY=3600;N")
    _, parts = report(author, 1)
    _, row = fields(parts)
    equal(row["Action"], "relayed")
    equal(receiver.messages[0].rcpt, ["TO:<bob@else.test> NOTIFY=FAILURE,DELAY"])
    w.submit("bob@else.test", mail=" BY=3600;N", rcpt=" NOTIFY=NEVER")
    eventually(lambda: len(receiver.messages) == 2, "the second one arrives")
    w.submit("bob@else.test", mail=" BY=3600;R")
    _, parts = report(author, 2)
    _, row = fields(parts)
    equal((row["Action"], row["Status"]), ("failed", "5.3.3"))
    equal(len(receiver.messages), 2)
    w.wait_empty()
    receiver.close()
    receiver = Receiver(NETWORK + "10", extensions=EXTENSIONS + ["DELIVERBY 10"])
    w.submit("carol@else.test", mail=" BY=3600;RT")
    _, parts = report(author, 3)
    _, row = fields(parts)
    equal((row["Action"], row["Final-Recipient"]), ("relayed", "rfc822;carol@else.test"))


@test()
def priority_ranks_and_is_inherited(w):
    """The highest first while others wait; a report is as urgent as its message."""
    author = start(w, {"extensions": {"priority_max": 5}, "relay": {"per_site": 1},
                       "queue": {"retry": ["1h"]}})
    for n, priority in enumerate([-3, 0, 4]):
        w.submit("bob@else.test", mail=f" MT-PRIORITY={priority}")
        eventually(lambda: len([q for q in w.queue() if q["text"]]) == n + 1, "it is deferred")
    receiver = Receiver(NETWORK + "10", extensions=EXTENSIONS + ["MT-PRIORITY"])
    author.extensions = EXTENSIONS + ["MT-PRIORITY"]
    w.ctl("queue", "retry")
    eventually(lambda: len(receiver.messages) == 3, "all arrive")
    equal([m.mail.split("MT-PRIORITY=")[1] for m in receiver.messages], ["4", "0", "-3"])
    receiver.script = lambda verb, args, s: "550 5.1.1 no" if verb == "RCPT" else None
    w.submit("bob@else.test", mail=" MT-PRIORITY=9")
    got, _ = report(author)
    check("MT-PRIORITY=5" in got.mail, "the report is of the lowered priority: ", got.mail)
    check("PRIORITY 4" in receiver.messages[0].header("Received")[0], "the trace field tells it")


@test()
def solicitation_classes(w):
    """The field becomes the parameter; what is refused is refused in either; both must agree."""
    start(w, {"extensions": {"no_soliciting": ["net.example:ADV"]}})
    receiver = Receiver(NETWORK + "10", extensions=EXTENSIONS + ["NO-SOLICITING"])
    s = w.session()
    check("NO-SOLICITING net.example:ADV" in s.ehlo(), "the classes are told")
    text = s.want(550, f"MAIL FROM:<{USER}> SOLICIT=net.example:ADV")
    check(text.startswith("5.7.1") and "SOLICIT=net.example:ADV" in text, text)
    for field, mail, code in ((b"Solicitation: net.example:adv\r\n", "", 550),
                              (b"Solicitation: org.example:X\r\n", " SOLICIT=org.example:Y", 554),
                              (b"Solicitation: org.example:X\r\n", " SOLICIT=org.example:X", 250),
                              (b"Solicitation: org.example:Z\r\n", "", 250)):
        s.want(250, f"MAIL FROM:<{USER}>{mail}")
        s.want(250, "RCPT TO:<bob@else.test>")
        equal(s.data(message(extra=field))[0], code, field + mail.encode())
    eventually(lambda: len(receiver.messages) == 2, "what is taken arrives")
    equal(sorted(m.mail.split("SOLICIT=")[1] for m in receiver.messages),
          ["org.example:X", "org.example:Z"])
    check("(SOLICIT=org.example:" in receiver.messages[0].header("Received")[0], "in the trace field")
