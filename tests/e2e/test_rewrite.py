"""Section 8 of RFC 6409 from the outside: what is added, replaced, removed and rewritten, and what
is not. Each action on and off; every octet that no action names arrives as it was sent."""

import email
import email.policy
import os
import re
import subprocess

from harness.case import check, equal, eventually, test
from harness.client import session, smtplib_session
from harness.receiver import EVERY, Receiver
from harness.world import NETWORK, PASSWORD, USER

ZONE = f"""else.test. MX 10 mx.else.test.
our.test. MX 10 mx.else.test.
mx.our.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
alias.test. CNAME www.alias.test.
www.alias.test. CNAME else.test.
dangling.test. CNAME gone.test.
"""
DATED = "Date: Mon, 01 Jun 2026 10:00:00 +0200\r\nMessage-ID: <1@our.test>\r\n"
FROM = f"From: Alice <{USER}>\r\n"
BODY = b"\r\nFrom: jru@mx.our.test\r\nBcc: body\r\n"
OFF = {"add_date": False, "add_message_id": False, "add_from": False, "add_sender": "never",
       "drop": [], "drop_forged_results": False}


def start(w, rewrite=None, over=None):
    receiver = Receiver(NETWORK + "10", extensions=EVERY)
    w.serve_dns(ZONE)
    w.start({"rewrite": rewrite or {}, **(over or {})})
    return receiver


def send(s, header, sender=USER, to=("bob@else.test",), body=BODY):
    s.want(250, f"MAIL FROM:<{sender}>")
    for address in to:
        s.want(250, f"RCPT TO:<{address}>")
    return s.data(header.encode() + body)


def arrived(receiver, count):
    return eventually(lambda: len(receiver.messages) >= count and receiver.messages,
                      f"{count} messages arrive")[count - 1]


def behind_received(content):
    """What stands behind our own trace field, and that field."""
    end = re.match(rb"Received: (?:[^\r]|\r\n[ \t])*\r\n", content).end()
    return content[end:], content[:end]


class Sender:
    """Sends messages one by one, and tells how each arrived."""

    def __init__(self, w, receiver, login=USER, password=PASSWORD):
        self.session, self.receiver = session(login, password), receiver
        self.login = login

    def through(self, header, body=BODY, **more):
        before = len(self.receiver.messages)
        more.setdefault("sender", self.login)
        code, text = send(self.session, header, body=body, **more)
        equal(code, 250, text)
        got = arrived(self.receiver, before + 1)
        rest, _ = behind_received(got.content)
        check(rest.endswith(body), rest)
        return rest[:-len(body)].decode("latin-1"), got


@test()
def nothing_changes_with_every_action_off(w):
    receiver = start(w, OFF)
    alice = Sender(w, receiver)
    odd = ("date: yesterday\r\nMESSAGE-ID:\r\n nothing\r\nBcc: x@else.test\r\nReturn-Path: <z@y.test>"
           "\r\nX-Originating-IP: [192.0.2.1]\r\nAuthentication-Results: msa.our.test; spf=pass\r\n"
           + FROM + "To : a@b . test (c\r\n d), \"x@y\" <e@f.test>;\r\nX:\t \r\n \r\nSubject: =?x?=\r\n")
    odd = odd.replace(">;", ">")
    for header in (odd, FROM, DATED + FROM, "Subject: no author\r\n"):
        equal(alice.through(header)[0], header)


@test()
def what_is_missing_or_unreadable_is_put_right(w):
    receiver = start(w)
    alice = Sender(w, receiver)
    now = r"Date: \w{3}, \d+ \w{3} \d{4} [\d:]{8} \+0000\r\n"
    rest, got = alice.through("Subject: x\r\n")
    queue_id = got.queue_id()
    check(re.fullmatch(rf"Message-ID: <{queue_id}@[\w.]+>\r\n{now}From: <{re.escape(USER)}>\r\n"
                       r"Subject: x\r\n", rest), rest)
    rest, got = alice.through("Date: 28.7.2026, morning\r\n" + FROM + "Message-ID: 17\r\nTo: a@else.test\r\n")
    check(re.fullmatch(now + r"X-Original-Date: 28\.7\.2026, morning\r\n" + re.escape(FROM)
                       + rf"Message-ID: <{got.queue_id()}@[\w.]+>\r\nTo: a@else\.test\r\n", rest), rest)
    for date in ("Mon, 1 Jun 26 10:00 EST", "1 Jun 2026 10:00:00 +0000 (noon)", "1 Jun 97 10:00 GMT"):
        header = f"Date: {date}\r\nMessage-ID: <a b@c>\r\n" + FROM
        equal(alice.through(header)[0], header)
    # the client stays hidden, and the queue id leads to it
    check(b"127.0.0.1" not in got.content and b"client.test" not in got.content, got.content)
    check("127.0.0.1" in w.ctl("trace", got.queue_id()), "the trace knows the client")


