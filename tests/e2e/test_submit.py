"""Mail programs submit, with each mechanism, and the message arrives whole and once."""

import smtplib
import subprocess

from harness.case import check, equal, eventually, test
from harness.client import Wire, session, smtplib_session
from harness.postfix import Postfix
from harness.receiver import Aiosmtpd, Receiver
from harness.world import NETWORK, PASSWORD, USER, message, stuffed

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""


def start(w, over=None):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start(over)
    return receiver


def arrived(receiver, count=1):
    return eventually(lambda: len(receiver.messages) >= count and receiver.messages,
                      f"{count} messages arrive")


@test()
def swaks_submits(w):
    receiver = start(w)
    for number, words in enumerate((["--tls", "--auth", "PLAIN", "--port", "587"],
                                    ["--tls", "--auth", "LOGIN", "--port", "587"],
                                    ["--tls-on-connect", "--auth", "PLAIN", "--port", "465"])):
        done = subprocess.run(["swaks", "--server", "127.0.0.1", "--from", USER, "--to",
                               "bob@else.test", "--auth-user", USER, "--auth-password", PASSWORD,
                               "--body", f"swaks {number}", *words], capture_output=True, text=True,
                              check=False)
        equal(done.returncode, 0, "swaks: " + done.stdout + done.stderr)
        got = arrived(receiver, number + 1)[number]
        check(f"swaks {number}".encode() in got.body, got.content)
        equal(got.mail.split(" ")[0], f"FROM:<{USER}>")
        equal([r.split(" ")[0] for r in got.rcpt], ["TO:<bob@else.test>"])


@test()
def msmtp_submits(w):
    receiver = start(w)
    sent = message("msmtp")
    for number, mechanism in enumerate(("plain", "login", "scram-sha-256")):
        for port, starttls in ((587, "on"), (465, "off")):
            done = subprocess.run(
                ["msmtp", "--host=127.0.0.1", f"--port={port}", "--tls=on",
                 f"--tls-starttls={starttls}", "--tls-certcheck=off", f"--auth={mechanism}",
                 f"--user={USER}", f"--passwordeval=echo '{PASSWORD}'", f"--from={USER}",
                 "bob@else.test"], input=sent.replace(b"\r\n", b"\n"), capture_output=True,
                check=False)
            equal(done.returncode, 0, f"msmtp {mechanism} {port}: {done.stderr}")
        arrived(receiver, 2 * number + 2)
    equal({m.body for m in receiver.messages}, {b"Hello.\r\n"})


@test()
def curl_submits(w):
    receiver = start(w)
    path = w.path("mail.eml")
    with open(path, "wb") as f:
        f.write(message("curl"))
    for number, words in enumerate((["--ssl-reqd", "smtp://127.0.0.1:587"],
                                    ["smtps://127.0.0.1:465"])):
        done = subprocess.run(["curl", "-sS", "-k", *words, "--mail-from", USER, "--mail-rcpt",
                               "bob@else.test", "--user", f"{USER}:{PASSWORD}", "-T", path],
                              capture_output=True, text=True, check=False)
        equal(done.returncode, 0, "curl: " + done.stderr)
        equal(arrived(receiver, number + 1)[number].body, b"Hello.\r\n")


@test()
def smtplib_submits(w):
    receiver = start(w)
    sent = message("smtplib", b"one\r\n.two\r\n..three\r\n\r\nlast without dot\r\n")
    for number, port in enumerate((587, 465)):
        s = smtplib_session(USER, PASSWORD, port)
        s.sendmail(USER, ["bob@else.test", "carol@else.test"], sent)
        s.quit()
        got = arrived(receiver, number + 1)[number]
        check(got.content.endswith(sent), "the message is not whole:", got.content)
        equal(sorted(r.split(" ")[0] for r in got.rcpt),
              ["TO:<bob@else.test>", "TO:<carol@else.test>"])


@test()
def every_mechanism_over_both_kinds_of_tls(w):
    receiver = start(w)
    for port in (587, 465):
        for mechanism in ("plain", "login", "scram"):
            s = session(port=port)
            equal(getattr(s, mechanism)(USER, PASSWORD)[0], 235, f"{mechanism} on {port}")
            w.submit("bob@else.test", wire=s)
            s.close()
            # without a realm the first one is meant
            s = session(port=port)
            equal(getattr(s, mechanism)("alice", PASSWORD)[0], 235, f"{mechanism} without realm")
            s.close()
    eventually(lambda: len(receiver.messages) == 6, "six messages")


