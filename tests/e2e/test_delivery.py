"""Where mail goes, what receivers may do, and what the author hears of it."""

import email
import re

from harness.case import check, equal, eventually, test
from harness.receiver import EXTENSIONS, Receiver
from harness.world import NETWORK, USER, message

ZONE = f"""our.test. MX 10 mx.our.test.
mx.our.test. A {NETWORK}20
else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
FAST = {"queue": {"retry": ["1s"], "lifetime": "3s"}}


def start(w, over=None, zone=""):
    """msad, Knot, and the author's own mailbox, which takes the reports."""
    author = Receiver(NETWORK + "20")
    w.serve_dns(ZONE + zone)
    w.start(over)
    return author


def report(author, count=1):
    """The last of count reports: (message received, its parts)."""
    got = eventually(lambda: len(author.messages) >= count and author.messages[count - 1],
                     f"report {count} arrives", 60)
    parsed = email.message_from_bytes(got.content)
    equal(parsed.get_content_type(), "multipart/report", "type of the report")
    equal(parsed.get_param("report-type"), "delivery-status")
    equal(got.mail.split(" ")[0], "FROM:<>", "reverse-path of the report")
    parts = parsed.get_payload()
    equal([p.get_content_type() for p in parts[:2]], ["text/plain", "message/delivery-status"])
    return got, parts


def fields(parts):
    """Fields of the message and of the first recipient of a report."""
    blocks = parts[1].get_payload()
    return blocks[0], blocks[1]


@test()
def dead_receiver_is_retried(w):
    start(w)
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "deferred")
    equal([(q["id"], q["to"]) for q in w.queue()], [(queue_id, "bob@else.test")])
    receiver = Receiver(NETWORK + "10")
    eventually(lambda: receiver.messages, "the message arrives once the receiver lives")
    w.wait_empty()
    equal(len(receiver.messages), 1)
    w.wait_event(queue_id, "delivered")


@test()
def dead_receiver_ends_in_a_report(w):
    author = start(w, FAST)
    queue_id = w.submit("bob@else.test", mail=" RET=HDRS ENVID=ab+2Bc",
                        rcpt=" ORCPT=rfc822;Bob+2Bx@else.test")
    got, parts = report(author)
    message_fields, recipient = fields(parts)
    equal(message_fields["Original-Envelope-Id"], "ab+c")
    check("mail.our.test" in message_fields["Reporting-MTA"], message_fields)
    equal(recipient["Action"], "failed")
    equal(recipient["Final-Recipient"].replace(" ", ""), "rfc822;bob@else.test")
    equal(recipient["Original-Recipient"].replace(" ", ""), "rfc822;Bob+x@else.test")
    check(re.match(r"[45]\.4\.[17]", recipient["Status"]), recipient["Status"])
    equal(parts[2].get_content_type(), "text/rfc822-headers")
    check("Hello" not in got.content.decode().split("rfc822-headers")[1], "RET=HDRS")
    equal(got.header("auto-submitted")[0].split(" ")[0], "auto-replied")
    w.wait_empty()
    w.wait_event(queue_id, "failed")


@test()
def refused_recipient_is_reported_and_the_other_gets_it(w):
    author = start(w)
    receiver = Receiver(NETWORK + "10", script=lambda verb, args, s: "550 5.1.1 no such user here"
                        if verb == "RCPT" and "bad" in args else None)
    w.submit(["bad@else.test", "good@else.test"], mail=" RET=FULL")
    eventually(lambda: receiver.messages, "the good one")
    _, parts = report(author)
    _, recipient = fields(parts)
    equal(recipient["Status"], "5.1.1")
    check("no such user here" in recipient["Diagnostic-Code"], recipient["Diagnostic-Code"])
    check("mx.else.test" in recipient["Remote-MTA"], recipient["Remote-MTA"])
    check("good@" not in parts[1].as_string(), "the good recipient is not reported")
    equal(parts[2].get_content_type(), "message/rfc822", "RET=FULL")
    check("Hello." in parts[2].as_string(), "content")
    w.wait_empty()
    equal(len(receiver.messages), 1)


