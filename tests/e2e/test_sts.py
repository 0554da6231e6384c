"""MTA-STS (RFC 8461) and reports about TLS (RFC 8460), with a policy host and receivers of our own."""

import email
import gzip
import json
import os
import re
import signal
import sqlite3
import time

from harness.authority import Authority
from harness.case import check, equal, eventually, test
from harness.https import Https, dribble, policy, text
from harness.receiver import Receiver
from harness.world import NETWORK, message
from test_dkim import Keys, signatures, verify

MX, OTHER, WEB, AUTHOR = (NETWORK + n for n in ("10", "11", "30", "20"))
ZONE = f"""our.test. MX 10 mx.our.test.
mx.our.test. A {AUTHOR}
d.test. MX 10 mx.d.test.
mx.d.test. A {MX}
mx2.d.test. A {OTHER}
mta-sts.d.test. A {WEB}
web.d.test. A {WEB}
"""
RECORD = '_mta-sts.d.test. TXT "v=STSv1; id={}"\n'
FAST = {"queue": {"retry": ["1s"], "lifetime": "1h"}}


def start(w, zone="", over=None):
    """msad that trusts an authority of our own; the authority."""
    authority = Authority(w.dir)
    w.serve_dns(ZONE + zone)
    w.start(dict({"relay": {"tls": dict({"ca": authority.ca}, **(over or {}))}}, **FAST))
    return authority


def why(w, queue_id):
    """What the last deferral says."""
    return w.wait_event(queue_id, "deferred")[-1]


def not_in_clear(receiver):
    check(not [m for m in receiver.seen if not m.tls], "a message went in clear")


@test()
def enforced_policy_lets_a_good_host_have_the_mail(w):
    authority = start(w, RECORD.format("1"))
    web = Https(WEB, authority.issue("mta-sts.d.test"), text(policy("enforce", "*.d.test")))
    receiver = Receiver(MX, certificate=authority.issue("mx.d.test"))
    w.submit("bob@d.test")
    eventually(lambda: receiver.messages, "the message arrives")
    check(receiver.messages[0].tls, "under TLS")
    equal([r[:2] for r in web.requests], [("GET", "/.well-known/mta-sts.txt")])
    equal(web.requests[0][2]["Host"].split(":")[0], "mta-sts.d.test")
    server = w.status()["server"]
    equal((server["mta_sts"]["policies"], server["mta_sts"]["failed_fetches"]), (1, 0))
    w.submit("bob@d.test")
    eventually(lambda: len(receiver.messages) == 2, "the second")
    equal(len(web.requests), 1, "fetched once")
    check(any("MTA-STS" in json.dumps(line) for line in w.ask("route", "bob@d.test")[1]), "route")


@test(build="release")
def policy_is_fetched_within_the_sandbox(w):
    enforced_policy_lets_a_good_host_have_the_mail(w)


def deferred_under_policy(w, **receiver):
    authority = start(w, RECORD.format("1"))
    web = Https(WEB, authority.issue("mta-sts.d.test"), text(policy("enforce", "mx.d.test")))
    certificate = receiver.pop("names", None)
    target = Receiver(MX, certificate=certificate and authority.issue(*certificate),
                      **receiver)
    queue_id = w.submit("bob@d.test")
    event = why(w, queue_id)
    time.sleep(2)  # some further tries
    not_in_clear(target)
    equal(target.messages, [])
    equal([q["id"] for q in w.queue()], [queue_id])
    return authority, web, target, event


@test()
def enforced_policy_waits_for_starttls_and_ends_by_another_policy(w):
    _, web, target, event = deferred_under_policy(w)
    check(event["status"].startswith("4.7."), event)
    # the domain takes its policy back: the record is looked at again within a minute or its TTL
    web.answer = text(policy("none"))
    w.dns.replace(ZONE + RECORD.format("2"))
    w.stop()
    w.launch()  # and without the resolver's memory of the record
    w.wait_ready()
    w.retried_until(lambda: target.messages, "delivered without policy", 90)
    check(not target.messages[0].tls, "in clear")


@test()
def enforced_policy_refuses_a_wrong_name(w):
    _, _, target, event = deferred_under_policy(w, names=["other.d.test"])
    check("4.7." in event["status"], event)
    check(target.connections, "it was tried")