@test()
def arrives_whole_and_once_at_aiosmtpd(w):
    receiver = Aiosmtpd(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    bodies = [b"", b".\r\n", b"..\r\n.x\r\n", b"\xc3\xa4\xff 8 bit\r\n", b"x" * 998 + b"\r\n",
              b"".join(b"line %d\r\n.dot\r\n" % i for i in range(20000))]
    sent = [message(f"m{i}", body) for i, body in enumerate(bodies)]
    s = w.session()
    for content in sent:
        w.submit("bob@else.test", stuffed(content), wire=s, mail=" BODY=8BITMIME")
    eventually(lambda: len(receiver.messages) >= len(sent), "all messages", 60)
    w.wait_empty()
    equal(len(receiver.messages), len(sent), "each message once")
    for content in sent:
        match = [m for m in receiver.messages if m[2].endswith(content)]
        equal(len(match), 1, "the message is there, octet by octet")
        added = match[0][2][:-len(content)]
        check(added.startswith(b"Received:") and added.count(b"\r\nReceived") == 0 and
              all(line[:1] in b" \t" for line in added.split(b"\r\n")[1:-1]), "added:", added)


@test()
def arrives_whole_and_once_at_postfix(w):
    postfix = Postfix(w.dir, NETWORK + "10", "else.test", w.certificate)
    w.serve_dns(ZONE)
    w.start()
    sent = [message(f"m{i}", b"".join(b"line %d\r\n.dot\r\n" % x for x in range(i * 500)))
            for i in range(10)]
    s = w.session()
    for content in sent:
        w.submit("bob@else.test", stuffed(content), wire=s)
    postfix.wait(len(sent))
    w.wait_empty()
    got = postfix.messages()
    equal(len(got), len(sent), "each message once")
    for content in sent:
        equal(len([m for m in got if m.endswith(content)]), 1, "octet by octet")


@test()
def bdat_with_binary_sizes(w):
    receiver = start(w)
    sent = message("bdat", b"part one\r\n.\r\npart two\r\n")
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@else.test>")
    s.send(b"BDAT 10\r\n" + sent[:10])
    equal(s.reply()[0], 250)
    s.send(b"BDAT %d LAST\r\n" % (len(sent) - 10) + sent[10:] + b"NOOP\r\n")
    equal(s.reply()[0], 250)
    equal(s.reply()[0], 250, "NOOP right behind the chunk")
    check(arrived(receiver)[0].content.endswith(sent), receiver.messages[0].content)


@test()
def adds_what_is_missing_and_hides_the_client(w):
    receiver = start(w)
    queue_id = w.submit("bob@else.test", f"From: {USER}\r\n\r\nbare\r\n".encode())
    got = arrived(receiver)[0]
    received = got.header("received")
    equal(len(received), 1, "Received fields")
    check("with ESMTPSA" in received[0] and f"id {queue_id}" in received[0] and
          "TLS" in received[0] and "127.0.0.1" not in received[0] and
          "client.test" not in received[0], received[0])
    equal(len(got.header("date")), 1)
    equal(len(got.header("message-id")), 1)
    check(queue_id in got.header("message-id")[0], got.header("message-id"))
    equal(got.body, b"bare\r\n")


@test()
def null_reverse_path_and_own_address_only(w):
    start(w)
    s = w.session()
    s.want(250, "MAIL FROM:<>")
    s.want(250, "RSET")
    check("5.7.1" in s.want(550, "MAIL FROM:<mallory@our.test>"), "enhanced code")
    s.want(250, f"MAIL FROM:<{USER}>")


@test()
def tls_versions_and_resumption(w):
    import ssl
    import socket
    start(w)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        kept = None
        for again in (False, True, True):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", 465), 30),
                                     session=kept) as s:
                check(s.recv(100).startswith(b"220"), "greeting")
                equal(s.session_reused, again, f"{version!r} resumed")
                kept = s.session
    # also after the server process was killed: the ticket keys are the master's
    import os
    import signal
    before = w.pid("server")
    w.allowed = ("child-ended server was ended by",)
    os.kill(before, signal.SIGKILL)
    with context.wrap_socket(socket.create_connection(("127.0.0.1", 465), 30), session=kept) as s:
        check(s.recv(100).startswith(b"220"), "greeting")
        check(s.session_reused, "resumed at the next server process")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        old.wrap_socket(socket.create_connection(("127.0.0.1", 465), 30))
        check(False, "TLS 1.1 was accepted")
    except (ssl.SSLError, ConnectionResetError):
        pass


@test()
def refused_by_smtplib_names(w):
    start(w)
    s = smtplib_session()
    try:
        s.login(USER, "wrong")
        check(False, "a wrong password was taken")
    except smtplib.SMTPAuthenticationError as e:
        equal(e.smtp_code, 535)
    s.close()
    wire = Wire()
    wire.close()
