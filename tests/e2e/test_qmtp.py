"""Mail that goes by QMTP: what arrives, what servers may do, and what becomes of the message."""

import os
import signal
import time

from harness.case import check, equal, eventually, test
from harness.qmtp import Mailfront, QmtpReceiver, netstring
from harness.receiver import Receiver
from harness.world import NETWORK, USER, message, stuffed

HERE = NETWORK + "10"
TO = f"qmtp://{HERE}"


def start(w, to=TO, relay=None, route=None, queue=None):
    """msad with a static route for all mail but the author's own."""
    author = Receiver(NETWORK + "20")
    w.start({"queue": queue or {},
             "relay": {**(relay or {}), "routes": [
                 {"domain": "our.test", "to": f"smtp://{NETWORK}20"},
                 {"domain": "*", "to": to, **(route or {})}]}})
    return author


def stored(received):
    """The octets after our Received and Return-Path fields, up to the end."""
    return received[received.index(b"From:"):]


@test()
def qmtp_delivers_what_was_submitted(w):
    start(w)
    receiver = QmtpReceiver(HERE)
    content = message(body=b"one\r\n.\r\n..two\r\n\r\nlast \xc3\xa4\r\n")
    queue_id = w.submit("bob@else.test", stuffed(content), mail=" BODY=8BITMIME")
    w.wait_empty()
    equal([r for r, _ in receiver.taken], ["bob@else.test"])
    package = receiver.taken[0][1]
    equal((package.sender, package.recipients, package.tls), (USER, ["bob@else.test"], False))
    equal(stored(package.crlf), stored(content))
    check(b"\r" not in package.content, "LF form")
    event = w.wait_event(queue_id, "delivered")[0]
    check("QMTP: K2.0.0 taken" in str(event), event)
    check("remote=" + HERE + " [" + HERE + "]:209" in w.log(), "the log names the host")
    equal(receiver.faults, [])


@test()
def qmtp_has_one_recipient_a_package(w):
    start(w)
    receiver = QmtpReceiver(HERE)
    names = [f"bob{i}@else.test" for i in range(30)]
    w.submit(names)
    w.wait_empty()
    equal(sorted(r for r, _ in receiver.taken), sorted(names))
    check(all(len(p.recipients) == 1 for p in receiver.seen), "recipients of a package")
    equal((receiver.connections, receiver.faults), (1, []))


@test()
def qmtp_takes_several_recipients_where_told(w):
    author = start(w, relay={"qmtp_recipients": 10})
    answers = {"zoe@else.test": b"Z4.2.1 not now", "dan@else.test": b"Dno such user (#5.1.1)"}
    receiver = QmtpReceiver(HERE, judge=lambda recipient, package: answers.get(recipient))
    queue_id = w.submit(["dan@else.test", "kim@else.test", "zoe@else.test"])
    w.wait_event(queue_id, "failed")
    w.wait_event(queue_id, "delivered")
    w.wait_event(queue_id, "deferred")
    equal([q["to"] for q in w.queue()], ["zoe@else.test"])
    equal(receiver.seen[0].recipients, ["dan@else.test", "kim@else.test", "zoe@else.test"])
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    for wanted in ("Final-Recipient: rfc822;dan@else.test", "Status: 5.1.1",
                   "Diagnostic-Code: x-qmtp; Dno such user (#5.1.1)",
                   f"Remote-MTA: dns;{HERE}"):
        check(wanted in report, wanted, report)
    answers.clear()
    w.wait_empty()
    equal(sorted(r for r, _ in receiver.taken), ["kim@else.test", "zoe@else.test"])
    equal(len(author.messages), 1)
    equal(receiver.faults, [])


@test()
def qmtp_addresses_are_bare(w):
    start(w)
    receiver = QmtpReceiver(HERE, judge=lambda recipient, package: b"D5.0.0 no"
                            if recipient.startswith("no") else None)
    w.submit('"Hate.The Quoting"@else.test')
    w.submit('"a\\"b@c"@else.test', sender="")
    w.wait_empty()
    equal(sorted((p.sender, p.recipients[0]) for p in receiver.seen),
          [("", 'a"b@c@else.test'), (USER, "Hate.The Quoting@else.test")])
    equal(receiver.faults, [])


