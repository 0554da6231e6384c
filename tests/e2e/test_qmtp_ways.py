"""QMTP by a proxy and over IPv6, and where a route has nothing but QMTP."""

import email
import socket
import subprocess
import threading

from harness.case import check, equal, eventually, test
from harness.qmtp import QmtpReceiver
from harness.receiver import Receiver
from harness.world import NETWORK, USER, message
from test_connections import proxy
from test_qmtp import HERE, TO, start, stored

V6, OTHER_V6 = "2001:db8:7::2", "2001:db8:7::3"
HIDDEN = "abcdefghij234567.onion"
BIG = message(subject="big", body=b"0123456789abcdef\r\n" * 60000)


def hosts(w, lines):
    """More names for this namespace: those that the proxy resolves."""
    copy = w.path("hosts")
    with open("/etc/hosts", encoding="ascii") as f:
        old = f.read()
    with open(copy, "w", encoding="ascii") as f:
        f.write(old + lines)
    subprocess.run(["mount", "--bind", copy, "/etc/hosts"], check=True)


def routes(w, rows, zone=""):
    author = Receiver(NETWORK + "20")
    w.serve_dns(f"our.test. MX 10 mx.our.test.\nmx.our.test. A {NETWORK}20\n{zone}")
    w.start({"relay": {"routes": rows}})
    return author


def names_asked_of_dns():
    """All that goes to port 53 from here on, as it grows."""
    seen = bytearray()
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))

    def listen():
        while True:
            packet = sniffer.recv(65536)
            header = (packet[0] & 15) * 4
            if packet[header + 2:header + 4] == b"\0\x35":
                seen.extend(packet)
    threading.Thread(target=listen, daemon=True).start()
    return seen


def ipv6():
    for address in ("2001:db8:7::1", V6, OTHER_V6):
        subprocess.run(["ip", "address", "add", address + "/128", "dev", "lo", "nodad"], check=True)


@test()
def qmtp_by_a_proxy(w):
    """To an address, to a name that the proxy resolves, and to a hidden service."""
    hosts(w, f"{HERE} {HIDDEN} hop.test\n")
    proxy()
    asked = names_asked_of_dns()
    socks = "socks5://127.0.0.1:9050"
    routes(w, [
        {"domain": "address.test", "to": TO, "socks": socks},
        {"domain": "name.test", "to": "qmtp://hop.test", "socks": socks},
        {"domain": "*.onion", "to": f"qmtp://{HIDDEN}", "socks": socks},
        {"domain": "closed.test", "to": "qmtp://hop.test:210", "socks": socks}])
    receiver = QmtpReceiver(HERE)
    for address in ("bob@address.test", "bob@name.test", f"bob@{HIDDEN}"):
        queue_id = w.submit(address, BIG)
        check("QMTP: K" in str(w.wait_event(queue_id, "delivered")), address)
    equal([r for r, _ in receiver.taken],
          ["bob@address.test", "bob@name.test", f"bob@{HIDDEN}"])
    check(all(stored(p.crlf) == stored(BIG) for p in receiver.seen), "content")
    check(f"remote={HIDDEN}:209 by the proxy 127.0.0.1:9050" in w.log(), w.log()[-2000:])
    queue_id = w.submit("bob@closed.test")
    check("the proxy says that the connection was refused" in
          str(w.wait_event(queue_id, "deferred")), w.log()[-2000:])
    w.submit("bob@our.test")
    eventually(lambda: b"\x03our\x04test" in asked, "other names are asked for")
    check(b"onion" not in asked, "the hidden name is not")
    equal(receiver.faults, [])


@test()
def qmtp_that_a_proxy_cannot_reach_goes_by_the_next_route(w):
    hosts(w, f"{HERE} hop.test\n")
    proxy()
    routes(w, [{"domain": "*", "to": ["qmtp://hop.test", "smtp://hop.test"],
                "socks": "socks5://127.0.0.1:9050"}])
    smtp = Receiver(HERE)
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "delivered")
    equal(len(smtp.messages), 1)


@test()
def qmtps_by_a_proxy(w):
    """TLS is with the server behind the proxy: its certificate is what is checked."""
    hosts(w, f"{HERE} hop.test\n")
    proxy()
    socks = {"socks": "socks5://127.0.0.1:9050"}
    routes(w, [{"domain": "any.test", "to": "qmtps://hop.test", "tls": "require", **socks},
               {"domain": "checked.test", "to": "qmtps://hop.test", "tls": "verify", **socks}])
    receiver, in_clear = QmtpReceiver(HERE, 6209, certificate=w.certificate), QmtpReceiver(HERE)
    queue_id = w.submit("bob@any.test", BIG)
    w.wait_event(queue_id, "delivered")
    equal([(r, p.tls) for r, p in receiver.taken], [("bob@any.test", True)])
    check(stored(receiver.seen[0].crlf) == stored(BIG), "content")
    queue_id = w.submit("bob@checked.test")
    w.wait_event(queue_id, "deferred")
    equal((len(receiver.seen), in_clear.connections), (1, 0))


