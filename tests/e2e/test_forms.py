"""Content that a next hop cannot take is re-encoded on its way (RFC 6152 3, RFC 3030 3, RFC 6409
6.5 and 8.4): what arrives is read by others as what was submitted."""

import email
import email.policy
import importlib.util
import os
import re
import socket

from harness.case import check, equal, eventually, test
from harness.client import smtplib_session
from harness.postfix import Postfix
from harness.receiver import EVERY, EXTENSIONS, Aiosmtpd, Receiver
from harness.world import NETWORK, PASSWORD, USER, message, stuffed
from test_dkim import begin, received, signatures, verify

ZONE = f"""our.test. MX 10 mx.our.test.
mx.our.test. A {NETWORK}20
else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
other.test. MX 10 mx.other.test.
mx.other.test. A {NETWORK}11
third.test. MX 10 mx.third.test.
mx.third.test. A {NETWORK}12
"""
SEVEN = ["PIPELINING", "SIZE 1000000000", "DSN"]
CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus")
MIME = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
       "Content-Transfer-Encoding: 8bit\r\n"
GERMAN = "Grüße aus Köln, und noch einige Wörter mehr.\r\n"


def corpus_reader():
    spec = importlib.util.spec_from_file_location("peers", os.path.join(CORPUS, "test_peers.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def eight_bit(body=GERMAN, extra=MIME, **more):
    return message("eight", body.encode(), extra=extra.encode(), **more)


def text_of(content):
    """What a reader shows of a message with one part."""
    parsed = email.message_from_bytes(content, policy=email.policy.SMTPUTF8)
    return parsed.get_content().replace("\r\n", "\n")


@test(timeout=240)
def corpus_over_seven_bits(w):
    """Each shape of mail, through submission and a hop that takes nothing but ASCII."""
    peers = corpus_reader()
    receiver = Receiver(NETWORK + "10", extensions=SEVEN)
    w.serve_dns(ZONE)
    w.start()
    known = set(peers.DAMAGED) | set(peers.RETYPED) | set(peers.UNFIT) | set(peers.PYTHON_CANNOT)
    count = 0
    for file in sorted(os.listdir(CORPUS)):
        name, kind = os.path.splitext(file)
        skipped = ("header_from", "no_header", "type_without", "deep_110")
        if kind != ".eml" or name in known or name.startswith(skipped) or name.endswith("bare"):
            continue
        with open(os.path.join(CORPUS, file), "rb") as f:
            content = re.sub(rb"[a-z-]+@example\.org", USER.encode(), f.read())
        if not content.endswith(b"\r\n"):
            content += b"\r\n"
        if content.isascii() and max(map(len, content.split(b"\r\n"))) <= 998:
            continue
        s = w.session()
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        code, text = s.data(stuffed(content))
        equal(code, 250, f"{name}: {text}")
        count += 1
        got = eventually(lambda: len(receiver.messages) >= count and receiver.messages[count - 1],
                         f"{name} arrives")
        check(got.content.isascii(), name)
        check(max(map(len, got.content.split(b"\r\n"))) <= 998, name)
        where = peers.same(peers.python_tree(content), peers.python_tree(got.content))
        check(where is None, name, where)
    check(count > 100, count)
    w.wait_empty()


@test()
def long_lines(w):
    """A line over 998 octets is taken, and goes on as it is only where that is allowed."""
    plain, binary = Receiver(NETWORK + "10", extensions=EXTENSIONS), \
        Receiver(NETWORK + "11", extensions=EVERY)
    w.serve_dns(ZONE)
    w.start()
    body = "x" * 3000 + " ü\r\nshort\r\n"
    w.submit(["bob@else.test", "bob@other.test"], eight_bit(body))
    got = eventually(lambda: plain.messages, "the one without BINARYMIME has it")[0]
    equal(text_of(got.content).replace("\n", "\r\n"), body)
    check(max(map(len, got.content.split(b"\r\n"))) <= 998, "its lines")
    check("BINARYMIME" not in got.mail, got.mail)
    got = eventually(lambda: binary.messages, "the one with BINARYMIME has it")[0]
    check(got.content.endswith(body.encode()), "as it was")
    check("BODY=BINARYMIME" in got.mail, got.mail)
    w.wait_empty()


@test()
def binary_content(w):
    receiver = Receiver(NETWORK + "10", extensions=SEVEN)
    w.serve_dns(ZONE)
    w.start()
    octets = bytes(range(256)) * 40 + b"\0\n\r\r\n"
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}> BODY=BINARYMIME")
    s.want(250, "RCPT TO:<bob@else.test>")
    extra = b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n"
    equal(s.chunks(message("binary", octets, extra=extra), 1000)[0], 250)
    got = eventually(lambda: receiver.messages, "arrives")[0]
    check(got.content.isascii(), got.content[:500])
    parsed = email.message_from_bytes(got.content)
    equal(parsed["Content-Transfer-Encoding"], "base64")
    equal(parsed.get_payload(decode=True), octets)
    w.wait_empty()


@test()
def header_in_ascii(w):
    """aiosmtpd without SMTPUTF8, sent to by smtplib."""
    receiver = Aiosmtpd(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    m = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    m["From"], m["To"] = f"Jörg Müller <{USER}>", "Zoë <bob@else.test>, other@bücher.test"
    m["Subject"], m["Message-ID"] = "Grüße aus Köln", "<1@our.test>"
    m["Date"] = "Tue, 28 Jul 2026 10:11:12 +0000"
    m.set_content("Grüße\n", cte="8bit")
    m.add_attachment(b"x", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    s = smtplib_session(USER, PASSWORD)
    s.sendmail(USER, ["bob@else.test"], m.as_bytes(), mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    s.quit()
    eventually(lambda: receiver.messages, "arrives")
    _, _, content = receiver.messages[0]
    check("SMTPUTF8" not in receiver.options[0], receiver.options)
    check(content.split(b"\r\n\r\n")[0].isascii(), content)
    got = email.message_from_bytes(content, policy=email.policy.SMTP)
    equal((got["Subject"], got["From"].addresses[0].display_name), ("Grüße aus Köln", "Jörg Müller"))
    equal([(a.display_name, a.addr_spec) for a in got["To"].addresses],
          [("Zoë", "bob@else.test"), ("", "other@xn--bcher-kva.test")])
    parts = list(got.iter_parts())
    equal((parts[0].get_content().replace("\r\n", "\n"), parts[1].get_filename()), ("Grüße\n", "Übersicht.pdf"))
    w.wait_empty()


@test()
def postfix_without_8bitmime(w):
    """Postfix passes on what it got; its own reading of the message is a MIME reader's."""
    w.serve_dns(ZONE)
    w.start()
    postfix = Postfix(w.dir, NETWORK + "29", "else.test", w.certificate,
                      {NETWORK + "10": "8bitmime,smtputf8,chunking"})
    for number in range(3):
        w.submit("bob@else.test", eight_bit(GERMAN * (1 + number * 3000)))
    contents = postfix.wait(3)
    check(all(c.isascii() for c in contents), "seven bits")
    equal(sorted(text_of(c).count("Grüße aus Köln, und noch einige Wörter mehr.") for c in contents),
          [1, 3001, 6001])
    w.wait_empty()


@test()
def one_form_for_many_hops(w):
    """A large message to three hops of seven bits, one of which has to be tried again; nothing of
    its forms is left."""
    refused = []

    def once(verb, _args, _session):
        if verb == "END" and not refused:
            refused.append(verb)
            return "451 4.3.0 later"
        return None

    receivers = [Receiver(NETWORK + "10", extensions=SEVEN), Receiver(NETWORK + "11", extensions=SEVEN),
                 Receiver(NETWORK + "12", extensions=SEVEN, script=once)]
    w.serve_dns(ZONE)
    w.start()
    body = GERMAN * 20000
    w.submit([f"bob@{name}.test" for name in ("else", "other", "third")], eight_bit(body))
    w.retried_until(lambda: all(r.messages for r in receivers), "all three have it")
    w.wait_empty()
    contents = {r.messages[0].body for r in receivers}
    equal(len(contents), 1, "the same octets")
    equal(text_of(receivers[0].messages[0].content).replace("\n", "\r\n"), body)
    eventually(lambda: not os.listdir(w.path("state", "queue", "spool")), "no file is left")


@test()
def signed_again(w):
    """DKIM over the bytes that go on the wire, for the hop that gets other bytes, too."""
    keys, receiver = begin(w)
    w.submit("bob@else.test", eight_bit())
    first = received(receiver, 1)
    verify(keys, first.content)
    check(not first.content.isascii(), "as it was")
    receiver.extensions = SEVEN
    for open_one in list(receiver.open):  # the next session says another EHLO
        open_one.sock.shutdown(socket.SHUT_RDWR)
    w.submit("bob@else.test", eight_bit())
    got = received(receiver, 2)
    check(got.content.isascii(), got.content)
    equal(len(signatures(got)), 2, "none of the old ones")
    verify(keys, got.content)
    w.wait_empty()


@test()
def what_cannot_be_is_reported(w):
    """Signed parts stay; the report returns what can be returned, in seven bits."""
    author, receiver = Receiver(NETWORK + "20", extensions=SEVEN), \
        Receiver(NETWORK + "10", extensions=SEVEN)
    w.serve_dns(ZONE)
    w.start()
    signed = message("signed", "--b\r\n\r\nGrüße\r\n--b\r\nContent-Type: application/pgp-signature"
                     "\r\n\r\nx\r\n--b--\r\n".encode(),
                     extra=b"MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n")
    queue_id = w.submit("bob@else.test", signed)
    got = eventually(lambda: author.messages, "the report", 60)[0]
    check(b"Status: 5.6.3" in got.content and b"signed part" in got.content, got.content)
    check(got.content.isascii(), got.content)
    equal(receiver.seen, [])
    w.wait_event(queue_id, "failed")
    w.wait_empty()


@test()
def whole_content_comes_back_in_seven_bits(w):
    author = Receiver(NETWORK + "20", extensions=SEVEN)
    Receiver(NETWORK + "10", script=lambda verb, *_: "550 5.1.1 no such user"
             if verb == "RCPT" else None)
    w.serve_dns(ZONE)
    w.start()
    w.submit("bob@else.test", eight_bit("x" * 2000 + "\r\n" + GERMAN), mail=" RET=FULL")
    got = eventually(lambda: author.messages, "the report", 60)[0]
    check(got.content.isascii(), got.content)
    parsed = email.message_from_bytes(got.content, policy=email.policy.SMTP)
    returned = list(parsed.iter_parts())[2]
    equal(returned.get_content_type(), "message/rfc822")
    equal(text_of(returned.get_payload(0).as_bytes()),
          "x" * 2000 + "\n" + GERMAN.replace("\r\n", "\n"))
    w.wait_empty()
