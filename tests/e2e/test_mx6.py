"""MX6: hosts found by _mx6._tcp, reached over IPv6, that ask for IPv4 (SRV beside MX)."""

import subprocess

from harness.case import check, equal, eventually, test
from harness.receiver import Receiver, at
from harness.world import NETWORK, message

V6, OTHER_V6 = "2001:db8:6::2", "2001:db8:6::3"
V4, MX = NETWORK + "30", NETWORK + "31"
PLEASE = ("550-5.5.604 please retry over IPv4\r\n"
          "550-5.5.604 Authentication-Results: mx6.with6.test; spf=none\r\n"
          "550 5.5.604 https://with6.test/ipv6-registration")
STAGES = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"]


def domain(name, target_v4=V4, mx="A " + MX):
    """with6.test as in the proposal: AAAA only below the SRV target, MX for everybody else."""
    lines = [f"_mx6._tcp.{name} 60 SRV 0 0 25 mx6.{name}", f"mx6.{name} 60 AAAA {V6}",
             f"{name} 60 MX 10 mx.{name}", f"mx.{name} 60 {mx}"]
    if target_v4:
        lines.append(f"mx6.{name} 60 A {target_v4}")
    return "".join(line.replace(" ", ". ", 1).replace(f"25 mx6.{name}", f"25 mx6.{name}.")
                   .replace(f"10 mx.{name}", f"10 mx.{name}.") + "\n" for line in lines)


def start(w, zone, relay=None):
    """msad that has IPv6, and the author's own receiver, where reports go."""
    for address in ("2001:db8:6::1", V6, OTHER_V6):
        subprocess.run(["ip", "address", "add", address + "/128", "dev", "lo", "nodad"], check=True)
    author = Receiver(NETWORK + "20")
    w.serve_dns(zone)
    w.start({"relay": {**(relay or {}),
                       "routes": [{"domain": "our.test", "to": f"smtp://{NETWORK}20"}]}})
    return author


def recipients(receiver):
    return sorted(r for m in receiver.messages for r in m.rcpt)


@test()
def mx6_without_a_wish(w):
    start(w, domain("with6.test"))
    v6, v4, mx = Receiver(V6), Receiver(V4), Receiver(MX)
    w.submit("bob@with6.test")
    w.wait_empty()
    equal((len(v6.messages), v4.connections, mx.connections), (1, 0, 0))


@test()
def mx6_asks_for_ipv4_at_each_stage(w):
    names = {stage: f"{stage.lower()}.test" for stage in STAGES}
    author = start(w, "".join(domain(name) for name in names.values()))
    v6, v4, mx = Receiver(V6), Receiver(V4), Receiver(MX)
    for n, (stage, name) in enumerate(names.items()):
        v6.script = at(stage, PLEASE)
        queue_id = w.submit(f"bob@{name}", message(subject=stage))
        w.wait_empty()
        equal((v6.connections, len(v4.messages)), (n + 1, n + 1), stage)
        event = w.wait_event(queue_id, "delivered")[0]
        check(V4 in str(event), event)
    equal((len(v6.messages), mx.connections, author.messages), (0, 0, []))
    same = [m.content.split(b"\r\n\r\n", 1)[1] for m in v6.seen]
    equal(same, [v4.messages[-1].body], "the same octets again")
    equal(w.log().count("mx6-fallback"), len(STAGES))


@test()
def mx6_judges_each_message_by_itself(w):
    """The connection over IPv4 is not kept: the next message of the domain begins over IPv6."""
    start(w, domain("with6.test"))
    v6, v4 = Receiver(V6, script=at("RCPT", PLEASE, "bob")), Receiver(V4)
    w.submit("bob@with6.test")
    w.wait_empty()
    w.submit("ann@with6.test")
    w.wait_empty()
    equal(recipients(v6), ["TO:<ann@with6.test>"])
    equal(recipients(v4), ["TO:<bob@with6.test>"])


@test()
def mx6_goes_on_over_ipv6_with_the_others(w):
    author = start(w, domain("with6.test"))
    v6, v4 = Receiver(V6, script=at("RCPT", PLEASE, "bob")), Receiver(V4)
    w.submit(["ann@with6.test", "bob@with6.test", "cid@with6.test"])
    w.wait_empty()
    equal(recipients(v6), ["TO:<ann@with6.test>", "TO:<cid@with6.test>"])
    equal(recipients(v4), ["TO:<bob@with6.test>"])
    equal(author.messages, [])