@test()
def qmtp_over_ipv6(w):
    """A route to an address, and MXPS to a host that has both families."""
    ipv6()
    routes(w, [{"domain": "route.test", "to": f"qmtp://[{V6}]"}],
           f"else.test. MX 12801 mx.else.test.\nmx.else.test. AAAA {V6}\nmx.else.test. A {HERE}\n")
    six, four = QmtpReceiver(V6), QmtpReceiver(HERE)
    w.submit("bob@route.test", BIG)
    w.submit("bob@else.test")
    w.wait_empty()
    equal(sorted(r for r, _ in six.taken), ["bob@else.test", "bob@route.test"])
    equal((four.connections, six.faults), (0, []))
    check(f"remote=mx.else.test [{V6}]:209" in w.log(), w.log()[-2000:])


@test()
def mxps_falls_back_to_smtp_over_ipv6(w):
    """Each address is asked for QMTP, then for SMTP, before the next one is."""
    ipv6()
    routes(w, [], f"else.test. MX 12801 mx.else.test.\nmx.else.test. AAAA {V6}\n"
                  f"mx.else.test. A {HERE}\n")
    smtp, four = Receiver(V6), QmtpReceiver(HERE)
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "delivered")
    equal((len(smtp.messages), four.connections), (1, 0))
    equal(w.log().count(f"[{V6}]:209"), 1, "QMTP was tried there")


# ---- a route that has nothing but QMTP ----

@test()
def qmtp_alone_has_what_can_be_carried(w):
    """As any next hop that lacks extensions: content in another form, parameters dropped."""
    author = start(w)
    receiver = QmtpReceiver(HERE)
    octets = bytes(range(256)) * 40 + b"\0\n\r\r\n"
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}> BODY=BINARYMIME")
    s.want(250, "RCPT TO:<binary@else.test>")
    extra = b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n"
    equal(s.chunks(message("binary", octets, extra=extra), 1000)[0], 250)
    eight = message("eight", "Grüße\r\n".encode(), extra=(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n").encode())
    w.submit("eight@else.test", eight, mail=" BODY=8BITMIME")
    w.submit("utf8@else.test", message("x", extra="Comments: Grüße aus Köln\r\n".encode()),
             mail=" SMTPUTF8")
    w.submit("by@else.test", mail=" BY=1000;N")
    w.submit("mtrk@else.test", mail=" MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo ENVID=x@our.test")
    w.submit("solicit@else.test", mail=" SOLICIT=net.example:ADV")
    w.submit("rrvs@else.test", rcpt=" RRVS=2026-01-01T00:00:00Z;C")
    w.submit("dsn@else.test", mail=" RET=HDRS ENVID=x", rcpt=" NOTIFY=SUCCESS")
    w.wait_empty()
    taken = {r.split("@")[0]: p for r, p in receiver.taken}
    equal(sorted(taken), ["binary", "by", "dsn", "eight", "mtrk", "rrvs", "solicit", "utf8"])
    parsed = email.message_from_bytes(taken["binary"].crlf)
    equal((parsed["Content-Transfer-Encoding"], parsed.get_payload(decode=True)),
          ("base64", octets))
    check(stored(taken["eight"].crlf) == stored(eight), "QMTP is 8-bit clean")
    check(taken["utf8"].content.split(b"\n\n")[0].isascii(), "the header is in ASCII")
    eventually(lambda: len(author.messages) == 2, "reports about BY and NOTIFY=SUCCESS")
    for report in author.messages:
        check(b"Action: relayed" in report.content, report.content)
    equal(receiver.faults, [])


@test()
def qmtp_alone_refuses_what_must_have_an_extension(w):
    author = start(w, relay={"qmtp_recipients": 10})
    receiver = QmtpReceiver(HERE)
    name = "böb@else.test".encode().decode("latin-1")
    cases = [("5.6.7", dict(recipients=[name, "kim@else.test"], mail=" SMTPUTF8")),
             ("5.3.3", dict(recipients="by@else.test", mail=" BY=1000;R")),
             ("5.7.19", dict(recipients=["rrvs@else.test"], rcpt=" RRVS=2026-01-01T00:00:00Z")),
             ("5.7.30", dict(recipients="tls@else.test", mail=" REQUIRETLS"))]
    for i, (status, how) in enumerate(cases):
        queue_id = w.submit(**how)
        check(status in str(w.wait_event(queue_id, "failed")), status, w.log()[-2000:])
        eventually(lambda: len(author.messages) == i + 1, f"the report about {status}")
        check(f"Status: {status}".encode() in author.messages[i].content, status)
    w.wait_empty()
    equal([r for r, _ in receiver.taken], ["kim@else.test"])
    equal(receiver.faults, [])


@test()
def what_loses_by_qmtp_goes_by_smtp_where_that_is_to_be_had(w):
    """The operator's order yields to what the message needs."""
    smtp = Receiver(HERE, extensions=["PIPELINING", "8BITMIME", "SMTPUTF8", "DELIVERBY",
                                      "CHUNKING", "BINARYMIME"])
    start(w, [TO, f"smtp://{HERE}"])
    receiver = QmtpReceiver(HERE)
    w.submit("plain@else.test")
    w.wait_empty()
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}> BODY=BINARYMIME")
    s.want(250, "RCPT TO:<binary@else.test>")
    equal(s.chunks(message("binary", bytes(range(256)) * 4), 1000)[0], 250)
    w.submit("by@else.test", mail=" BY=1000;N")
    w.submit("utf8@else.test", message("x", extra="Comments: Grüße\r\n".encode()),
             mail=" SMTPUTF8")
    w.wait_empty()
    equal(len(smtp.messages), 3)
    equal([r for r, _ in receiver.taken], ["plain@else.test"])
    check(any("BODY=BINARYMIME" in m.mail for m in smtp.messages), "as it was")