@test()
def fields_are_dropped(w):
    receiver = start(w)
    alice = Sender(w, receiver)
    keep = DATED + FROM + "X-Bcc: k@else.test\r\nBccc: l\r\n"
    gone = "BCC: one@else.test,\r\n\ttwo@else.test\r\nResent-bcc: x@else.test\r\n" \
           "return-path: <y@else.test>\r\nX-Originating-IP: [192.0.2.9]\r\n"
    rest, got = alice.through(gone + keep + gone.replace("BCC", "bcc"), to=("bob@else.test", "one@else.test"))
    equal(rest, keep)
    equal(len(got.rcpt), 2)
    w.write({"rewrite": {"drop": ["X-Mailer", "subject"]}})
    w.ctl("reload")
    rest, _ = Sender(w, receiver).through(
        DATED + FROM + "X-Mailer: secret\r\nBcc: kept@else.test\r\n")
    equal(rest, DATED + FROM + "Bcc: kept@else.test\r\n")


@test()
def results_in_our_name_are_removed(w):
    receiver = start(w)
    alice = Sender(w, receiver)
    others = "Authentication-Results: mx.else.test; spf=pass smtp.mailfrom=our.test\r\n"
    forged = [f"Authentication-Results: {name}; dkim=pass\r\n" for name in
              ("our.test", "MX.Our.Test", "(c)\r\n \"our.test\" 1", "our.test/1", "msa.our.test")]
    equal(alice.through(DATED + "".join(forged) + FROM + others)[0], DATED + FROM + others)


@test()
def senders_are_named(w):
    receiver = start(w, {"add_sender": "always"}, {"permissions": [
        {"login": "alice", "may_send_as": ["%u", "@shop.our.test"],
         "may_send_on_behalf_of": ["boss@our.test"]}]})
    alice = Sender(w, receiver)
    shop, boss = DATED + "From: <x@shop.our.test>\r\n", DATED + "From: <boss@our.test>\r\n"
    equal(alice.through(DATED + FROM)[0], DATED + FROM)
    equal(alice.through(shop)[0], f"Sender: <{USER}>\r\n" + shop)
    equal(alice.through(boss)[0], f"Sender: <{USER}>\r\n" + boss)
    equal(alice.through(shop + "Sender: S <s@shop.our.test>\r\n")[0],
          shop + f"Sender: <{USER}>\r\n")
    for setting, header, want in (("on-behalf", shop, shop),
                                  ("on-behalf", boss, f"Sender: <{USER}>\r\n" + boss),
                                  ("never", shop, shop)):
        w.write({"rewrite": {"add_sender": setting}, "permissions": [
            {"login": "alice", "may_send_as": ["%u", "@shop.our.test"],
             "may_send_on_behalf_of": ["boss@our.test"]}]})
        w.ctl("reload")
        equal(Sender(w, receiver).through(header)[0], want, setting)
    code, text = send(session(USER, PASSWORD), boss)
    equal(code, 550, text)
    check("rewrite.add_sender" in text, text)


RULES = [{"match": "jru@our.test", "replace": "J.Random.User@our.test"},
         {"match": "*@*.our.test", "replace": "*@our.test"},
         {"match": "*@partner.test", "replace": "*@our.test", "of": "sender", "in": "header"},
         {"match": "list@our.test", "replace": "archive@our.test", "in": "envelope",
          "of": "recipient"}]


