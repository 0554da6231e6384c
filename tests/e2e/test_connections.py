"""How next hops are connected to: mail stores by LMTP, our own addresses, both families, proxies."""

import re
import subprocess

from harness.case import check, equal, eventually, test
from harness.dovecot import DovecotLmtp
from harness.receiver import Receiver
from harness.world import NETWORK, USER, message

HERE = NETWORK + "10"


def start(w, to, relay=None, route=None):
    """msad with a static route for all mail but the author's own."""
    author = Receiver(NETWORK + "20")
    w.start({"relay": {**(relay or {}), "routes": [
        {"domain": "our.test", "to": f"smtp://{NETWORK}20"},
        {"domain": "*", "to": to, **(route or {})}]}})
    return author


@test()
def lmtp_into_dovecot(w):
    author = start(w, f"lmtp://{HERE}")
    store = DovecotLmtp(w.dir, HERE, ["bob@else.test", "carol@else.test"])
    queue_id = w.submit(["bob@else.test", "nobody@else.test", "carol@else.test"])
    w.wait_empty()
    for user in ("bob@else.test", "carol@else.test"):
        equal(len(store.mails(user)), 1, store.log())
        check(b"Hello" in store.mails(user)[0], store.mails(user))
    events = w.wait_event(queue_id, "delivered")
    equal(len(events), 2, events)
    check("Saved" in str(events[0]), "the mail store's own words", events)
    eventually(lambda: author.messages, "the report about nobody@")
    check(b"nobody@else.test" in author.messages[0].content, author.messages[0].content)
    equal(len(author.messages), 1)
    w.submit("bob@else.test", message(body=b"again\r\n"))
    w.wait_empty()
    equal(len(store.mails("bob@else.test")), 2)


@test()
def lmtp_has_a_reply_for_each_recipient(w):
    def script(verb, args, session):
        if verb == "LHLO":
            return "250-store\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"
        if verb == "EHLO":
            return "500 5.5.1 LHLO is spoken here"
        if verb == "END":
            return b"250 2.1.5 bob has it\r\n552 5.2.2 carol is full\r\n452 4.2.2 dave is full\r\n"
        return None

    author = start(w, f"lmtp://{HERE}:2424", {})
    Receiver(HERE, 2424, script=script)
    queue_id = w.submit(["bob@else.test", "carol@else.test", "dave@else.test"])
    equal(len(w.wait_event(queue_id, "delivered")), 1)
    eventually(lambda: author.messages, "the report about carol@")
    content = author.messages[0].content
    check(b"carol is full" in content and b"bob@" not in content, content)
    equal([q["to"] for q in w.queue()], ["dave@else.test"])


def proxy(*options, port=9050):
    """microsocks on loopback."""
    subprocess.Popen(["microsocks", "-i", "127.0.0.1", "-p", str(port), *options])


@test()
def a_route_by_a_proxy(w):
    author = Receiver(NETWORK + "20")
    with open("/etc/hosts", "r+", encoding="ascii") as f:  # of this namespace: the proxy's names
        hosts = f.read()
    copy = w.path("hosts")
    with open(copy, "w", encoding="ascii") as f:
        f.write(hosts + f"{HERE} abc.onion hop.test\n")
    subprocess.run(["mount", "--bind", copy, "/etc/hosts"], check=True)
    receiver = Receiver(HERE)
    proxy()
    proxy("-u", "user", "-P", "secret", port=9051)
    w.serve_dns(f"our.test. MX 10 mx.our.test.\nmx.our.test. A {NETWORK}20\n")
    w.start({"relay": {"routes": [
        {"domain": "*.onion", "socks": "socks5://127.0.0.1:9050"},
        {"domain": "hop.test", "to": "smtp://hop.test",
         "socks": "socks5://user:secret@127.0.0.1:9051"},
        {"domain": "wrong.test", "to": "smtp://hop.test",
         "socks": "socks5://user:wrong@127.0.0.1:9051"},
        {"domain": "dead.test", "to": "smtp://hop.test:26", "socks": "socks5://127.0.0.1:9050"}]}})
    for address in ("bob@abc.onion", "bob@hop.test"):
        queue_id = w.submit(address)
        w.wait_event(queue_id, "delivered")
    equal(len(receiver.messages), 2)
    check("remote=abc.onion:25 by the proxy 127.0.0.1:9050" in w.log(), w.log())
    for address, words in (("bob@wrong.test", "the proxy refused the login"),
                           ("bob@dead.test", "the proxy says that the connection was refused")):
        queue_id = w.submit(address)
        check(words in str(w.wait_event(queue_id, "deferred")), w.log()[-2000:])
    queue_id = w.submit("bob@abc.i2p")
    check("no route to one is set" in str(w.wait_event(queue_id, "failed")), w.log()[-2000:])
    eventually(lambda: author.messages, "the report about .i2p")
    check(b"5.4.4" in author.messages[0].content, author.messages[0].content)
    check("user:secret" not in w.ctl("config", "show"), "the password is masked")


@test()
def a_broken_ipv6_costs_once(w):
    """Packets to the receiver's IPv6 address vanish; after the first time IPv4 is tried first."""
    for command in (["link", "add", "veth0", "type", "veth", "peer", "name", "veth1"],
                    ["link", "set", "veth0", "up"], ["link", "set", "veth1", "up"],
                    ["-6", "address", "add", "2001:db8:1::1/64", "dev", "veth0", "nodad"]):
        subprocess.run(["ip", *command], check=True)
    receiver = Receiver(HERE)
    w.serve_dns(f"else.test. MX 10 mx.else.test.\nmx.else.test. AAAA 2001:db8:1::2\n"
                f"mx.else.test. A {HERE}\n")
    w.start({"workers": 1, "relay": {"sites": [{"site": "*", "per_connection": 1}]}})
    took = []
    for _ in range(3):
        w.submit("bob@else.test")
        w.wait_empty()
        lines = re.findall(rf"delivered .* remote=mx.else.test \[{HERE}\]:25 .* total=(\d+)ms",
                           w.log())
        took.append(int(lines[-1]))
    equal((len(lines), receiver.connections), (3, 3))
    check(250 <= took[0] < 2500, took)
    check(took[1] < 250 and took[2] < 250, took)


@test()
def connections_leave_from_our_addresses(w):
    seen = []

    def script(verb, args, session):
        if verb == "EHLO":
            seen.append((session.sock.getpeername()[0], args))
        return None

    ours = NETWORK + "77"
    subprocess.run(["ip", "address", "add", ours + "/24", "dev", "lo"], check=True)
    Receiver(HERE, script=script)
    start(w, f"smtp://{HERE}", {"bind": [{"address": ours, "name": "out77.our.test"},
                                         {"address": "203.0.113.9", "weight": 1000}]})
    w.submit("bob@else.test")
    w.wait_empty()
    equal(seen, [(ours, "out77.our.test")])
    check("203.0.113.9 is not an address of this machine" in w.log(), w.log())
    check("relay.bind[1].address: warning: 203.0.113.9" in w.ctl("check"), w.ctl("check"))
