"""What is refused, with which reply, and that nothing leaks or slips through."""

import base64
import socket
import statistics
import time

from harness.case import check, equal, eventually, test
from harness.client import Wire, session, without_id
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""


def has_code(text, enhanced):
    check(all(line.startswith(enhanced) for line in text.split("\n")), f"{enhanced} in {text!r}")


@test()
def no_mail_without_login(w):
    w.start()
    s = session()
    has_code(s.want(530, f"MAIL FROM:<{USER}>"), "5.7.0")
    has_code(s.want(530, "MAIL FROM:<>"), "5.7.0")
    has_code(s.want(530, "RCPT TO:<bob@else.test>"), "5.7.0")
    s = Wire()
    s.ehlo()
    has_code(s.want(530, f"MAIL FROM:<{USER}>"), "5.7.0")


@test()
def no_login_before_tls(w):
    w.start()
    s = Wire()
    check("AUTH" not in s.ehlo(), "AUTH offered before TLS")
    for attempt in ("AUTH PLAIN " + base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode(),
                    "AUTH LOGIN", "AUTH SCRAM-SHA-256 biwsbj1hLHI9Yg=="):
        has_code(s.want(538, attempt), "5.7.11")
    s.starttls()
    check("STARTTLS" not in s.ehlo(), "STARTTLS offered under TLS")
    has_code(s.want(503, "STARTTLS"), "5.5.1")


@test()
def nothing_survives_starttls(w):
    """Octets behind STARTTLS are discarded or the connection ends; EHLO starts anew."""
    w.start()
    for injected in (b"NOOP\r\n", b"EHLO injected\r\nMAIL FROM:<x@y.test>\r\n"):
        s = Wire()
        s.ehlo()
        s.send(b"STARTTLS\r\n" + injected)
        try:
            equal(s.reply()[0], 220)
            s.sock = __import__("ssl")._create_unverified_context().wrap_socket(s.sock)
            s.sock.settimeout(1)
            try:
                got = s.sock.recv(1000)
                check(got == b"", "an answer to injected plain text:", got)
            except TimeoutError:
                s.sock.settimeout(30)
                s.want(503, f"MAIL FROM:<{USER}>")
        except (EOFError, OSError):
            pass
    s = Wire()
    s.ehlo()
    s.starttls()
    has_code(s.want(503, "AUTH PLAIN AGEAYg=="), "5.5.1")


@test()
def wrong_password_is_unknown_user(w):
    """The same text, and times that cannot be told apart."""
    w.start({"auth": {"block": {"failures": 0}}})
    times, replies = {"known": [], "unknown": []}, set()
    for _ in range(20):
        for kind, user in (("known", USER), ("unknown", "nobody@our.test")):
            s = session()
            start = time.perf_counter()
            replies.add(without_id(s.plain(user, "wrong")))
            times[kind].append(time.perf_counter() - start)
            s.close()
    equal(len(replies), 1, f"replies {replies}")
    code, text = replies.pop()
    equal(code, 535)
    has_code(text, "5.7.8")
    known, unknown = (statistics.median(times[k]) for k in ("known", "unknown"))
    check(max(known, unknown) < 2 * min(known, unknown) + 0.002,
          f"medians {known:.4f} s and {unknown:.4f} s")
    for mechanism in ("login", "scram"):
        a, b = session(), session()
        equal(without_id(getattr(a, mechanism)(USER, "wrong")),
              without_id(getattr(b, mechanism)("nobody@our.test", "wrong")), mechanism)
    # a realm that is not ours gets nowhere, and looks the same
    equal(without_id(session().plain("alice@foreign.test", PASSWORD)), (code, text))


@test()
def ten_failed_logins_are_ten_fresh_exchanges(w):
    w.start({"auth": {"max_failures": 100, "block": {"failures": 0}}})
    s = session()
    for _ in range(10):
        equal(s.plain(USER, "wrong")[0], 535)
        equal(s.scram(USER, "wrong")[0], 535)
        has_code(s.want(501, "AUTH PLAIN !!!"), "5.5.2")
        s.want(334, "AUTH LOGIN")
        has_code(s.want(501, "*"), "5.7.0")
    equal(s.scram(USER, PASSWORD)[0], 235)
    has_code(s.want(503, "AUTH LOGIN"), "5.5.1")


@test()
def guessing_ends_the_connection(w):
    w.start({"auth": {"max_failures": 3}})
    s = session()
    equal(s.plain(USER, "a")[0], 535)
    equal(s.plain(USER, "b")[0], 535)
    code, text = s.plain(USER, "c")
    equal(code, 421, text)
    check(s.closed(), "still open")