@test()
def enforced_policy_refuses_a_strange_authority(w):
    authority = start(w, RECORD.format("1"))
    Https(WEB, authority.issue("mta-sts.d.test"), text(policy("enforce", "mx.d.test")))
    receiver = Receiver(MX, certificate=Authority(w.dir, "stranger").issue("mx.d.test"))
    why(w, w.submit("bob@d.test"))
    not_in_clear(receiver)
    equal(receiver.messages, [])


@test()
def enforced_policy_refuses_a_host_that_it_does_not_name(w):
    authority = start(w, RECORD.format("1"))
    Https(WEB, authority.issue("mta-sts.d.test"), text(policy("enforce", "mx9.d.test", "*.mx.d.test")))
    receiver = Receiver(MX, certificate=authority.issue("mx.d.test"))
    why(w, w.submit("bob@d.test"))
    time.sleep(2)
    equal(receiver.seen, [])


@test()
def testing_policy_only_looks(w):
    authority = start(w, RECORD.format("1"))
    web = Https(WEB, authority.issue("mta-sts.d.test"), text(policy("testing", "mx9.d.test")))
    receiver = Receiver(MX)
    w.submit("bob@d.test")
    eventually(lambda: receiver.messages, "delivered all the same")
    equal(len(web.requests), 1)


@test(timeout=300)
def policies_that_cannot_be_had_do_not_count(w):
    """Each in place of an enforced policy that no receiver here could keep."""
    authority = start(w, RECORD.format("1"))
    good = authority.issue("mta-sts.d.test")
    enforce = policy("enforce", "mx.d.test")
    redirect = lambda *_: (301, {"Location": "https://web.d.test/", "Content-Type": "text/plain"}, b"")
    rows = [
        ("redirect", good, redirect),
        ("404", good, text(enforce, 404)),
        ("500", good, text(enforce, 500)),
        ("HTML", good, text(enforce, kind="text/html")),
        ("oversized", good, text(enforce + b"x: y\r\n" * 20000)),
        ("garbage", good, text(os.urandom(1000))),
        ("NUL", good, text(enforce.replace(b"enforce", b"enforce\0"))),
        ("no mx", good, text(policy("enforce"))),
        ("expired", authority.issue("mta-sts.d.test", expired=True), text(enforce)),
        ("wrong name", authority.issue("d.test"), text(enforce)),
        ("stranger", Authority(w.dir, "stranger").issue("mta-sts.d.test"), text(enforce)),
    ]
    receiver = Receiver(MX)
    for n, (what, certificate, answer) in enumerate(rows, 1):
        web = Https(WEB, certificate, answer)
        w.submit("bob@d.test")
        eventually(lambda: len(receiver.messages) == n, f"delivered: {what}")
        status = w.status()["server"]["mta_sts"]
        equal((status["policies"], status["failed_fetches"]), (0, 1), what)
        web.close()
        w.stop()
        w.launch()  # nothing is remembered of failures
        w.wait_ready()


@test()
def slow_policy_host_delays_mail_for_seconds_only(w):
    authority = start(w, RECORD.format("1"))
    Https(WEB, authority.issue("mta-sts.d.test"), dribble(b"HTTP/1.1 200 OK\r\n"))
    receiver = Receiver(MX)
    began = time.monotonic()
    w.submit("bob@d.test")
    eventually(lambda: receiver.messages, "delivered", 60)
    check(15 < time.monotonic() - began < 30, "waited", time.monotonic() - began)


@test(timeout=200)
def cached_policy_survives_all_that_is_taken_away(w):
    authority = start(w, RECORD.format("1"))
    web = Https(WEB, authority.issue("mta-sts.d.test"), text(policy("enforce", "mx.d.test")))
    receiver = Receiver(MX, certificate=authority.issue("mx.d.test"))
    w.submit("bob@d.test")
    eventually(lambda: receiver.messages, "the first arrives")
    # the attacker: no record, no policy host, no STARTTLS; and msad loses its memory
    web.close()
    receiver.close()
    w.stop()
    w.dns.replace(ZONE)
    bare = Receiver(MX)
    w.launch()
    w.wait_ready()
    queue_id = w.submit("bob@d.test")
    why(w, queue_id)
    time.sleep(2)
    equal(bare.seen, [])
    equal(w.status()["server"]["mta_sts"]["policies"], 1)
    # an author may waive it (RFC 8689)
    w.ctl("queue", "delete", queue_id)
    w.submit("bob@d.test", message("waived", extra=b"TLS-Required: No\r\n"))
    w.retried_until(lambda: bare.messages, "TLS-Required: No", 90)
    equal(bare.messages[0].header("subject"), ["waived"])


