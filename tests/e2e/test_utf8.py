"""Addresses and headers with UTF-8 (RFC 6531, 6533), from a mail program to the next hop and back."""

import email
import email.policy

from harness.case import check, equal, eventually, test
from harness.client import session, smtplib_session
from harness.receiver import EXTENSIONS, Aiosmtpd, Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""our.test. MX 10 mx.our.test.
mx.our.test. A {NETWORK}20
else.test. MX 10 mx.else.test.
xn--bcher-kva.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
WITH_UTF8 = EXTENSIONS + ["SMTPUTF8"]


def octets(text):
    """Text as the raw client takes it: one character an octet."""
    return text.encode().decode("latin-1")


def letter(to, subject="Grüße"):
    m = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    m["From"], m["To"], m["Subject"] = USER, to, subject
    m["Message-ID"], m["Date"] = "<1@our.test>", "Tue, 28 Jul 2026 10:11:12 +0000"
    m.set_content("Hello.\n")
    return m


def report(author, status):
    """The report that the author got: (as received, parts); and its octets are those it may have."""
    got = eventually(lambda: author.messages and author.messages[0], "the report arrives", 60)
    parsed = email.message_from_bytes(got.content, policy=email.policy.SMTPUTF8)
    equal(parsed.get_content_type(), "multipart/report")
    parts = parsed.get_payload()
    check(f"Status: {status}".encode() in got.content, got.content.decode())
    return got, parsed, parts


@test()
def smtplib_submits_to_a_utf8_address(w):
    receiver = Aiosmtpd(NETWORK + "10", smtputf8=True)
    w.serve_dns(ZONE)
    w.start()
    s = smtplib_session(USER, PASSWORD)
    equal(s.send_message(letter("Jörg <jörg@bücher.test>")), {})
    s.quit()
    eventually(lambda: receiver.messages, "the message arrives")
    sender, recipients, content = receiver.messages[0]
    equal((sender, recipients), (USER, ["jörg@xn--bcher-kva.test"]))
    check({"SMTPUTF8", "BODY=8BITMIME"} <= set(receiver.options[0]), receiver.options)
    check("Subject: Grüße\r\n".encode() in content, content)
    check("To: Jörg <jörg@bücher.test>\r\n".encode() in content, content)
    check(b"with UTF8SMTPSA id " in content, content)
    check("for <jörg@xn--bcher-kva.test>".encode() in content, content)
    w.wait_empty()


@test()
def smtputf8_is_asked_only_where_it_is_needed(w):
    receiver = Receiver(NETWORK + "10", extensions=WITH_UTF8)
    w.serve_dns(ZONE)
    w.start()
    for number, (header, recipient, asked) in enumerate((
            ("Subject: plain", "bob@else.test", False), ("Subject: plain", "bob@bücher.test", False),
            ("Subject: ü", "bob@else.test", True), ("Subject: plain", "jörg@else.test", True))):
        content = message().replace(b"Subject: ", header.encode() + b"\r\nX-Subject: ")
        check(header.encode() in content, content)
        w.submit(octets(recipient), content, mail=" SMTPUTF8")
        eventually(lambda: len(receiver.messages) > number, f"message {number} arrives")
        equal("SMTPUTF8" in receiver.messages[number].mail.split(" "), asked, header + recipient)
    w.wait_empty()


@test()
def hop_without_smtputf8_ends_in_a_report_of_seven_bits(w):
    author, receiver = Receiver(NETWORK + "20"), Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    queue_id = w.submit(octets("jörg@bücher.test"), letter("jörg@bücher.test").as_bytes(),
                        mail=" SMTPUTF8", rcpt=octets(" ORCPT=utf-8;jörg@bücher.test"))
    got, parsed, parts = report(author, "5.6.7")
    check(got.content.isascii(), "seven bits")
    equal(parsed.get_param("report-type"), "delivery-status")
    check("SMTPUTF8" not in got.mail, got.mail)
    equal([p.get_content_type() for p in parts],
          ["text/plain", "message/delivery-status", "message/global-headers"])
    check("<jörg@xn--bcher-kva.test>" in parts[0].get_payload(decode=True).decode(), got.content)
    check(b"\r\nOriginal-Recipient: utf-8;j\\x{F6}rg@b\\x{FC}cher.test\r\n"
          b"Final-Recipient: utf-8;j\\x{F6}rg@xn--bcher-kva.test\r\n" in got.content, got.content)
    check(b"\r\nSubject: Gr=C3=BC=C3=9Fe\r\n" in got.content, got.content)
    equal(receiver.seen, [], "messages that the hop without SMTPUTF8 got")
    check(not [c for c in receiver.commands if not c.isascii()], receiver.commands)
    w.wait_event(queue_id, "failed")
    w.wait_empty()


@test()
def utf8_author_gets_a_report_with_utf8(w):
    def refuse(verb, _args, _session):
        return "550 5.1.1 no such user" if verb == "RCPT" else None

    author = Receiver(NETWORK + "20", extensions=WITH_UTF8)
    Receiver(NETWORK + "10", extensions=WITH_UTF8, script=refuse)
    w.serve_dns(ZONE)
    w.start()
    w.ctl("user", "add", "jörg@our.test", "--password-stdin", stdin=PASSWORD + "\n")
    s = session("jörg@our.test", PASSWORD)
    sender = octets("jörg@our.test")
    content = letter("é@else.test").as_bytes().replace(USER.encode(), "jörg@our.test".encode())
    equal(s.say(f"MAIL FROM:<{sender}>")[0], 550)
    w.submit(octets("é@else.test"), content, sender, mail=" SMTPUTF8", wire=s)
    got, parsed, parts = report(author, "5.1.1")
    equal(parsed.get_param("report-type"), "global-delivery-status")
    equal(got.rcpt, [f"TO:<{sender}>"])
    check({"FROM:<>", "SMTPUTF8", "BODY=8BITMIME"} <= set(got.mail.split(" ")), got.mail)
    equal([p.get_content_type() for p in parts],
          ["text/plain", "message/global-delivery-status", "message/global-headers"])
    check("\r\nTo: <jörg@our.test>\r\n".encode() in got.content, got.content)
    check("\r\nFinal-Recipient: utf-8;é@else.test\r\n".encode() in got.content, got.content)
    check("\r\nSubject: Grüße\r\n".encode() in got.content, got.content)
    w.wait_empty()


@test()
def smtputf8_is_refused_where_it_is_off(w):
    w.serve_dns(ZONE)
    w.start({"extensions": {"off": ["SMTPUTF8"]}})
    s = w.session()
    check("SMTPUTF8" not in s.ehlo(), "EHLO")
    equal(s.say(f"MAIL FROM:<{USER}> SMTPUTF8")[0], 555)
    s.want(250, f"MAIL FROM:<{USER}>")
    code, text = s.say("RCPT TO:<" + octets("jörg@else.test") + ">")
    equal((code, text.split(" ")[0]), (501, "5.1.3"))