@test()
def commands_with_faults_get_precise_replies(w):
    w.start()
    s = w.session()
    for command, code, enhanced in (
            ("MAIL FROM:alice@our.test", 501, "5."),
            ("MAIL FROM:<alice@our.test", 501, "5."),
            ("MAIL FROM:<alice@our..test>", 501, "5."),
            ("MAIL FROM:<alice@our.test> FOO=bar", 555, "5.5.4"),
            ("MAIL FROM:<alice@our.test> SIZE=abc", 501, "5.5.4"),
            ("MAIL FROM:<alice@our.test> SIZE=99999999999", 552, "5.3.4"),
            ("MAIL FROM:<alice@our.test> RET=SOME", 501, "5.5.4"),
            ("RCPT TO:<bob@else.test>", 503, "5.5.1"),
            ("DATA", 503, "5.5.1"),
            ("NONSENSE", 500, "5.5.1"),
            ("EXPN list", 502, "5.5.1"),
            ("VRFY bob", 252, "2."),
            ("NOOP whatever", 250, "2.0.0"),
            ("HELP", 214, "2.0.0"),
            ("RSET", 250, "2.0.0")):
        has_code(s.want(code, command), enhanced)
    s.want(250, f"MAIL FROM:<{USER}>")
    for command, code, enhanced in (
            ("RCPT TO:<>", 501, "5."),
            ("RCPT TO:<bob>", 501, "5.1.3"),
            ("RCPT TO:<bob@localpart>", 554, "5."),
            ("RCPT TO:<bob@[127.0.0.1]>", 550, "5.1.2"),
            ("RCPT TO:<bob@else.test> NOTIFY=NEVER,FAILURE", 501, "5.5.4"),
            ("RCPT TO:<bob@else.test> NOTIFY=SUCCESS,DELAY", 250, "2.1.5"),
            ('RCPT TO:<"a b\\"c"@else.test>', 250, "2.1.5")):
        has_code(s.want(code, command), enhanced)
    code, text = s.say("X" * 5000)
    check(code == 500, code, text)
    s.send(b"NOOP\rNOOP\r\n")
    equal(s.reply()[0] // 100, 5, "bare CR in a command")
    s.send(b"NO\0OP\r\n")
    equal(s.reply()[0] // 100, 5, "NUL in a command")
    s.want(250, "NOOP")


@test()
def http_is_closed_at_once(w):
    w.start()
    s = Wire()
    s.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.test>\r\n")
    equal(s.reply()[0], 421)
    try:
        check(s.closed(), "still open")
    except OSError:
        pass


@test()
def only_crlf_dot_crlf_ends_a_message(w):
    """SMTP smuggling: whatever stands around the dot, one message goes in and one comes out."""
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    s = w.session()
    for number, end in enumerate((b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n.\r",
                                  b"\r.\r\n", b"\r.\n")):
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        inner = (b"MAIL FROM:<ceo@our.test>\r\nRCPT TO:<victim@else.test>\r\nDATA\r\n"
                 b"From: <ceo@our.test>\r\n\r\nsmuggled\r\n")
        code, text = s.data(message(f"s{number}", b"first" + end + inner))
        equal(code, 250, f"{end!r}: {text}")
        s.want(250, "NOOP")
        eventually(lambda: len(receiver.messages) > number, "the message")
        got = receiver.messages[number]
        equal([r.split(" ")[0] for r in got.rcpt], ["TO:<bob@else.test>"])
        check(b"\n" not in got.content.replace(b"\r\n", b"") and
              b"\r" not in got.content.replace(b"\r\n", b""), "bare CR or LF went out", end)
        check(b"smuggled" in got.body, got.body)
    w.wait_empty()
    equal(len(receiver.messages), 8, "messages")
    equal(len([c for c in receiver.commands if "victim" in c]), 0, "smuggled commands")


@test()
def bare_newlines_reject(w):
    w.start({"listen": [{"address": "*", "port": 587, "bare_newlines": "reject"}]})
    s = w.session()
    for body in (b"a\nb\r\n", b"a\rb\r\n"):
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        code, text = s.data(message("x", body))
        equal(code, 554, text)
        has_code(text, "5.6.0")
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@else.test>")
    equal(s.data(message("x", b"a\0b\r\n"))[0], 554, "NUL")
    equal(w.queue(), [], "nothing is in the queue")


@test()
def limits_are_answered_and_hold(w):
    w.start({"limits": {"message_size": "64K", "recipients": 3, "header_size": "4K",
                        "received_hops": 5, "messages_per_session": 2}})
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    for i in range(3):
        s.want(250, f"RCPT TO:<r{i}@else.test>")
    has_code(s.want(452, "RCPT TO:<r4@else.test>"), "4.5.3")
    code, text = s.data(message("big", b"0123456789abcde\r\n" * 4096))
    equal(code, 552, text)
    has_code(text, "5.3.4")
    for extra, code, enhanced in ((b"X-Long: y\r\n" * 1000, 552, "5.3.4"),
                                  (b"Received: from a by b; Mon, 01 Jun 2026 10:00:00 +0000\r\n" * 6,
                                   554, "5.4.6")):
        s = w.session()
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        got = s.data(extra + message("limit"))
        equal(got[0], code, got[1])
        has_code(got[1], enhanced)
    s = w.session()
    for _ in range(2):
        w.submit("bob@else.test", wire=s)
    code, text = s.say(f"MAIL FROM:<{USER}>")
    equal(code, 421, text)


# header, words of the refusal (None: accepted)
HEADERS = (
    (b"From: <alice@our.test>\r\nTo: undisclosed-recipients:;\r\n", None),
    (b"From: J\xfcrgen <alice@our.test>\r\nCc: bob . x@else . test (c)\r\n", None),
    (b"To: bob@else.test\r\n", None),
    (b"From: <>\r\n", "From: an empty address"),
    (b"From: friends:;\r\n", "From holds no address"),
    (b"From: <alice@our.test>\r\nFrom: <alice@our.test>\r\n", "From stands there twice"),
    (b"From: <alice@our.test>\r\nTo: bob@\r\n", "To: an address without a domain at bob@"),
    (b"From: <alice@our.test>\r\nTo: a@@b\r\n", "To: a second @"),
    (b"From: <alice@our.test>\r\nReply-To: alice\r\n", "Reply-To: words that are no address"),
    (b"From: <alice@our.test>\r\nCc: bob@sales\r\n", "Cc: the domain sales is not fully qual"),
    (b" From: <alice@our.test>\r\n", "first header line begins with white space"),
    (b"From: <alice@our.test>\r\nno field\r\n", "Header line 2 has no colon"),
    (b"From: <alice@our.test>\r\nX Y: z\r\n", "Header line 2 has a bad field name"),
    (b"X: " + b"y" * 996 + b"\r\n", "ine 1 is longer than 998 octets"),
)


@test()
def headers_are_judged(w):
    w.start({"limits": {"messages_per_session": 100}})
    s = w.session()
    for header, words in HEADERS:
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        code, text = s.data(header + b"\r\nbody\r\n")
        equal(code, 554 if words else 250, text)
        if words:
            has_code(text, "5.6.0")
            check(words in text, text)
    w.wait_log("To: a second @ in one address at a@@b")


@test()
def binary_content_has_a_header_of_lines(w):
    w.start()
    s = w.session()
    for header, words in ((b"From: <alice@our.test>\r\n\r\n", None),
                          (b"From: <alice@our.test>\nX: y\r\n\r\n", "Header line 1 holds a bare"),
                          (b"From: <alice@our.test>\r\nX: \0\r\n\r\n", "Header line 2 holds a bare")):
        content = header + b"\0\n\r" + b"x" * 3000
        s.want(250, f"MAIL FROM:<{USER}> BODY=BINARYMIME")
        s.want(250, "RCPT TO:<bob@else.test>")
        s.send(b"BDAT %d LAST\r\n" % len(content) + content)
        code, text = s.reply()
        equal(code, 554 if words else 250, text)
        if words:
            has_code(text, "5.6.0")
            check(words in text, text)


@test()
def header_errors_accept_leaves_addresses_alone(w):
    """But an author that cannot be read is nobody's, unless the login may be anybody."""
    for anybody in (False, True):
        w.start({"rewrite": {"header_errors": "accept"}, "limits": {"messages_per_session": 100},
                 "permissions": [{"login": USER, "may_send_as": ["*" if anybody else "%u"]}]},
                user=not anybody)
        s = w.session()
        for header, words in HEADERS:
            s.want(250, f"MAIL FROM:<{USER}>")
            s.want(250, "RCPT TO:<bob@else.test>")
            code, text = s.data(header + b"\r\nbody\r\n")
            structural = words and "ine " in words
            no_author = words and words.startswith("From") and not anybody
            equal(code, 554 if structural or no_author else 250, f"{header} {text}")
        w.stop()


@test()
def log_lines_cannot_be_made_by_a_client(w):
    w.start()
    s = session()
    s.say("EHLO evil\x1b[2Jname")
    s.plain(USER + "\nfake log line", PASSWORD + "secretword")
    s.say("MAIL FROM:<\x07\x1b@our.test>")
    s.close()
    w.submit("bob@else.test")
    log = w.log()
    check("\x1b" not in log and "\x07" not in log, "control characters in the log")
    check("\nfake log line" not in log, "a line of its own")
    check("secretword" not in log, "a password in the log")


@test()
def timeouts_end_sessions(w):
    w.start({"limits": {"command_timeout": "1s", "data_timeout": "1s"}})
    s = Wire()
    code, text = s.reply()
    equal(code, 421, text)
    has_code(text, "4.4.2")
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@else.test>")
    s.want(354, "DATA")
    s.send(b"Subject: x\r\n\r\nno end\n.\n")
    equal(s.reply()[0], 421)
    equal(w.queue(), [], "half a message")


@test()
def connection_that_says_nothing_costs_nobody(w):
    w.start({"limits": {"connections": 20, "connections_per_client": 5}})
    held = [Wire() for _ in range(5)]
    one_more = Wire(greet=False)
    code, text = one_more.reply()
    equal(code, 421, text)
    has_code(text, "4.7.0")
    held.pop().close()
    eventually(lambda: try_greeting() == 220, "a free place after one has left")


def try_greeting():
    s = Wire(greet=False)
    try:
        return s.reply()[0]
    except (EOFError, socket.error):
        return 0
    finally:
        s.close()
