"""Postfix, Exim and OpenSMTPD as next hops: under STARTTLS, 8-bit and SMTPUTF8 mail, reports that
others are asked for, and large content arrive as they were sent; what they refuse is reported."""

import re

from harness.case import check, equal, eventually, test
from harness.mtas import EXIM, OPENSMTPD, Exim, OpenSMTPD, RelayingPostfix
from harness.receiver import EXTENSIONS, Receiver
from harness.world import NETWORK, USER, message, stuffed
from test_delivery import fields, report, start

HOP = NETWORK + "9"
UTF8 = "jürgen@else.test"


def body_of(got):
    return got.content.split(b"\r\n\r\n", 1)[1]


def arrives(w, kind, utf8, tls=1):
    author = start(w, {"limits": {"message_size": "60M"}})
    hop = Receiver(HOP, 2525, extensions=EXTENSIONS + ["SMTPUTF8"])
    mta = kind(w.dir, NETWORK + "10", "else.test", w.certificate, HOP)
    # reports that the next one is asked for
    w.submit("bob@else.test", message("dsn"), mail=" RET=HDRS ENVID=x1",
             rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx@else.test")
    got = eventually(lambda: hop.messages, mta.log)[-1]
    equal(body_of(got), b"Hello.\r\n")
    for wanted in ("RET=HDRS", "ENVID=x1"):
        check(wanted in got.mail, wanted, got.mail)
    for wanted in ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2Bx@else.test"):
        check(wanted.lower() in got.rcpt[0].lower(), wanted, got.rcpt[0])
    # 8 bits
    eight = "Grüße – ".encode() * 5 + b"\r\n"
    w.submit("bob@else.test", message("eight", eight, extra=b"MIME-Version: 1.0\r\nContent-Type: text/plain; "
             b"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"), mail=" BODY=8BITMIME")
    eventually(lambda: len(hop.messages) == 2, mta.log)
    equal(body_of(hop.messages[1]), eight)
    # large, with dots, the longest lines, and an empty end
    lines = [b".", b"..", b".x" * 400, b"y" * 998, b"", b"From here", b"line"]
    large = b"".join(lines[i % 7] + b"\r\n" for i in range(120000)) + b"\r\n\r\n"
    w.submit("bob@else.test", stuffed(message("large", large)))
    eventually(lambda: len(hop.messages) == 3, "the large one", 90)
    check(body_of(hop.messages[2]) == large, "the large one is another")
    # two recipients, of whom one is refused
    w.submit(["nobody@else.test", "carol@else.test"], message("two"))
    eventually(lambda: len(hop.messages) == 4, mta.log)
    equal([r.split(">")[0] for r in hop.messages[3].rcpt], ["TO:<carol@else.test"])
    _, parts = report(author)
    block = fields(parts)[1]
    equal((block["Action"], block["Status"][:2]), ("failed", "5."))
    equal(block["Final-Recipient"].replace(" ", ""), "rfc822;nobody@else.test")
    check("550" in block["Diagnostic-Code"], block["Diagnostic-Code"])
    # addresses and fields in UTF-8
    w.submit(UTF8.encode().decode("latin-1"), f"From: <{USER}>\r\nTo: Jürgen <{UTF8}>\r\nSubject: Grüße\r\n\r\nHello.\r\n".encode(),
             mail=" SMTPUTF8 BODY=8BITMIME")
    if utf8:
        eventually(lambda: len(hop.messages) == 5, mta.log)
        check("SMTPUTF8" in hop.messages[4].mail, hop.messages[4].mail)
        check(f"<{UTF8}>".encode() in hop.messages[4].content, hop.messages[4].content)
    else:
        _, parts = report(author, 2)
        equal(fields(parts)[1]["Status"], "5.6.7")
    w.wait_empty()
    equal(len(hop.messages), 5 if utf8 else 4, "messages")
    equal(len(author.messages), 1 if utf8 else 2, "reports")
    # all of it under TLS, or in clear where a handshake has failed
    lines = [x for x in w.log().splitlines() if f"[{NETWORK}10]:25" in x and " phase=END_OF_DATA " in x]
    check(lines and all(f" tls={tls} " in x for x in lines), lines)
    return mta


@test(timeout=240)
def postfix_as_a_receiver(w):
    arrives(w, RelayingPostfix, True)


@test(timeout=240, peers=EXIM)
def exim_as_a_receiver(w):
    mta = arrives(w, Exim, True)
    check(re.search(r" <= alice@our.test H=.* P=(utf8)?esmtps X=TLS", mta.log()), mta.log())


@test(timeout=240, peers=OPENSMTPD)
def opensmtpd_as_a_receiver(w):
    arrives(w, OpenSMTPD, False, tls=0)
    check(" phase=HANDSHAKE " in w.log() and "TLS failed" in w.log(), "no handshake was tried")