@test()
def mx6_mark_is_kept_over_a_restart(w):
    author = start(w, domain("with6.test"))
    later = ["450 4.2.0 not now"]
    v6 = Receiver(V6, script=at("END", PLEASE))
    v4 = Receiver(V4, script=lambda verb, args, session: later[0] if verb == "MAIL" else None)
    mx = Receiver(MX)
    mx.script = v4.script
    queue_id = w.submit("bob@with6.test")
    w.wait_event(queue_id, "deferred")
    equal(v6.connections, 1)
    w.stop()
    w.launch()
    w.wait_ready()
    w.retried_until(lambda: mx.connections > 1, "tried again after the restart")
    later[0] = None
    w.retried_until(lambda: not w.queue(), "delivered")
    equal((v6.connections, len(mx.messages), author.messages), (1, 1, []))
    check("4.2.0 not now" in str(w.wait_event(queue_id, "deferred")), "the IPv4 result counts")


@test()
def mx6_code_outside_of_mx6_is_final(w):
    author = start(w, "else.test. 60 MX 10 mx.else.test.\n"
                      f"mx.else.test. 60 AAAA {OTHER_V6}\nmx.else.test. 60 A {MX}\n")
    v6, mx = Receiver(OTHER_V6, script=at("END", PLEASE)), Receiver(MX)
    w.submit("bob@else.test")
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    check("Status: 5.5.604" in report and "please retry over IPv4" in report, report)
    equal((v6.connections, len(mx.messages)), (1, 0))


@test()
def mx6_without_an_ipv4_way_is_final(w):
    author = start(w, domain("with6.test", target_v4=None, mx="AAAA " + OTHER_V6))
    v6, mx = Receiver(V6, script=at("END", PLEASE)), Receiver(OTHER_V6)
    w.submit("bob@with6.test")
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    check("Status: 5.5.604" in report, report)
    equal((v6.connections, mx.connections), (1, 0))


@test()
def mx6_target_without_ipv4_leaves_mx(w):
    author = start(w, domain("with6.test", target_v4=None))
    v6, mx = Receiver(V6, script=at("END", PLEASE)), Receiver(MX)
    w.submit("bob@with6.test")
    w.wait_empty()
    equal((v6.connections, len(mx.messages), author.messages), (1, 1, []))


@test()
def mx6_for_now_is_the_next_host(w):
    start(w, "".join(domain(f"{stage.lower()}.test") for stage in STAGES))
    v6, v4, mx = Receiver(V6), Receiver(V4), Receiver(MX)
    for n, stage in enumerate(STAGES):
        v6.script = at(stage, "451 4.3.0 not now")
        w.submit(f"bob@{stage.lower()}.test")
        w.wait_empty()
        equal((v6.connections, len(mx.messages)), (n + 1, n + 1), stage)
    equal(v4.connections, 0)
    check("mx6-fallback" not in w.log(), "no mark")


@test()
def mx6_lost_after_the_end_is_no_other_host(w):
    start(w, domain("with6.test"))
    lost = [False]
    v6 = Receiver(V6, script=lambda verb, args, session: lost[0] if verb == "END" else None)
    v4, mx = Receiver(V4), Receiver(MX)
    queue_id = w.submit("bob@with6.test")
    w.wait_event(queue_id, "deferred")
    lost[0] = None
    w.retried_until(lambda: not w.queue(), "delivered")
    equal((len(v6.messages), v4.connections, mx.connections), (1, 0, 0))


@test()
def mx6_codes_are_options(w):
    author = start(w, "".join(domain(f"{n}.test") for n in "abc"),
                   {"mx6_fallback_codes": ["5.5.XXX"], "mx6_any_550": True})
    v6, v4 = Receiver(V6), Receiver(V4)
    for n, reply in (("a", "550 5.5.XXX over IPv4"), ("b", "550-5.7.25 no PTR\r\n550 5.7.25 record")):
        v6.script = at("END", reply)
        w.submit(f"bob@{n}.test")
        w.wait_empty()
    equal((len(v4.messages), author.messages), (2, []))
    v6.script = at("END", PLEASE)
    w.submit("bob@c.test")
    eventually(lambda: author.messages, "the report")
    equal(len(v4.messages), 2)