@test()
def qmtp_reports_relaying(w):
    author = start(w)
    QmtpReceiver(HERE)
    w.submit("bob@else.test", rcpt=" NOTIFY=SUCCESS", mail=" ENVID=x RET=HDRS")
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    check("Action: relayed" in report, report)
    w.submit("bob@else.test", rcpt=" NOTIFY=NEVER")
    w.wait_empty()
    equal(len(author.messages), 1)


@test()
def qmtp_one_response_servers_lose_nothing(w):
    """Who gives one response whatever the number of recipients: the others come one by one."""
    start(w, relay={"qmtp_recipients": 10})
    letters = [b"D5.1.1 not the first, the second", b"K"]
    receiver = QmtpReceiver(HERE, script=lambda event, what, s: (
        netstring(letters.pop(0) if letters else b"K") if event == "PACKAGE" else
        False if event == "DONE" and len(what.recipients) > 1 else None))
    first = w.submit([f"bob{i}@else.test" for i in range(3)])
    w.wait_empty()
    equal([len(p.recipients) for p in receiver.seen], [3, 1, 1, 1], "recipients of the packages")
    equal(len(w.wait_event(first, "delivered")), 3)
    check("possible duplicate" in str(w.wait_event(first, "deferred")), "said so")
    equal(receiver.faults, [])


@test()
def qmtp_servers_may_close_after_each_package(w):
    """What was sent behind the last response may have been taken: it waits for the next attempt."""
    start(w)
    receiver = QmtpReceiver(HERE, script=lambda event, what, s: event != "DONE" and None)
    names = [f"bob{i}@else.test" for i in range(10)]
    queue_id = w.submit(names)
    w.wait_empty()
    equal(sorted(r for r, _ in receiver.taken), names)
    equal(len(w.wait_event(queue_id, "delivered")), 10)
    equal(receiver.faults, [])


# how a server ends a connection that has just taken mail; packages that are lost with it
GOODBYES = [
    ("closed", lambda event, what, s: event != "DONE" and None, 1),
    ("a stray octet", lambda event, what, s: [netstring(b"K"), b"3:Kok,"]
     if event == "PACKAGE" else None, 0),
]


@test()
def qmtp_servers_that_close_are_opened_again(w):
    """What was not asked for yet goes over another connection now, not after a retry; and a host
    that has just taken mail is not told to be out of reach."""
    start(w, queue={"retry": ["1h"]})
    for goodbye, script, lost in GOODBYES:
        receiver = QmtpReceiver(HERE, script=script)
        names = [f"bob{i}@else.test" for i in range(5)]
        queue_id = w.submit(names)
        eventually(lambda: len(w.wait_event(queue_id, "delivered")) == 5 - lost, goodbye)
        equal(len(w.queue()), lost, goodbye)
        check("no host" not in w.log(), goodbye)
        check(receiver.connections <= 5, goodbye, receiver.connections)
        equal(receiver.faults, [])
        receiver.close()
        if lost:
            w.ctl("queue", "delete", queue_id)


@test()
def qmtp_to_mailfront(w):
    start(w)
    front = Mailfront(w.dir, HERE)
    body = b"".join(b"%09d %s\r\n" % (i, b"x" * 88) for i in range(100000))
    names = [f"bob{i}@else.test" for i in range(3)]
    small, big = message(), message(subject="big", body=body)
    w.submit(names, small)
    w.submit("big@else.test", big)
    w.wait_empty()
    taken = sorted(front.taken)
    equal([r for r, _ in taken], ["big@else.test", *names])
    for recipient, content in taken:
        wanted = stored(big if recipient.startswith("big") else small)
        check(stored(content.replace(b"\n", b"\r\n")) == wanted, f"content for {recipient}")