@test()
def addresses_are_rewritten(w):
    """Envelope and header, senders and recipients; rights are judged before."""
    receiver = start(w, {"rules": RULES}, {"permissions": [
        {"login": "jru", "may_send_as": ["%u", "@mx.our.test", "@partner.test"]}]})
    w.ctl("user", "add", "jru@our.test", "--password-stdin", stdin="p\n")
    jru = Sender(w, receiver, "jru@our.test", "p")
    header = DATED + "From: \"jru@our.test\" <JRU@our.test> (jru@our.test)\r\n" \
        "To: a@mx.our.test, B <b@else.test>,\r\n\tG: jru@our.test, c@x.y.our.test;\r\n" \
        "Cc: partner@partner.test, list@our.test\r\nReply-To: d@partner.test\r\n" \
        "Subject: jru@our.test\r\nX-To: a@mx.our.test\r\nReferences: <a@mx.our.test>\r\n"
    want = DATED + "From: \"jru@our.test\" <J.Random.User@our.test> (jru@our.test)\r\n" \
        "To: a@our.test, B <b@else.test>,\r\n\tG: J.Random.User@our.test, c@our.test;\r\n" \
        "Cc: partner@partner.test, list@our.test\r\nReply-To: d@our.test\r\n" \
        "Subject: jru@our.test\r\nX-To: a@mx.our.test\r\nReferences: <a@mx.our.test>\r\n"
    rest, got = jru.through(header, to=("bob@else.test",))
    equal(rest, want)
    check(got.mail.startswith("FROM:<J.Random.User@our.test>"), got.mail)
    parsed = email.message_from_bytes(got.content, policy=email.policy.default)
    equal([a.addr_spec for a in parsed["to"].addresses],
          ["a@our.test", "b@else.test", "J.Random.User@our.test", "c@our.test"])
    # recipients: once each, with what they were given as
    rest, got = jru.through(DATED + "From: jru@our.test\r\n",
                            to=("a@mx.our.test", "a@our.test", "A@x.our.test", "list@our.test",
                                "b@mx.our.test"))
    rcpt = sorted(r.split(" ORCPT=")[0] for r in got.rcpt)
    equal([r for r in rcpt if "A@" not in r],
          ["TO:<a@our.test>", "TO:<archive@our.test>", "TO:<b@our.test>"])
    given = dict(re.match(r"TO:<(.*?)>.* ORCPT=(\S+)", r).groups() for r in got.rcpt if "ORCPT" in r)
    equal(given["a@our.test"], "rfc822;a@mx.our.test")
    equal(given["archive@our.test"], "rfc822;list@our.test")
    s = jru.session
    s.want(250, "MAIL FROM:<jru@our.test>")
    s.want(250, "RCPT TO:<c@mx.our.test> ORCPT=rfc822;first@old.test")
    before = len(receiver.messages)
    equal(s.data((DATED + "From: jru@our.test\r\n").encode() + BODY)[0], 250)
    check("ORCPT=rfc822;first@old.test" in arrived(receiver, before + 1).rcpt[0], receiver.messages[-1].rcpt)
    # what was submitted is judged, not what becomes of it
    for header, sender in (("From: J.Random.User@our.test\r\n", "jru@our.test"),
                           ("From: jru@our.test\r\n", "J.Random.User@our.test")):
        answer = s.say(f"MAIL FROM:<{sender}>")
        if answer[0] == 250:
            s.want(250, "RCPT TO:<bob@else.test>")
            answer = s.data(header.encode() + BODY)
        equal(answer[0], 550, answer[1])
        check("may send as; allowed: jru@our.test" in answer[1], answer[1])
        s.say("RSET")
    # what is completed by us is rewritten as well
    rest, got = jru.through(DATED + "To: b@else.test\r\n", sender="jru@our.test")
    equal(rest, "From: <J.Random.User@our.test>\r\n" + DATED + "To: b@else.test\r\n")


@test()
def the_mail_of_a_gateway_keeps_its_header(w):
    receiver = start(w, {"rules": RULES}, {"permissions": [
        {"login": "alice", "class": "gateway", "may_send_as": ["%u", "@mx.our.test"]}]})
    alice = Sender(w, receiver)
    header = "Date: soon\r\nMessage-ID: x\r\nBcc: y\r\nFrom: jru@our.test\r\nTo: a@mx.our.test\r\n" \
        "Authentication-Results: our.test; none\r\n"
    rest, got = alice.through(header, sender="x@mx.our.test")
    equal(rest, header)
    check(got.mail.startswith("FROM:<x@our.test>"), got.mail)
    rest, got = alice.through("From: jru@our.test\r\n")
    check(re.fullmatch(r"Message-ID: <.*>\r\nDate: .*\r\nFrom: jru@our.test\r\n", rest), rest)


@test()
def a_map_counts_as_soon_as_it_changes(w):
    path = w.path("map")

    def write(text):
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)

    write(f"# login names\n{USER} Alice.Example@our.test\n*@old.our.test *@our.test\n")
    receiver = start(w, {"rules": {"map": f"file:{path}"}})

    def author():
        return Sender(w, receiver).through(DATED + FROM)[1]

    got = author()
    equal(got.header("from"), ["Alice <Alice.Example@our.test>"])
    check(got.mail.startswith("FROM:<Alice.Example@our.test>"), got.mail)
    write(f"{USER} A.E@our.test\n")
    eventually(lambda: author().header("from") == ["Alice <A.E@our.test>"], "the new map", 30)
    write(f"{USER} A.F@our.test\nx@else.test y@our.test\n")
    w.wait_log("map:2: \"x@else.test\" is none of our addresses: a rule for recipients may match")
    w.wait_log("its former contents go on")
    equal(author().header("from"), ["Alice <A.E@our.test>"])
    done = subprocess.run([f"{w.build}/msad", "-c", w.conf, "--check"], capture_output=True,
                          text=True, check=False)
    equal(done.returncode, 1)
    check(f"{path}:2: " in done.stdout and "of = \"sender\"" in done.stdout, done.stdout)
    os.unlink(path)
    w.wait_log(path + ": cannot read it: ")
    equal(author().header("from"), ["Alice <A.E@our.test>"])
    write(f"{USER} A.G@our.test\n")
    eventually(lambda: author().header("from") == ["Alice <A.G@our.test>"], "the next map", 30)
    check(w.process.poll() is None, "msad runs")


