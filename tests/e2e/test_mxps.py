"""MXPS: MX preferences that ask for QMTP, and SMTP at the same address where it cannot be had."""

import socket
import time

from harness.case import check, equal, eventually, test
from harness.qmtp import Mailfront, QmtpReceiver
from harness.receiver import EVERY, Receiver
from harness.world import NETWORK, message

HERE, THERE = NETWORK + "10", NETWORK + "11"
ZONE = f"""our.test. MX 10 mx.our.test.
mx.our.test. A {NETWORK}20
else.test. MX 12801 mx.else.test.
mx.else.test. A {HERE}
two.test. MX 12801 mx.else.test.
two.test. MX 12816 second.else.test.
second.else.test. A {THERE}
plain.test. MX 12802 mx.else.test.
"""


def start(w, relay=None, over=None):
    """The author's own mailbox takes the reports."""
    author = Receiver(NETWORK + "20")
    w.serve_dns(ZONE)
    w.start({**(over or {}), **({"relay": relay} if relay else {})})
    return author


@test()
def mxps_goes_by_qmtp(w):
    start(w)
    qmtp, smtp = QmtpReceiver(HERE), Receiver(HERE)
    queue_id = w.submit("bob@else.test")
    w.wait_empty()
    equal([r for r, _ in qmtp.taken], ["bob@else.test"])
    equal((smtp.connections, qmtp.faults), (0, []))
    check("QMTP: K" in str(w.wait_event(queue_id, "delivered")))
    # another preference says SMTP
    w.submit("bob@plain.test")
    w.wait_empty()
    equal((len(qmtp.taken), len(smtp.messages)), (1, 1))


@test()
def mxps_switched_off(w):
    start(w, {"mxps": False})
    qmtp, smtp = QmtpReceiver(HERE), Receiver(HERE)
    w.submit("bob@else.test")
    w.wait_empty()
    equal((qmtp.connections, len(smtp.messages)), (0, 1))


@test()
def mxps_to_mailfront(w):
    start(w)
    front = Mailfront(w.dir, HERE)
    names = [f"bob{i}@else.test" for i in range(3)]
    w.submit(names)
    w.wait_empty()
    equal(sorted(r for r, _ in front.taken), names)


@test()
def mxps_without_qmtp_is_smtp_at_the_same_address(w):
    """In the same attempt; and QMTP is not tried there again for an hour."""
    start(w, over={"workers": 1})
    smtp = Receiver(HERE)
    queue_id = w.submit("bob@else.test")
    eventually(lambda: smtp.messages, "it comes by SMTP")
    w.wait_empty()
    equal(len(w.wait_event(queue_id, "delivered")), 1)
    check("deferred" not in str(w.trace(queue_id)), "in the same attempt")
    equal(w.log().count(":209 "), 1, "QMTP was tried")
    for i in range(10):
        w.submit(f"bob{i}@else.test")
        w.wait_empty()
    equal(len(smtp.messages), 11)
    equal(w.log().count(":209 "), 1, "and not again")


@test()
def mxps_does_not_wait_long_for_qmtp(w):
    """Connecting that is not answered at all: 5 s."""
    start(w)
    smtp = Receiver(HERE)
    silent = socket.create_server((HERE, 209), backlog=0)
    full = [socket.socket() for _ in range(3)]
    for s in full:  # what waits to be accepted; the kernel drops what comes beyond
        s.setblocking(False)
        s.connect_ex((HERE, 209))
    began = time.monotonic()
    w.submit("bob@else.test")
    w.wait_empty()
    check(4.5 < time.monotonic() - began < 15, "time", time.monotonic() - began)
    equal(len(smtp.messages), 1)
    for s in [silent, *full]:
        s.close()


@test()
def mxps_both_down_is_put_off(w):
    start(w)
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "deferred")
    equal([q["id"] for q in w.queue()], [queue_id])
    smtp = Receiver(HERE)
    w.retried_until(lambda: smtp.messages, "it comes by SMTP")
    w.wait_empty()
    equal(len(smtp.messages), 1)


@test()
def mxps_never_smtp_after_a_connection(w):
    """What was connected to by QMTP and failed goes to the next host, or waits."""
    start(w)
    # more than the kernel takes: the package cannot be whole there
    huge = message(body=b"0123456789abcdef\r\n" * 600000)
    qmtp = QmtpReceiver(HERE, window=65536, cut_at=1000)
    smtp, second = Receiver(HERE), Receiver(THERE)
    queue_id = w.submit("bob@else.test", huge)
    w.wait_event(queue_id, "deferred")
    equal((smtp.connections, [q["id"] for q in w.queue()]), (0, [queue_id]))
    w.submit("bob@two.test", huge)
    eventually(lambda: second.messages, "the next host gets it")
    equal(smtp.connections, 0)
    qmtp.cut_at = None
    w.retried_until(lambda: not w.queue(), "the queue is empty")
    equal([r for r, _ in qmtp.taken], ["bob@else.test"])
    equal((smtp.connections, len(second.messages)), (0, 1))


@test()
def mxps_answers_count_at_once(w):
    """Z keeps it for later and D ends it: no other host is asked."""
    author = start(w)
    answers = {"zoe@two.test": b"Z4.2.1 later", "dan@two.test": b"D5.1.1 no such user"}
    qmtp = QmtpReceiver(HERE, judge=lambda recipient, package: answers.get(recipient))
    second = Receiver(THERE)
    late = w.submit("zoe@two.test")
    w.submit("dan@two.test")
    w.wait_event(late, "deferred")
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    check("x-qmtp; D5.1.1 no such user" in report, report)
    answers.clear()
    w.retried_until(lambda: not w.queue(), "the queue is empty")
    equal([r for r, _ in qmtp.taken], ["zoe@two.test"])
    equal(second.connections, 0)


@test()
def mxps_leaves_what_qmtp_cannot_carry(w):
    start(w, {"qmtp_max_size": "20K"})
    qmtp = QmtpReceiver(HERE)
    smtp = Receiver(HERE, extensions=EVERY, certificate=w.certificate)
    w.submit("bob@else.test", mail=" RET=HDRS ENVID=x BODY=8BITMIME MT-PRIORITY=0",
             rcpt=" NOTIFY=FAILURE")
    w.wait_empty()
    equal(([r for r, _ in qmtp.taken], smtp.connections), (["bob@else.test"], 0))
    for i, mail in enumerate((" BY=1000;R", " BY=1000;N", " SOLICIT=net.example:ADV",
                              " MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo ENVID=x@our.test")):
        w.submit(f"bob{i}@else.test", mail=mail)
        w.wait_empty()
        equal((len(smtp.messages), len(qmtp.seen)), (i + 1, 1), mail)
    w.submit("b\u00f6b@else.test".encode().decode("latin-1"), mail=" SMTPUTF8")
    w.submit("rrvs@else.test", rcpt=" RRVS=2026-01-01T00:00:00Z;C")
    w.submit("big@else.test", message(body=b"x" * 78 + b"\r\n" + b"0123456789abcdef\r\n" * 2000))
    w.wait_empty()
    equal((len(smtp.messages), len(qmtp.seen), qmtp.faults), (7, 1, []))