@test()
def downgrade_is_told_or_refused(w):
    authority = start(w)
    receiver = Receiver(MX, certificate=authority.issue("mx.d.test"))
    w.submit("bob@d.test")
    eventually(lambda: receiver.messages, "under TLS")
    eventually(lambda: w.status()["server"]["tls"]["hosts"] == 1, "remembered")
    receiver.close()
    bare = Receiver(MX)
    time.sleep(6)  # the idle connection is gone
    w.submit("bob@d.test")
    eventually(lambda: bare.messages, "in clear")
    w.wait_log(" downgrade")
    w.write(dict({"relay": {"tls": {"ca": authority.ca, "refuse_downgrade": True}}}, **FAST))
    w.signal(signal.SIGHUP)
    eventually(lambda: w.status()["server"]["generation"] == 2, "reloaded")
    time.sleep(6)
    why(w, w.submit("bob@d.test"))
    time.sleep(2)
    equal(len(bare.messages), 1)


@test()
def a_delivery_under_way_is_not_downgraded_either(w):
    """relay.tls.refuse_downgrade: TLS works at a host for the first time while another delivery there
    waits for the reply to its EHLO or STARTTLS, which then denies TLS."""
    held = {}

    def denies(verb):
        def script(got, args, session):
            if got != verb or session.receiver in held:
                return None
            held[session.receiver] = False
            eventually(lambda: held[session.receiver], "the other delivery")
            return "250 receiver.test" if verb == "EHLO" else False
        return script
    zone = ("e.test. MX 10 mx.e.test.\nmx.e.test. A 198.51.100.40\n"
            "d2.test. MX 10 mx.d.test.\nd2.test. MX 20 mx2.d.test.\n"
            "e2.test. MX 10 mx.e.test.\ne2.test. MX 20 mx2.d.test.\n")
    authority = start(w, zone, {"refuse_downgrade": True})
    for domain, address, verb in (("d", MX, "STARTTLS"), ("e", "198.51.100.40", "EHLO")):
        receiver = Receiver(address, certificate=authority.issue(f"mx.{domain}.test"), script=denies(verb))
        first = w.submit(f"bob@{domain}.test")
        eventually(lambda: receiver in held, "it is under way")
        w.submit(f"bob@{domain}2.test")
        eventually(lambda: len(receiver.messages) == 1, "under TLS, at the same host")
        eventually(lambda: w.status()["server"]["tls"]["hosts"] > "de".index(domain), "remembered")
        held[receiver] = True
        eventually(lambda: len(receiver.messages) == 2, "the first, when it is tried again")
        check(w.wait_event(first, "deferred"), "it was put off")
        not_in_clear(receiver)
        equal(receiver.clear, 0)
    w.wait_log("refuse_downgrade demands TLS")


# ---- reports ----

def seed_results(w, domain, policies):
    """What was gathered on a day that is long over, as msad keeps it."""
    day = int(time.time()) // 86400 - 2
    db = sqlite3.connect(os.path.join(w.state, "queue", "tls.db"))
    db.execute("CREATE TABLE IF NOT EXISTS row(kind INTEGER, key BLOB, value BLOB NOT NULL,"
               " PRIMARY KEY(kind,key)) WITHOUT ROWID")
    db.execute("INSERT INTO row VALUES(3,?,?)",
               (f"{day} {domain}".encode(), json.dumps(policies).encode()))
    db.commit()
    db.close()
    owner = os.stat(os.path.join(w.state, "queue"))
    os.chown(os.path.join(w.state, "queue", "tls.db"), owner.st_uid, owner.st_gid)
    return day