@test()
def rules_that_would_do_harm_are_refused(w):
    w.serve_dns(ZONE)
    w.start()
    for rule, words in (
            ({"match": "*", "replace": "*@our.test"}, "rewrite.rules.match: \"*\" would match everything"),
            ({"match": "*@else.test", "replace": "*@our.test"},
             "rewrite.rules.match: \"*@else.test\" is none of our addresses"),
            ({"map": "file:/nowhere/map"}, "rewrite.rules[0].map: cannot read /nowhere/map: ")):
        w.write({"rewrite": {"rules": rule}})
        done = subprocess.run([f"{w.build}/msad", "-c", w.conf, "--check"], capture_output=True,
                              text=True, check=False)
        equal(done.returncode, 1)
        line = [x for x in done.stdout.splitlines() if "rewrite.rules" in x]
        check(line and words.split(": ", 1)[1] in line[0] and re.search(r":\d+: ", line[0]), done.stdout)


@test()
def lines_never_become_too_long(w):
    rules = {"match": "a@our.test", "replace": "a-very-long-name-of-somebody@our.test"}
    receiver = start(w, {"rules": rules})
    alice = Sender(w, receiver)
    fits = "To: " + " " * 950 + "a@our.test\r\n"
    alice.through(DATED + FROM + fits)
    long = "To: " + "b@else.test, " * 75 + "a@our.test\r\n"
    code, text = send(alice.session, DATED + FROM + long)
    equal(code, 554, text)
    check("Header field To has a line that is longer than 998 octets" in text
          and "rewrite.rules" in text, text)
    # smtplib, whose own lines are short
    s = smtplib_session(USER, PASSWORD)
    m = email.message.EmailMessage()
    m["From"], m["To"] = USER, ", ".join(["a@our.test"] * 60)
    m.set_content("Hello.\n")
    before = len(receiver.messages)
    equal(s.send_message(m, to_addrs=["bob@else.test"]), {})
    got = arrived(receiver, before + 1)
    check(max(map(len, got.content.split(b"\r\n"))) <= 998, "a long line")
    equal(got.content.count(b"a-very-long-name-of-somebody@our.test"), 60)


@test()
def aliases_are_resolved(w):
    receiver = start(w, {"resolve_aliases": "both"})
    alice = Sender(w, receiver)
    header = DATED + FROM + "To: Bob <bob@alias.test> (bob@alias.test), c@Alias.Test,\r\n" \
        " x@www.our.test, d@dangling.test\r\n"
    rest, got = alice.through(header, to=("bob@alias.test", "bob@else.test", "c@alias.test"))
    equal(rest, header.replace("<bob@alias.test>", "<bob@else.test>")
          .replace("c@Alias.Test", "c@else.test"))
    equal(sorted(got.rcpt), ["TO:<bob@else.test> ORCPT=rfc822;bob@alias.test",
                             "TO:<c@else.test> ORCPT=rfc822;c@alias.test"])
    for setting, in_envelope in (("envelope", True), (False, False)):
        w.write({"rewrite": {"resolve_aliases": setting}})
        w.ctl("reload")
        rest, got = Sender(w, receiver).through(header, to=("bob@alias.test",))
        equal(rest, header)
        equal(got.rcpt[0].startswith("TO:<bob@else.test>"), in_envelope, got.rcpt)
    # nobody answers: for the time being, at the command or at the end
    w.write({"rewrite": {"resolve_aliases": "both"}, "dns": {"timeout": "2s"}})
    w.ctl("reload")
    s = session(USER, PASSWORD)
    w.dns.stop()
    s.want(250, f"MAIL FROM:<{USER}>")
    code, text = s.say("RCPT TO:<x@later.test>")
    equal(code, 451, text)
    check("could not be looked up" in text and "rewrite.resolve_aliases" in text, text)
    s.want(250, "RCPT TO:<x@our.test>")
    code, text = s.data((DATED + FROM + "To: <x@later.test>\r\n").encode() + BODY)
    equal(code, 451, text)
    check("Header field To: the domain later.test cannot be looked up now" in text, text)
