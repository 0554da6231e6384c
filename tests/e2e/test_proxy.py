"""haproxy in front: the client that it names is the one that counts."""

import socket
import ssl

from harness.case import check, equal, eventually, test
from harness.client import Wire, tls_context
from harness.haproxy import Haproxy
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
PROXY, FRONT = "127.0.0.9", NETWORK + "1"
LISTEN = [{"address": "*", "port": 587, "tls": "starttls", "proxy_from": [PROXY]},
          {"address": "*", "port": 465, "tls": "implicit", "proxy_from": [PROXY + "/32"]}]


class From(Wire):
    """A connection from an address of our choice."""

    def __init__(self, port, source, tls=False, greet=True):
        self.sock = socket.create_connection((FRONT, port), timeout=30,
                                             source_address=(source, 0))
        if tls:
            self.sock = tls_context().wrap_socket(self.sock)
        self.rest = b""
        self.greeting = self.reply() if greet else None


def submit(w, s, subject):
    s.ehlo()
    equal(s.plain(USER, PASSWORD)[0], 235)
    return w.submit("bob@else.test", message(subject), wire=s)


def through(w, options):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start({"listen": LISTEN, "limits": {"connections_per_client": 2}})
    haproxy = Haproxy(w.dir, [(FRONT, 10587, 587, options), (FRONT, 10465, 465, options)])
    s = From(10587, NETWORK + "21")
    s.ehlo()
    s.starttls()
    queue_id = submit(w, s, "starttls")
    t = From(10465, NETWORK + "22", tls=True)
    submit(w, t, "implicit")
    eventually(lambda: len(receiver.messages) == 2, "both arrive")
    for number in (21, 22):
        eventually(lambda: any(f"client={NETWORK}{number}" in line and " accepted " in line
                               for line in w.log().splitlines()), f"accepted from .{number}")
    check(any(line.get("client") == NETWORK + "21" for line in w.trace(queue_id)),
          "the trace names the client")
    check("client=" + PROXY not in w.log(), "the proxy is no client")
    # each client has its own two connections, though all come from the proxy
    more = [From(10587, NETWORK + "21"), From(10587, NETWORK + "22"), From(10587, NETWORK + "23")]
    equal([m.greeting[0] for m in more], [220, 220, 220])
    one_too_many = From(10587, NETWORK + "21", greet=False)
    equal(one_too_many.reply()[0], 421)
    # who comes by himself is taken as he is; who claims to be a proxy is not believed
    direct = Wire()
    direct.say("PROXY TCP4 203.0.113.1 203.0.113.2 1 2")
    direct.ehlo()
    direct.starttls()
    submit(w, direct, "direct")
    check("client=127.0.0.1" in w.log() and "203.0.113.1" not in w.log(), "believed:\n", w.log())
    haproxy.close()


@test()
def haproxy_tells_by_version_1(w):
    through(w, "send-proxy")


@test()
def haproxy_tells_by_version_2(w):
    through(w, "send-proxy-v2 proxy-v2-options unique-id,crc32c")


@test()
def haproxy_checks_health(w):
    """Its own checks with a header of their own do not look like faults."""
    w.start({"listen": LISTEN, "log": {"level": "debug"}})
    haproxy = Haproxy(w.dir, [(FRONT, 10587, 587, "send-proxy-v2 check inter 200ms"),
                              (FRONT, 10588, 587, "send-proxy check inter 200ms")])
    eventually(lambda: w.log().count(" disconnected ") > 6, "checks come and go")
    check("proxy-failed" not in w.log(), "a check was refused:\n", w.log()[-3000:])
    haproxy.close()


@test()
def a_proxy_that_says_nothing_is_closed(w):
    w.start({"listen": LISTEN})
    haproxy = Haproxy(w.dir, [(FRONT, 10587, 587, ""), (FRONT, 10465, 465, "")])
    s = From(10587, NETWORK + "21", greet=False)
    s.send(b"EHLO client.test\r\n")
    check(s.closed(), "still open without a header")
    w.wait_log("proxy-failed")
    try:
        From(10465, NETWORK + "21", tls=True, greet=False)
        check(False, "TLS without a header")
    except (ssl.SSLError, OSError):
        pass
    silent = From(10587, NETWORK + "21", greet=False)
    check(silent.closed(), "still open after the time for the header")
    haproxy.close()