@test()
def qmtp_mailfront_refuses(w):
    author = start(w)
    Mailfront(w.dir, HERE, plugins=["reject"])
    os.environ.pop("DATABYTES", None)
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "failed")
    w.wait_empty()
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    check("Diagnostic-Code: x-qmtp; D" in report, report)


BIG = message(subject="big", body=b"0123456789abcdef\r\n" * 60000)
# more than the kernel keeps between a writer and a reader of a small window
HUGE = message(subject="huge", body=b"0123456789abcdef\r\n" * 600000)
SMALL_WINDOW = 65536


def whole(said):
    """The whole package is read, and this is said in place of the responses."""
    return dict(script=lambda event, what, s: said if event == "PACKAGE" else None)


# what a server does to the first package; whether it can be whole there all the same
FAULTS = [
    ("closed at once", dict(script=lambda event, what, s: event != "CONNECT" and None), False),
    ("closed at the first octet", dict(cut_at=1), False),
    ("closed in the middle", dict(cut_at=500000), False),
    ("an answer before the end", dict(script=lambda event, what, s: [b"1:K,", 0.5]
                                      if event == "LENGTH" and what > 1000 else None), False),
    ("a greeting", dict(script=lambda event, what, s: [b"220 mx ESMTP\r\n", 0.5]
                        if event == "CONNECT" else None), False),
    ("closed after the end", dict(script=lambda event, what, s: event != "PACKAGE" and None), True),
    ("half a response", dict(script=lambda event, what, s: [b"9:K2.0"] if event == "PACKAGE" else
                             False if event == "DONE" else None), True),
    ("no comma", whole(b"1:K;"), True),
    ("leading zero", whole(b"01:K,"), True),
    ("an empty response", whole(b"0:,"), True),
    ("a wrong letter", whole(b"2:Q?,"), True),
    ("an SMTP reply", whole(b"250 2.0.0 ok\r\n"), True),
    ("an endless response", whole(b"99999999999:"), True),
    ("NUL", whole(b"\0" * 100), True),
]


@test(timeout=300)
def qmtp_faults_lose_nothing(w):
    start(w)
    for name, fault, maybe in FAULTS:
        receiver = QmtpReceiver(HERE, window=SMALL_WINDOW, **fault)
        content = BIG if maybe else HUGE
        queue_id = w.submit("bob@else.test", content)
        events = w.wait_event(queue_id, "deferred")
        equal("possible duplicate" in str(events), maybe, name)
        equal([q["id"] for q in w.queue()], [queue_id], name)
        equal((receiver.taken, receiver.faults), ([], []), name)
        receiver.close()
        receiver = QmtpReceiver(HERE)
        w.wait_empty()
        equal([r for r, _ in receiver.taken], ["bob@else.test"], name)
        check(stored(receiver.taken[0][1].crlf) == stored(content), f"{name}: content")
        equal(len(w.wait_event(queue_id, "delivered")), 1, name)
        equal(receiver.faults, [], name)
        receiver.close()


@test()
def qmtp_servers_may_read_slowly(w):
    """The end of the package waits here until the kernel takes it."""
    with open("/proc/sys/net/ipv4/tcp_wmem", "w", encoding="ascii") as f:
        f.write("4096 16384 16384")  # of this test's own namespace
    start(w)
    receiver = QmtpReceiver(HERE, window=SMALL_WINDOW, slow=0.01)
    queue_id = w.submit("bob@else.test", BIG)
    w.wait_empty()
    equal([len(w.wait_event(queue_id, "delivered")), len(receiver.seen)], [1, 1])
    check(stored(receiver.taken[0][1].crlf) == stored(BIG), "content")
    equal(receiver.faults, [])


