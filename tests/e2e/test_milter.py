"""Filters as people run them: rspamd, clamav-milter and opendkim as milters, postgrey and policyd-spf
as policy service; and what happens when they are gone."""

import os
import time

import dkim

from harness.case import check, equal, eventually, test
from harness.client import session
from harness.milters import (SPAM_HEADER, SPAM_REJECT, VIRUS, clamav, opendkim, policyd_spf,
                             postgrey, rspamd)
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message, stuffed

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""


def begin(w):
    w.serve_dns(ZONE)
    return Receiver(NETWORK + "10")


def received(receiver, number):
    eventually(lambda: len(receiver.messages) >= number, f"{number} messages arrive")
    return receiver.messages[number - 1]


def refused(w, content):
    """The reply to the end of data."""
    s = w.session()
    s.want(250, "MAIL FROM:<alice@our.test>")
    s.want(250, "RCPT TO:<bob@else.test>")
    code, text = s.data(content)
    s.close()
    return code, text


def check_signature(signer, content):
    check(dkim.verify(content, dnsfunc=lambda name, timeout=0: signer.record.encode()),
          "the signature does not hold:\n", content.decode("latin-1"))


@test()
def opendkim_signs_what_is_sent(w):
    """By a unix socket; also what we complete ourselves, and what is larger than memory."""
    receiver = begin(w)
    socket = w.path("dkim.sock")
    signer = opendkim(w, "local:" + socket)
    w.start({"policy": {"milters": {"socket": "unix:" + socket}}})
    bare = b"From: <alice@our.test>\r\nSubject: no date\r\n and folded\r\n\r\n.dot\r\nbody\r\n"
    for number, content in enumerate((message(), bare, message(body=b"0123456789\r\n" * 50000)), 1):
        queue_id = w.submit("bob@else.test", stuffed(content))
        got = received(receiver, number)
        equal(got.queue_id(), queue_id)
        equal(len(got.header("dkim-signature")), 1, "signatures")
        check_signature(signer, got.content)
        check(got.content.endswith(content.split(b"\r\n\r\n", 1)[1]), "the body is another")
    check(got.header("message-id") and got.header("date"), "nothing was completed")


@test()
def rspamd_refuses_and_marks(w):
    receiver = begin(w)
    rspamd(w, 11332)
    w.start({"policy": {"milters": {"socket": "inet:11332@127.0.0.1"}}})
    code, text = refused(w, message(body=SPAM_REJECT + b"\r\n"))
    equal(code, 554, text)
    check("Gtube pattern" in text and "policy.milters" in text, text)
    w.submit("bob@else.test", message("marked", body=SPAM_HEADER + b"\r\n"))
    equal(received(receiver, 1).header("x-spam"), ["Yes"])
    w.submit("bob@else.test", message("ham"))
    equal(received(receiver, 2).header("x-spam"), [])
    with open(w.path("rspamd", "log"), encoding="utf-8") as f:
        log = f.read()
    check("user: alice@our.test" in log, "rspamd does not know the login:\n", log[-2000:])


def explained(w):
    """What msactl explain says of a virus: (exit status, verdict)."""
    with open(w.path("virus"), "wb") as f:
        f.write(message("virus", body=VIRUS + b"\r\n"))
    code, lines = w.ask("explain", w.path("virus"), "--user", "alice", "--to", "bob@else.test",
                        "--milters", may_fail=True)
    return code, lines[0]["verdict"]


@test()
def clamav_quarantines(w):
    receiver = begin(w)
    clamav(w, 7357)
    w.start({"policy": {"milters": {"socket": "inet:7357@127.0.0.1"}}})
    queue_id = w.submit("bob@else.test", message("virus", body=VIRUS + b"\r\n"))
    w.submit("bob@else.test", message("clean"))
    equal(received(receiver, 1).header("subject"), ["clean"])
    check("clamav-milter" in received(receiver, 1).header("x-virus-scanned")[0], "not marked")
    held = [row for row in w.queue() if row["id"] == queue_id]
    equal([row["held"] for row in held], [True])
    check("held by inet:7357@127.0.0.1" in held[0]["text"], held)
    w.wait_log(" held ")
    equal(explained(w), (0, "held"))  # the client is told 250
    w.ctl("queue", "release", queue_id)
    equal(received(receiver, 2).header("subject"), ["virus"])
    w.wait_empty()


@test()
def clamav_discards(w):
    receiver = begin(w)
    clamav(w, 7357, infected="Blackhole")
    w.start({"policy": {"milters": {"socket": "inet:7357@127.0.0.1"}}})
    queue_id = w.submit("bob@else.test", message("virus", body=VIRUS + b"\r\n"))
    w.submit("bob@else.test", message("clean"))
    equal(received(receiver, 1).header("subject"), ["clean"])
    lines = w.wait_event(queue_id, "discarded")
    equal(lines[0]["to"], "bob@else.test", lines)
    equal(explained(w), (1, "discarded"))
    w.wait_empty()
    equal(len(receiver.messages), 1)