def check_report(octets, day, policies):
    """RFC 8460 4.4, field by field."""
    report = json.loads(gzip.decompress(octets))
    equal(set(report), {"organization-name", "date-range", "contact-info", "report-id", "policies"})
    date = time.strftime("%Y-%m-%d", time.gmtime(day * 86400))
    equal(report["date-range"], {"start-datetime": date + "T00:00:00Z",
                                 "end-datetime": date + "T23:59:59Z"})
    equal(report["contact-info"], "tls@our.test")
    equal(report["policies"], policies)
    for p in report["policies"]:
        equal(set(p) - {"failure-details"}, {"policy", "summary"})
        check(p["policy"]["policy-type"] in ("sts", "tlsa", "no-policy-found"), p)
        equal(set(p["summary"]), {"total-successful-session-count", "total-failure-session-count"})
        for d in p.get("failure-details", []):
            check(set(d) <= {"result-type", "sending-mta-ip", "receiving-mx-hostname",
                             "receiving-mx-helo", "receiving-ip", "failed-session-count",
                             "additional-information", "failure-reason-code"}, d)
    return report


def gathered(w):
    """What is kept of sessions with d.test, a day each."""
    db = sqlite3.connect(os.path.join(w.state, "queue", "tls.db"))
    rows = [json.loads(v) for k, v in db.execute("SELECT key, value FROM row WHERE kind=3")
            if bytes(k).decode().endswith(" d.test")]
    db.close()
    return rows


@test()
def tls_is_counted_and_kept(w):
    authority = start(w, RECORD.format("1"), {"tlsrpt_from": "tls@our.test"})
    Https(WEB, authority.issue("mta-sts.d.test"), text(policy("testing", "mx.d.test")))
    receiver = Receiver(MX, certificate=authority.issue("mx.d.test"))
    w.submit("bob@d.test")
    eventually(lambda: receiver.messages, "under TLS")
    receiver.close()
    bare = Receiver(MX)
    time.sleep(6)
    w.submit("bob@d.test")
    eventually(lambda: bare.messages, "in clear")
    w.stop()
    rows = gathered(w)
    equal(len(rows), 1)
    (p,) = rows[0]
    equal(p["policy"], {"policy-type": "sts", "policy-domain": "d.test", "mx-host": ["mx.d.test"],
                        "policy-string": ["version: STSv1", "mode: testing", "mx: mx.d.test",
                                          "max_age: 604800"]})
    equal(p["summary"], {"total-successful-session-count": 1, "total-failure-session-count": 1})
    (d,) = p["failure-details"]
    check(d.pop("sending-mta-ip").startswith(NETWORK), "our address")
    equal(d, {"result-type": "starttls-not-supported", "receiving-mx-hostname": "mx.d.test",
              "receiving-mx-helo": "receiver.test", "receiving-ip": MX, "failed-session-count": 1})


@test()
def what_a_tested_policy_would_refuse_is_counted(w):
    authority = start(w, RECORD.format("1") + "d.test. MX 20 mx2.d.test.\n",
                      {"tlsrpt_from": "tls@our.test"})
    Https(WEB, authority.issue("mta-sts.d.test"), text(policy("testing", "mx.d.test")))
    receiver = Receiver(MX, certificate=authority.issue("other.test"),
                        script=lambda verb, args, s: "451 4.3.0 the other one" if verb == "MAIL"
                        else None)
    other = Receiver(OTHER, certificate=authority.issue("mx2.d.test"))
    w.submit("bob@d.test")
    w.retried_until(lambda: other.messages, "under TLS, to the host that the policy does not name")
    check(other.messages[0].tls and receiver.connections, "TLS")
    w.stop()
    ((p,),) = gathered(w)
    equal(p["summary"]["total-successful-session-count"], 0)
    equal({(d["result-type"], d["receiving-mx-hostname"]) for d in p["failure-details"]},
          {("certificate-host-mismatch", "mx.d.test"), ("validation-failure", "mx2.d.test")})