@test()
def notify_decides(w):
    author = start(w, zone=f"plain.test. MX 10 plain.else.test.\nplain.else.test. A {NETWORK}11\n")
    Receiver(NETWORK + "10", script=lambda verb, args, s: "550 5.1.1 no"
             if verb == "RCPT" and "bad" in args else None)
    Receiver(NETWORK + "11", extensions=["PIPELINING"])
    w.submit("bad@else.test", rcpt=" NOTIFY=NEVER")
    w.submit("bad@else.test", rcpt=" NOTIFY=SUCCESS,DELAY")
    w.submit("good@plain.test", rcpt=" NOTIFY=FAILURE")
    w.wait_empty()
    equal(author.messages, [], "reports that nobody asked for")
    # the next hop has no DSN: we report "relayed"
    w.submit("good@plain.test", rcpt=" NOTIFY=SUCCESS")
    _, parts = report(author)
    equal(fields(parts)[1]["Action"], "relayed")


@test()
def null_reverse_path_is_never_answered(w):
    author = start(w)
    Receiver(NETWORK + "10", script=lambda verb, args, s: "550 5.1.1 no" if verb == "RCPT" else None)
    queue_id = w.submit("bob@else.test", sender="")
    w.wait_event(queue_id, "failed")
    w.wait_empty()
    equal(author.messages, [])


