"""Mail programs with their own defaults, over STARTTLS and implicit TLS: a letter with attachment
arrives whole and once, and what is refused is told to the person."""

from harness import mailers
from harness.case import check, equal, eventually, test
from harness.mailers import Letter
from harness.postfix import Postfix
from harness.receiver import Aiosmtpd
from harness.world import NETWORK

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
TO, CC = ["bob@else.test", "carol@else.test"], ["dave@else.test"]
BCC = ["erin@else.test"]


def begin(w):
    mailers.name_the_server(w.dir)
    w.serve_dns(ZONE)
    w.start()


def check_client(w, send, cc=(), bcc=(), unqualified="bob", told=("535", "5.7.1", "5.1.")):
    begin(w)
    receiver = Aiosmtpd(NETWORK + "10")
    for number, port in enumerate((587, 465)):
        letter = Letter(w, port, to=TO, cc=cc, bcc=bcc)
        status, said = send(letter)
        equal(status, 0, said)
        sender, recipients, octets = eventually(lambda: receiver.messages[number:],
                                                "the letter arrives")[0]
        equal(sender, letter.sender)
        equal(sorted(recipients), sorted(letter.everybody()))
        letter.expect_in(octets)
    check_refusals(w, send, unqualified, told)
    w.wait_empty()
    equal(len(receiver.messages), 2, "each letter once, and nothing of what was refused")


def check_refusals(w, send, unqualified, told):
    """The program fails and says why: told is in what it printed."""
    for port in (587, 465):
        letters = (Letter(w, port, password="wrong", size=10),
                   Letter(w, port, sender="mallory@our.test", size=10),
                   Letter(w, port, to=[unqualified], size=10))
        for letter, reason in zip(letters, told):
            status, said = send(letter)
            check(status != 0, "was no failure:", said)
            check(reason in said, f"was not explained ({reason}):", said)


@test()
def swaks_sends(w):
    check_client(w, mailers.swaks)


@test()
def msmtp_sends(w):
    check_client(w, mailers.msmtp, CC, BCC)


@test()
def curl_sends(w):
    check_client(w, mailers.curl, CC, BCC, told=("Login denied", "550", "501"))


@test()
def s_nail_sends(w):
    check_client(w, mailers.s_nail, CC, BCC, unqualified="bob@host")


@test()
def mutt_sends(w):
    check_client(w, mailers.mutt, CC, BCC, unqualified="bob@host",
                 told=("SASL authentication failed", "5.7.1", "5.1."))


@test()
def python_smtplib_sends(w):
    check_client(w, mailers.python_smtplib, CC, BCC)


@test()
def net_smtp_sends(w):
    check_client(w, mailers.net_smtp, CC, BCC)


@test()
def nodemailer_sends(w):
    check_client(w, mailers.nodemailer, CC, BCC, unqualified="bob@host")


@test()
def finished_messages_arrive_octet_by_octet_at_postfix(w):
    begin(w)
    postfix = Postfix(w.dir, NETWORK + "10", "else.test", w.certificate)
    letters = []
    for send in (mailers.msmtp, mailers.curl_upload, mailers.python_smtplib):
        for port in (587, 465):
            letters.append(Letter(w, port, to=TO))
            status, said = send(letters[-1])
            equal(status, 0, said)
    w.wait_empty()
    got = postfix.wait(len(letters) * len(TO))
    equal(len(got), len(letters) * len(TO), "each message once for each recipient")
    for letter in letters:
        same = [octets for octets in got if octets.endswith(letter.finished.as_bytes())]
        equal(len(same), len(TO), "octet by octet")