@test()
def three_in_order(w):
    """What rspamd adds is signed by opendkim, which comes last."""
    receiver = begin(w)
    socket = w.path("dkim.sock")
    signer = opendkim(w, "local:" + socket)
    rspamd(w, 11332)
    clamav(w, 7357, infected="Reject")
    w.start({"policy": {"milters": [{"socket": "inet:127.0.0.1:7357"},
                                    {"socket": "inet:11332@localhost"},
                                    {"socket": "unix:" + socket}]}})
    s = w.session()
    w.submit("bob@else.test", message("marked", body=SPAM_HEADER + b"\r\n"), wire=s)
    w.submit("bob@else.test", message("ham"), wire=s)
    s.want(250, "MAIL FROM:<alice@our.test>")
    s.want(250, "RCPT TO:<bob@else.test>")
    equal(s.data(message("virus", body=VIRUS + b"\r\n"))[0], 550)
    w.submit("bob@else.test", message("again"), wire=s)
    for number, subject in enumerate(("marked", "ham", "again"), 1):
        got = received(receiver, number)
        equal(got.header("subject"), [subject])
        check_signature(signer, got.content)
    equal(receiver.messages[0].header("x-spam"), ["Yes"])
    equal(len(receiver.messages), 3)


@test()
def a_milter_that_is_gone(w):
    receiver = begin(w)
    socket = w.path("dkim.sock")
    signer = opendkim(w, "local:" + socket)
    w.start({"policy": {"milters": {"socket": "unix:" + socket, "timeout": "5s"}}})
    s = w.session()
    s.want(250, "MAIL FROM:<alice@our.test>")
    s.want(250, "RCPT TO:<bob@else.test>")
    signer.kill()
    code, text = s.say("DATA")
    equal(code, 451, text)
    s.want(250, "RSET")
    code, text = s.say("MAIL FROM:<alice@our.test>")
    equal(code, 451, text)
    check("policy.milters" in text, text)
    w.wait_log("milter-failed")
    os.unlink(socket)
    signer.launch()
    time.sleep(1.1)  # it is left alone for a second
    w.submit("bob@else.test", message("back"), wire=s)
    check_signature(signer, received(receiver, 1).content)
    # and where it may be done without
    signer.kill()
    w.write({"policy": {"milters": {"socket": "unix:" + socket, "on_error": "accept"}}})
    w.ctl("reload")
    w.submit("bob@else.test", message("unsigned"))
    equal(received(receiver, 2).header("dkim-signature"), [])


@test()
def postgrey_defers_the_first_time(w):
    receiver = begin(w)
    socket = w.path("postgrey.sock")
    postgrey(w, socket, delay=2)
    w.start({"policy": {"service": "unix:" + socket}})
    s = w.session()
    s.want(250, "MAIL FROM:<alice@our.test>")
    code, text = s.say("RCPT TO:<bob@else.test>")
    equal(code // 100, 4, text)
    check("reylist" in text and "policy.service" in text, text)
    time.sleep(3)
    s.want(250, "RSET")
    w.submit("bob@else.test", message("later"), wire=s)
    check("delayed" in received(receiver, 1).header("x-greylist")[0], "no header of postgrey's")


@test()
def policyd_spf_judges_the_client(w):
    """It looks the sender's domain up in DNS and compares the client's address."""
    w.serve_dns(ZONE + f"our.test. TXT \"v=spf1 ip4:{NETWORK}20 -all\"\n")
    receiver = Receiver(NETWORK + "10")
    policyd_spf(w, 10023)
    w.start({"policy": {"service": "inet:10023@127.0.0.1"}})
    for source, code in ((NETWORK + "20", 250), (NETWORK + "21", 550)):
        s = session(source=source)
        equal(s.plain(USER, PASSWORD)[0], 235, "login")
        s.want(250, "MAIL FROM:<alice@our.test>")
        got, text = s.say("RCPT TO:<bob@else.test>")
        equal(got, code, text)
        if code == 250:
            equal(s.data(message("spf"))[0], 250, "data")
        else:
            check("SPF fail" in text and "policy.service" in text, text)
        s.close()
    field = received(receiver, 1).header("received-spf")
    check(len(field) == 1 and field[0].startswith("Pass") and NETWORK + "20" in field[0], field)
    figures = w.ask("stats")[1][0]["filters"]
    equal([(f["filter"], f["asked"], f["refused"], f["failed"]) for f in figures],
          [("inet:10023@127.0.0.1", 2, 1, 0)], "figures")
    check("inet:10023@127.0.0.1" in w.ctl("stats"), "in the table")


@test(build="release")
def the_sandbox_lets_milters_through(w):
    """As root, so that the server has changed its user: by a unix socket that only the milter's group
    may use, if one was configured at start."""
    receiver = begin(w)
    socket = w.path("dkim.sock")
    with open("/etc/group", "a", encoding="ascii") as f:  # of this test's mount namespace
        f.write("milters:x:64903:msa\n")
    signer = opendkim(w, "local:" + socket)
    os.chown(socket, 0, 64903)
    os.chmod(socket, 0o660)
    os.chmod(w.dir, 0o755)
    w.start()
    w.write({"policy": {"milters": {"socket": "unix:" + socket}}})
    check("unix socket" in w.ctl("reload", code=1), "the reload passes")
    w.submit("bob@else.test", message("without"))
    equal(received(receiver, 1).header("dkim-signature"), [])
    w.stop()
    w.launch()
    w.wait_ready()
    w.submit("bob@else.test", message("with"))
    check_signature(signer, received(receiver, 2).content)