@test()
def dsn_parameters_are_passed_on(w):
    start(w)
    receiver = Receiver(NETWORK + "10")
    w.submit("bob@else.test", mail=" RET=HDRS ENVID=x1 BODY=8BITMIME",
             rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@else.test")
    got = eventually(lambda: receiver.messages, "arrives")[0]
    for wanted in ("RET=HDRS", "ENVID=x1", "SIZE="):
        check(wanted in got.mail, wanted, got.mail)
    for wanted in ("NOTIFY=", "ORCPT=rfc822;bob@else.test"):
        check(wanted in got.rcpt[0], wanted, got.rcpt[0])


@test()
def a_plain_receiver_gets_nothing_it_does_not_know(w):
    start(w)
    receiver = Receiver(NETWORK + "10", extensions=[])
    w.submit(["bob@else.test", "carol@else.test"], mail=" RET=HDRS ENVID=x1",
             rcpt=" NOTIFY=FAILURE")
    got = eventually(lambda: receiver.messages, "arrives")[0]
    equal(got.mail, f"FROM:<{USER}>")
    equal(got.rcpt, ["TO:<bob@else.test>", "TO:<carol@else.test>"])


@test()
def receiver_without_8bitmime(w):
    """8-bit content to a receiver that does not take it is re-encoded."""
    start(w)
    receiver = Receiver(NETWORK + "10", extensions=["PIPELINING", "DSN"])
    w.submit("bob@else.test", message("8bit", b"\xc3\xa4\r\n"), mail=" BODY=8BITMIME")
    got = eventually(lambda: receiver.messages, "delivered")[0]
    check(got.content.isascii() and got.body in (b"=C3=A4\r\n", b"w6QNCg==\r\n"), got.content)
    w.wait_empty()


@test()
def receiver_with_helo_only(w):
    start(w)
    receiver = Receiver(NETWORK + "10", script=lambda verb, args, s: "502 5.5.1 what?"
                        if verb == "EHLO" else None)
    w.submit("bob@else.test")
    eventually(lambda: receiver.messages, "by HELO")
    check(any(c.startswith("HELO mail.our.test") for c in receiver.commands), receiver.commands)


@test()
def temporary_refusals_are_tried_again(w):
    """At each step of the dialogue; 421 and a cut connection too."""
    start(w)
    failures = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"]
    done = []

    def script(verb, args, session):
        if failures and verb == failures[0]:
            done.append(failures.pop(0))
            return False if len(done) % 2 else "451 4.3.0 later"
        return None
    receiver = Receiver(NETWORK + "10", script=script)
    queue_id = w.submit("bob@else.test")
    w.retried_until(lambda: receiver.messages, "arrives in the end")
    w.wait_empty()
    equal(len(receiver.messages), 1, "once")
    equal(done, ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"])
    w.wait_event(queue_id, "delivered")
    check([e["event"] for e in w.trace(queue_id)].count("deferred") >= 4, w.trace(queue_id))


@test()
def strange_replies_have_an_end(w):
    """Endless, codeless, NUL-ridden and huge replies: the next message is not delayed by them."""
    start(w, {"queue": {"retry": ["1s"], "lifetime": "1h"}})
    strange = ["250-" + "x" * 100000, "hello there", "250\0 ok", "25", "999 what", "250-a\r\n550 b"]
    again = []

    def script(verb, args, session):
        if verb == "MAIL" and strange:
            again.append(verb)
            return strange.pop(0)
        return None
    receiver = Receiver(NETWORK + "10", script=script)
    w.submit("bob@else.test")
    w.retried_until(lambda: receiver.messages, "arrives after all")
    equal(strange, [], "replies left")
    w.wait_empty()


@test()
def mx_order_and_failover(w):
    start(w, zone=f"""many.test. MX 20 second.many.test.
many.test. MX 10 first.many.test.
many.test. MX 30 third.many.test.
first.many.test. A {NETWORK}31
second.many.test. A {NETWORK}32
third.many.test. A {NETWORK}33
""")
    refused = Receiver(NETWORK + "31", script=lambda verb, args, s: "421 4.3.2 busy"
                       if verb == "CONNECT" else None)
    second, third = Receiver(NETWORK + "32"), Receiver(NETWORK + "33")
    w.submit("bob@many.test")
    eventually(lambda: second.messages, "at the second host")
    check(refused.connections >= 1, "the first was tried")
    equal(third.connections, 0, "connections to the third")


@test()
def domains_without_mail_fail_at_once(w):
    author = start(w, zone="null.test. MX 0 .\nnoaddress.test. MX 10 nowhere.test.\n"
                           "loop.test. MX 10 l.loop.test.\nl.loop.test. A 127.0.0.1\n")
    for number, (domain, status) in enumerate((("null.test", "5.1.10"),
                                               ("does-not-exist.test", "5.1.2"),
                                               ("noaddress.test", "5.4.4"),
                                               ("loop.test", "5.4.4"))):
        w.submit(f"bob@{domain}")
        _, parts = report(author, number + 1)
        equal(fields(parts)[1]["Status"], status, domain)
    check("relay.allow_loopback" in parts[1].as_string(), "the rule is named")
    w.wait_empty()


@test()
def implicit_mx_cname_and_literal(w):
    start(w, zone=f"host.test. A {NETWORK}40\nalias.test. CNAME real.test.\n"
                  f"real.test. MX 5 mx.real.test.\nmx.real.test. A {NETWORK}41\n"
                  f"short.test. MX 5 target.test.\ntarget.test. CNAME host.test.\n")
    host, real, literal = (Receiver(NETWORK + n) for n in ("40", "41", "42"))
    w.submit("bob@host.test")
    eventually(lambda: host.messages, "implicit MX")
    w.submit("bob@alias.test")
    eventually(lambda: real.messages, "domain that is an alias")
    w.submit(f"bob@[{NETWORK}42]")
    eventually(lambda: literal.messages, "address literal")
    w.submit("bob@short.test")
    eventually(lambda: len(host.messages) == 2, "MX that names an alias")


@test()
def mx_that_is_ourselves(w):
    """Address and port are what makes a host ourselves: the list is cut there (RFC 5321 5.1)."""
    author = start(w, {"listen": [{"address": "*", "port": 587, "tls": "starttls"},
                                  {"address": NETWORK + "50", "port": 25, "tls": "starttls"}]},
                   zone=f"self.test. MX 10 me.self.test.\nself.test. MX 20 later.self.test.\n"
                        f"me.self.test. A {NETWORK}50\nlater.self.test. A {NETWORK}51\n")
    later = Receiver(NETWORK + "51")
    w.submit("bob@self.test")
    _, parts = report(author)
    check(re.match(r"5\.4\.[46]", fields(parts)[1]["Status"]), parts[1].as_string())
    equal(later.connections, 0, "the host behind ourselves")


@test()
def dns_failure_is_temporary(w):
    start(w)
    receiver = Receiver(NETWORK + "10")
    w.dns.stop()
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "deferred")
    w.dns.start()
    w.retried_until(lambda: receiver.messages, "arrives when DNS is back")


@test()
def opportunistic_tls(w):
    start(w, zone=f"tls.test. MX 5 mx.tls.test.\nmx.tls.test. A {NETWORK}60\n")
    receiver = Receiver(NETWORK + "60", certificate=w.certificate)
    w.submit("bob@tls.test")
    got = eventually(lambda: receiver.messages, "arrives")[0]
    check(got.tls, "under TLS, whatever the certificate")


@test()
def broken_tls_falls_back_to_clear_text(w):
    start(w, zone=f"refuse.test. MX 5 mx.refuse.test.\nmx.refuse.test. A {NETWORK}61\n"
                  f"garbage.test. MX 5 mx.garbage.test.\nmx.garbage.test. A {NETWORK}62\n")
    refuses = Receiver(NETWORK + "61", extensions=EXTENSIONS + ["STARTTLS"],
                       script=lambda verb, args, s: "454 4.7.0 no" if verb == "STARTTLS" else None)
    # agrees, and then does not speak TLS
    garbage = Receiver(NETWORK + "62", extensions=EXTENSIONS + ["STARTTLS"])
    w.submit("bob@refuse.test")
    eventually(lambda: refuses.messages, "refused STARTTLS", 60)
    w.submit("bob@garbage.test")
    eventually(lambda: garbage.messages, "broken handshake", 60)
    check(not garbage.messages[0].tls, "clear text")


@test()
def smarthost_with_starttls_and_login(w):
    import base64
    import subprocess
    secret = "smarthost pass word"
    with open(w.path("password"), "w", encoding="ascii") as f:
        f.write(secret + "\n")
    start(w, {"relay": {"routes": [{"domain": "*", "to": f"smtp://{NETWORK}70:5587", "tls": "require",
                                    "user": "gateway", "password_file": w.path("password")}]}})
    receiver = Receiver(NETWORK + "70", 5587, certificate=w.certificate,
                        extensions=EXTENSIONS + ["AUTH PLAIN"])
    w.submit("bob@anywhere.test")
    got = eventually(lambda: receiver.messages, "arrives at the smarthost")[0]
    check(got.tls, "under TLS")
    token = base64.b64encode(f"\0gateway\0{secret}".encode()).decode()
    equal(got.login.split(" ")[0], "PLAIN")
    if token not in receiver.commands and token not in got.login:
        raise AssertionError(f"login was {got.login}: {receiver.commands}")
    # nobody's command line, log or shown configuration has it
    check(secret not in w.log() and secret not in w.ctl("config", "show"), "the password is shown")
    done = subprocess.run(["grep", "-r", "-l", secret, w.state], capture_output=True, check=False)
    equal(done.stdout, b"", "the password is in the state folder")


@test()
def capture_into_a_maildir(w):
    import os
    start(w, {"relay": {"capture": w.path("captured")}})
    queue_id = w.submit(["bob@nowhere.invalid", "x@y.test"],
                        message("captured", b"one\r\n..two\r\n"))
    folder = w.path("captured", "new")
    eventually(lambda: os.path.isdir(folder) and len(os.listdir(folder)) == 2, "two files")
    texts = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            texts.append(f.read())
    check(all(t.startswith(f"Return-Path: <{USER}>\n".encode()) for t in texts), texts)
    check(all(t.endswith(b"\n\none\n.two\n") and queue_id.encode() in t for t in texts), texts)
    check(any(b"Delivered-To: bob@nowhere.invalid\n" in t for t in texts), texts)
    w.wait_event(queue_id, "delivered")


@test()
def one_transaction_a_domain_and_a_kept_connection(w):
    start(w, {"relay": {"per_site": 1}})
    receiver = Receiver(NETWORK + "10")
    w.submit([f"r{i}@else.test" for i in range(50)])
    eventually(lambda: receiver.messages, "arrives")
    equal(len(receiver.messages[0].rcpt), 50, "recipients in one transaction")
    s = w.session()
    for _ in range(10):
        w.submit("bob@else.test", wire=s)
    eventually(lambda: len(receiver.messages) == 11, "ten more")
    check(receiver.connections < 11, f"{receiver.connections} connections for 11 messages")


@test()
def delay_warning_once(w):
    author = start(w, {"queue": {"retry": ["1s"], "lifetime": "8s", "delay_warning": "2s"}})
    w.submit("bob@else.test")
    equal(fields(report(author, 1)[1])[1]["Action"], "delayed")
    equal(fields(report(author, 2)[1])[1]["Action"], "failed")
    w.wait_empty()
    equal(len(author.messages), 2)


@test()
def ipv6_and_the_way_back_to_ipv4(w):
    import subprocess
    for address in ("2001:db8::10/128", "2001:db8::1/128"):
        subprocess.run(["ip", "address", "add", address, "dev", "lo", "nodad"], check=True)
    start(w, zone=f"""six.test. MX 10 mx.six.test.
mx.six.test. AAAA 2001:db8::10
both.test. MX 10 mx.both.test.
mx.both.test. AAAA 2001:db8::99
mx.both.test. A {NETWORK}80
""")
    six, four = Receiver("2001:db8::10"), Receiver(NETWORK + "80")
    w.submit("bob@six.test")
    eventually(lambda: six.messages, "over IPv6")
    w.submit("bob@[IPv6:2001:db8::10]")
    eventually(lambda: len(six.messages) == 2, "IPv6 address literal")
    w.submit("bob@both.test")
    eventually(lambda: four.messages, "a dead IPv6 address does not hold the IPv4 one", 20)