@test()
def qmtp_answers_may_come_slowly(w):
    start(w, relay={"qmtp_recipients": 3})
    said = b"9:K2.6.0 ok,1:K,20:Z4.2.1 busy (#4.2.1),"
    first = [True]
    receiver = QmtpReceiver(HERE)

    def dribble(event, what, s):
        if event != "PACKAGE" or not first.pop() if first else True:
            return None
        return [part for i in range(len(said)) for part in (said[i:i + 1], 0.02)]
    receiver.script = dribble
    queue_id = w.submit([f"bob{i}@else.test" for i in range(3)])
    w.wait_event(queue_id, "deferred")
    equal(len(w.wait_event(queue_id, "delivered")), 2)
    w.wait_empty()
    equal([r for r, _ in receiver.taken], ["bob2@else.test"], "who is tried again")
    equal(receiver.faults, [])


@test()
def qmtps_is_under_tls(w):
    author = start(w, "qmtps://smarthost.test", route={"tls": "require"})
    w.serve_dns(f"smarthost.test. A {HERE}\n")
    receiver = QmtpReceiver(HERE, 6209, certificate=w.certificate)
    in_clear = QmtpReceiver(HERE)
    w.submit("bob@else.test", BIG)
    w.wait_empty()
    equal([(r, p.tls) for r, p in receiver.taken], [("bob@else.test", True)])
    check(stored(receiver.taken[0][1].crlf) == stored(BIG), "content")
    equal((in_clear.connections, receiver.faults, author.messages), (0, [], []))


@test()
def qmtps_checks_the_certificate(w):
    """It is valid for nobody's authority here: nothing is sent, by QMTP in clear neither."""
    start(w, "qmtps://smarthost.test", route={"tls": "verify"})
    w.serve_dns(f"smarthost.test. A {HERE}\n")
    receiver = QmtpReceiver(HERE, 6209, certificate=w.certificate)
    in_clear = QmtpReceiver(HERE)
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "deferred")
    equal([q["id"] for q in w.queue()], [queue_id])
    equal((receiver.seen, in_clear.connections), ([], 0))


@test()
def qmtp_leaves_what_it_cannot_carry(w):
    """By SMTP where the route has that too; else it is returned."""
    smtp = Receiver(HERE, extensions=["PIPELINING", "8BITMIME", "SMTPUTF8", "DELIVERBY"])
    author = start(w, [TO, f"smtp://{HERE}"], relay={"qmtp_max_size": "1M"})
    receiver = QmtpReceiver(HERE)
    w.submit("small@else.test")
    w.submit("large@else.test", BIG)
    w.submit("by@else.test", mail=" BY=1000;R")
    w.wait_empty()
    equal([r for r, _ in receiver.taken], ["small@else.test"])
    equal(sorted(m.rcpt[0].split(">")[0] for m in smtp.messages),
          ["TO:<by@else.test", "TO:<large@else.test"])
    equal(author.messages, [])
    w.write({"relay": {"qmtp_max_size": "1M", "routes": [
        {"domain": "our.test", "to": f"smtp://{NETWORK}20"}, {"domain": "*", "to": TO}]}})
    w.ctl("reload")
    w.submit("large@else.test", BIG)
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    check("Status: 5.3.4" in report, report)
    w.wait_empty()
    equal(len(receiver.taken), 1)


@test(timeout=180)
def qmtp_survives_kills(w):
    """The server is killed while packages are under way: everything arrives, whole."""
    start(w)
    receiver = QmtpReceiver(HERE)

    def slow(event, what, s):
        if event == "PACKAGE":
            time.sleep(0.3)
    receiver.script = slow
    ids = [w.submit(f"bob{i}@else.test", BIG) for i in range(12)]
    for _ in range(3):
        time.sleep(0.4)
        os.kill(w.pid("server"), signal.SIGKILL)
        eventually(w.serving, "the server is back")
    receiver.script = None
    w.retried_until(lambda: w.queue() == [], "the queue is empty")
    taken = [r for r, _ in receiver.taken]
    equal(sorted(set(taken)), sorted(f"bob{i}@else.test" for i in range(12)))
    equal(len(set(ids)), 12)
    check(all(stored(p.crlf) == stored(BIG) for p in receiver.seen), "content")
    equal(receiver.faults, [])