@test()
def certificates_do_not_count_where_no_policy_asks_for_them(w):
    start(w, over={"tlsrpt_from": "tls@our.test"})
    receiver = Receiver(MX, certificate=Authority(w.dir, "stranger").issue("other.test"))
    w.submit("bob@d.test")
    eventually(lambda: receiver.messages, "under TLS")
    check(receiver.messages[0].tls, "TLS")
    w.stop()
    ((p,),) = gathered(w)
    equal(p, {"policy": {"policy-type": "no-policy-found", "policy-domain": "d.test"},
              "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}})


def report_world(w, record):
    policies = [{"policy": {"policy-type": "no-policy-found", "policy-domain": "d.test"},
                 "summary": {"total-successful-session-count": 3,
                             "total-failure-session-count": 0}}]
    authority = start(w, record, {"tlsrpt_from": "tls@our.test"})
    w.stop()
    day = seed_results(w, "d.test", policies)
    w.launch()
    w.wait_ready()
    return authority, day, policies


@test(timeout=200)
def report_goes_by_mail_where_tls_fails_too(w):
    record = RECORD.format("1") + '_smtp._tls.d.test. TXT "v=TLSRPTv1; rua=mailto:rep%6Frts@d.test"\n'
    authority, day, policies = report_world(w, record)
    Https(WEB, authority.issue("mta-sts.d.test"), text(policy("enforce", "mx.d.test")))
    receiver = Receiver(MX)  # no STARTTLS: the policy would forbid it
    got = eventually(lambda: receiver.messages and receiver.messages[0], "the report", 120)
    equal(got.rcpt[0].split(" ")[0], "TO:<reports@d.test>")
    equal(got.mail.split(" ")[0], "FROM:<>")
    m = email.message_from_bytes(got.content)
    equal((m.get_content_type(), m.get_param("report-type")), ("multipart/report", "tlsrpt"))
    equal((m["TLS-Report-Domain"], m["TLS-Report-Submitter"]), ("d.test", "our.test"))
    equal(m["TLS-Required"], "No")
    check("tls@our.test" in m["From"], m["From"])
    check(re.fullmatch(r"Report Domain: d\.test Submitter: our\.test Report-ID: <\S+@mail\.our\.test>",
                       m["Subject"]), m["Subject"])
    words, attached = m.get_payload()
    equal((words.get_content_type(), attached.get_content_type()),
          ("text/plain", "application/tlsrpt+gzip"))
    check(re.fullmatch(rf"our\.test!d\.test!{day * 86400}!{day * 86400 + 86399}!\w+\.json\.gz",
                       attached.get_filename()), attached.get_filename())
    check_report(attached.get_payload(decode=True), day, policies)
    w.wait_empty()
    equal(w.status()["server"]["tls"]["reports_sent"], 1)
    w.stop()
    equal(gathered(w), [], "what was reported is forgotten, and the report's own session not counted")


@test(timeout=200)
def report_by_mail_is_signed(w):
    """RFC 8460 3, 5.3: by the domain of the author, with the fields of the report, and of all of the
    body; python3-dkim says that it holds."""
    w.write()
    keys = Keys(w).new("s1")
    policies = [{"policy": {"policy-type": "no-policy-found", "policy-domain": "d.test"},
                 "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}}]
    w.serve_dns(ZONE + keys.zone() + '_smtp._tls.d.test. TXT "v=TLSRPTv1; rua=mailto:r@d.test"\n')
    over = {"relay": {"tls": {"tlsrpt_from": "tls@our.test"}}, "rewrite": {"dkim": keys.rows}}
    w.start(dict(over, **FAST))
    w.stop()
    seed_results(w, "d.test", policies)
    w.launch()
    w.wait_ready()
    receiver = Receiver(MX)
    got = eventually(lambda: receiver.messages and receiver.messages[0], "the report", 120)
    tags = signatures(got)
    equal([t["d"] for t in tags], ["our.test"] * len(tags))
    check(tags and all("l" not in t for t in tags), tags)
    fields = {"from", "to", "subject", "date", "tls-report-domain", "tls-report-submitter"}
    for t in tags:
        signed = {name.strip().lower() for name in t["h"].split(":")}
        check(fields <= signed, fields - signed, "are not signed")
    verify(keys, got.content, len(tags))


@test(timeout=200)
def report_goes_by_https(w):
    record = '_smtp._tls.d.test. TXT "v=TLSRPTv1; rua=https://web.d.test/tls?x=1"\n'
    authority, day, policies = report_world(w, record)
    web = Https(WEB, authority.issue("web.d.test"), lambda *_: (201, {}, b""))
    method, path, headers, body = eventually(lambda: web.requests and web.requests[0], "the report",
                                             120)
    equal((method, path, headers["Content-Type"]), ("POST", "/tls?x=1", "application/tlsrpt+gzip"))
    check_report(body, day, policies)
    eventually(lambda: w.status()["server"]["tls"]["results"] == 0, "forgotten")


@test(timeout=200)
def nobody_asks_and_nothing_is_sent(w):
    report_world(w, "")
    receiver = Receiver(MX)
    eventually(lambda: w.status()["server"]["tls"]["results"] == 0, "forgotten", 120)
    equal(receiver.connections, 0)
    equal(w.queue(), [])
