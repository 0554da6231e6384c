"""Permissions: who may send as whom and to whom, as mail programs and operators meet it."""

import email.header
import email.policy
import email.utils
import os
import re
import signal
import sqlite3
import subprocess
import time

from harness import config
from harness.case import check, equal, eventually, test
from harness.client import Wire, session, smtplib_session
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
CEO = "ceo@our.test"


def start(w, permissions=None, over=None):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start({"permissions": permissions, **(over or {})} if permissions else over)
    return receiver


def send(s, header, sender=USER, to="bob@else.test"):
    """One message over a session; (code, text) of its end, or of what was refused before it."""
    for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"):
        code, text = s.say(command)
        if code != 250:
            s.want(250, "RSET")
            return code, text
    return s.data(header.encode() + b"Subject: rights\r\n\r\nbody\r\n")


def refused(answer, code, *words):
    equal(answer[0], code, f"code of {answer[1]}")
    for word in words:
        check(word in answer[1], f"{word!r} in {answer[1]!r}")


def arrived(receiver, count=1):
    return eventually(lambda: len(receiver.messages) >= count and receiver.messages,
                      f"{count} messages arrive")


@test()
def programs_are_told_whose_address_is_refused(w):
    """A forged From under a good envelope: the program fails, and shows address and remedy."""
    receiver = start(w)
    login = ["--auth-user", USER, "--auth-password", PASSWORD]
    forged = message("forged", sender=CEO)
    programs = {
        "swaks": (["swaks", "--server", "127.0.0.1", "--port", "587", "--tls", "--auth", "PLAIN",
                   *login, "--from", USER, "--to", "bob@else.test", "--h-From", f"The boss <{CEO}>"],
                  b""),
        "msmtp": (["msmtp", "--host=127.0.0.1", "--port=465", "--tls=on", "--tls-starttls=off",
                   "--tls-certcheck=off", "--auth=plain", f"--user={USER}",
                   f"--passwordeval=echo '{PASSWORD}'", f"--from={USER}", "bob@else.test"],
                  forged.replace(b"\r\n", b"\n")),
        "curl": (["curl", "-sSvk", "--ssl-reqd", "--user", f"{USER}:{PASSWORD}", "--mail-from", USER,
                  "--mail-rcpt", "bob@else.test", "-T", "-", "smtp://127.0.0.1:587"], forged),
    }
    for name, (words, stdin) in programs.items():
        done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, timeout=60)
        said = done.stdout.decode("utf-8", "replace")
        check(done.returncode != 0, f"{name} was no failure: {said}")
        for word in ("550", "5.7.1", f"<{CEO}> in From", f"allowed: {USER}", "permissions"):
            check(word in said, f"{name} does not say {word}: {said}")
    with smtplib_session(USER, PASSWORD) as s:
        try:
            s.sendmail(USER, ["bob@else.test"], forged)
            check(False, "smtplib was no failure")
        except Exception as e:  # smtplib.SMTPDataError
            check(CEO in str(e) and "5.7.1" in str(e), e)
        s.sendmail(USER, ["bob@else.test"], message("good"))
    equal(len(arrived(receiver)), 1)
    check(f"550 5.7.1 <{CEO}> in From" in w.log(), "the log says so")
    events = [e for e in w.ask("trace", "--user", USER)[1] if CEO in str(e)]
    check(events, "the history says so")


@test()
def a_row_gives_what_it_names(w):
    receiver = start(w, [
        {"login": "alice", "may_send_as": ["%u", "%u+*", "@sales.our.test", "boss@else.test"],
         "may_send_to": ["@else.test"]}])
    s = w.session()
    for address in (USER, "ALICE@our.test", "alice+x@our.test", "any@sales.our.test",
                    "boss@else.test"):
        equal(send(s, f"From: <{address}>\r\n", address)[0], 250, address)
    for address in (CEO, "alice@sales.else.test", "any@a.sales.our.test", "alice+@our.test"):
        refused(send(s, f"From: <{USER}>\r\n", address), 550, "5.7.1", f"<{address}> is not",
                f"allowed: {USER}, alice+*@our.test, @sales.our.test, boss@else.test")
        refused(send(s, f"From: <{address}>\r\n"), 550, "5.7.1", f"<{address}> in From")
        refused(send(s, f"From: <{USER}>\r\nSender: <{address}>\r\n"), 550, "in Sender")
    refused(send(s, "", to="bob@third.test"), 550, "5.7.1", "may send to; allowed: @else.test")
    equal(send(s, f"From: {USER}\r\n", to="Postmaster")[0], 250)
    arrived(receiver, 5)


@test()
def sender_is_added_on_behalf(w):
    receiver = start(w, [{"login": "alice", "may_send_on_behalf_of": "boss@our.test"}])
    s = w.session()
    equal(send(s, "From: The boss <boss@our.test>\r\n")[0], 250)
    equal(send(s, f"From: The boss <boss@our.test>\r\nSender: Alice <{USER}>\r\n")[0], 250)
    equal(send(s, f"From: <{USER}>\r\n")[0], 250)
    refused(send(s, "From: <boss@our.test>\r\nSender: <boss@our.test>\r\n"), 550, "in Sender")
    refused(send(s, "From: <boss@our.test>\r\n", "boss@our.test"), 550, "is not an address")
    got = sorted((m.header("from"), m.header("sender")) for m in arrived(receiver, 3))
    equal(got, [([f"<{USER}>"], []), (["The boss <boss@our.test>"], [f"<{USER}>"]),
                (["The boss <boss@our.test>"], [f"Alice <{USER}>"])])


def readings(field):
    """Addresses that readers of some kind find in a From field; field is what arrived, raw."""
    found = set()
    unfolded = re.sub(r"\r\n(?=[ \t])", "", field)
    decoded = str(email.header.make_header(email.header.decode_header(unfolded)))
    for text in (unfolded, decoded):
        for strict in (True, False):
            found |= {a for _, a in email.utils.getaddresses([text], strict=strict) if "@" in a}
        # those that take what looks like an address, wherever it stands
        found |= set(re.findall(r"[^\s<>()\[\]:;@,\"']+@[\w.-]+\.\w+", text))
        found |= {a.strip() for a in re.findall(r"<([^<>]*@[^<>]*)>", text)}
    m = email.message_from_string(f"From: {unfolded}\n\n", policy=email.policy.default)
    found |= {a.addr_spec for a in m["From"].addresses}
    return found


@test(timeout=300)
def authors_that_are_accepted_are_read_alike(w):
    """Whatever is accepted, no reader finds an author that the login may not name."""
    receiver = start(w, [{"login": "alice", "may_send_as": ["%u", "@shop.our.test"]}],
                     {"limits": {"messages_per_session": 5000, "connections_per_client": 100}})
    ceo = "Y2VvQG91ci50ZXN0"  # its base64
    before = ("", "Alice ", '"Alice" ', "(Alice) ", "=?utf-8?q?Alice?= ", '"ceo@our.test" ',
              "ceo@our.test ", f"=?utf-8?b?{ceo}?= ", f'"=?utf-8?b?{ceo}?=" ', "(ceo@our.test) ",
              "<ceo@our.test> ", "ceo@our.test, ", "G: ", ", ", "Alice\r\n ", "\r\n\t", '"a\\"b" ',
              "<@ceo.our.test:", "(\\( ", '"<ceo@our.test>" ')
    core = ("<alice@our.test>", "alice@our.test", '<"alice"@our.test>', "< alice@our.test >",
            "<alice@our.test(ceo@our.test)>", "alice @our.test", "<ALICE@Our.Test>",
            "<x@shop.our.test>", '"a b"@shop.our.test', '"ceo@our.test"@shop.our.test',
            '"ceo@our.test>"@shop.our.test', f"=?utf-8?b?{ceo}?=@shop.our.test", "<ceo@our.test>",
            '"a,ceo@our.test"@shop.our.test')
    behind = ("", " (Alice)", ", alice@our.test", ", ceo@our.test", " (ceo@our.test)", ";", ",",
              "\r\n (x)", " ceo@our.test", "<ceo@our.test>", "@ceo.our.test", ".", "(")
    allowed = re.compile(r"alice@our\.test|.+@shop\.our\.test", re.I)
    s, accepted = w.session(), 0
    for a in before:
        for b in core:
            for c in behind:
                code, text = send(s, f"From: {a}{b}{c}\r\n")
                check(code in (250, 550, 554), code, text, a + b + c)
                accepted += code == 250
    check(accepted > 100, f"only {accepted} were accepted")
    for m in arrived(receiver, accepted):
        head = m.content.split(b"\r\n\r\n")[0].decode() + "\r\n"
        field, = re.findall(r"^From:((?:.|\r\n[ \t])*?)\r\n(?![ \t])", head, re.M)
        found = readings(field)
        check(found, f"nobody finds the author of {field!r}")
        for address in found:
            address = address.replace('"', "")
            check(allowed.fullmatch(address), f"{address} is found in {field!r}")


@test()
def addresses_from_a_file_count_as_soon_as_it_changes(w):
    aliases = w.path("aliases")

    def write(text):
        with open(aliases + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(aliases + ".new", aliases)

    def may(address):
        return send(w.session(), f"From: <{address}>\r\n", address)[0] == 250

    write("# nobody yet\n")
    start(w, [{"login": "*", "may_send_as": ["%u", f"file:{aliases}"]}])
    old = w.session()
    check(may(USER) and not may("sales@our.test"), "before")
    write(f"alice: sales@our.test, @shop.our.test\nbob: {CEO}\n")
    eventually(lambda: may("sales@our.test"), "the new address is allowed", 30)
    check(may("x@shop.our.test") and not may(CEO), "the login's own lines alone")
    refused(send(w.session(), f"From: <{CEO}>\r\n"), 550,
            f"allowed: {USER}, sales@our.test, @shop.our.test")
    refused(send(old, "From: <sales@our.test>\r\n"), 550, "in From")  # as it began
    # a fault: told, and nothing changes
    write("alice: sales@our.test\nbob nothing\n")
    w.wait_log("aliases:2: \"bob nothing\" has no colon")
    w.wait_log("its former contents go on")
    check(may("x@shop.our.test"), "the former contents")
    os.unlink(aliases)
    w.wait_log(aliases + ": cannot read it: ")
    check(may("x@shop.our.test"), "the former contents")
    # a configuration that is half written is not read along with it
    with open(w.conf, "a", encoding="utf-8") as f:
        f.write("domains = [")
    write("alice: other@our.test\n")
    eventually(lambda: may("other@our.test"), "the next contents", 30)
    check(not may("sales@our.test"), "what is gone is refused")
    # and by a signal at once
    w.write({"permissions": [{"login": "*", "may_send_as": ["%u", f"file:{aliases}"]}]})
    write("alice: third@our.test\n")
    w.signal(signal.SIGHUP)
    eventually(lambda: may("third@our.test"), "after SIGHUP", 30)
    check(w.process.poll() is None, "msad runs")


@test()
def addresses_from_a_query_count_as_soon_as_the_database_changes(w):
    def may(address):
        return send(w.session(), f"From: <{address}>\r\n", address)[0] == 250

    database = sqlite3.connect(w.path("users.db"), isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE aliases(login, address, active)")
    database.execute("INSERT INTO aliases VALUES('alice', 'sales@our.test', 1)")
    query = "SELECT login, address FROM aliases WHERE active"
    start(w, [{"login": "*", "may_send_as": ["%u", f"sqlite:{w.path('users.db')}?{query}"]}])
    check(may("sales@our.test") and not may("shop@our.test"), "at the start")
    database.execute("INSERT INTO aliases VALUES('alice@our.test', 'shop@our.test', 1)")
    eventually(lambda: may("shop@our.test"), "the new address is allowed", 30)
    database.execute("UPDATE aliases SET active = 0 WHERE address = 'sales@our.test'")
    eventually(lambda: not may("sales@our.test"), "the former one is refused", 30)
    database.execute("ALTER TABLE aliases RENAME COLUMN active TO gone")
    w.wait_log("users.db: the query cannot be run: no such column: active; its former contents")
    check(may("shop@our.test"), "the former contents")
    database.execute("ALTER TABLE aliases RENAME COLUMN gone TO active")
    database.execute("INSERT INTO aliases VALUES('alice', 'again@our.test', 1)")
    eventually(lambda: may("again@our.test"), "and further changes", 30)


@test()
def rows_in_a_folder(w):
    folder = w.path("permissions.d")
    os.mkdir(folder)

    def write(name, *rows):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(config.text({"permissions": list(rows)}))

    def may(address):
        return send(w.session(), f"From: <{address}>\r\n", address)[0] == 250

    write("10-first.conf", {"login": "alice", "may_send_as": ["%u", "first@our.test"]})
    start(w, [{"include": "permissions.d"}, {"login": "*", "may_send_as": [CEO]}])
    check(may("first@our.test") and not may(CEO), "the folder's row")
    write("10-first.conf", {"login": "alice", "may_send_as": ["%u", "second@our.test"]})
    w.signal(signal.SIGHUP)
    eventually(lambda: may("second@our.test"), "the changed row", 30)
    # faults name the file and its line, and keep what there was
    write("20-second.conf", {"login": "bob"}, {"login": "alice"})
    done = subprocess.run([f"{w.build}/msad", "-c", w.conf, "--check"], capture_output=True,
                          text=True, check=False)
    equal(done.returncode, 1)
    check(f"{folder}/20-second.conf:4: permissions[1].login: \"{USER}\" has a row already: "
          f"{folder}/10-first.conf:2; one row for each login" in done.stdout, done.stdout)
    w.signal(signal.SIGHUP)
    w.wait_log("20-second.conf:4: permissions[1].login")
    check(may("second@our.test"), "the former rows")
    os.unlink(os.path.join(folder, "10-first.conf"))
    os.unlink(os.path.join(folder, "20-second.conf"))
    w.signal(signal.SIGHUP)
    eventually(lambda: may(CEO), "the row of everybody else", 30)


@test()
def gateways_are_left_alone(w):
    """The header of a gateway goes out octet by octet, but for what is added above it."""
    receiver = start(w, [{"login": "alice", "class": "gateway",
                          "may_send_as": ["%u", "@lists.our.test"]}])
    s = w.session()
    odd = ("From : undisclosed, x@@y\r\nSender: G:;\r\nTo: list at our\r\nDate: Mon, 01 Jun 2026 "
           "10:00:00 +0000\r\nMessage-ID: <1@else.test>\r\nFrom: <other@else.test>\r\n")
    equal(send(s, odd, "list-bounces@lists.our.test")[0], 250)
    refused(send(s, odd, "other@else.test"), 550, "<other@else.test> is not")
    content = arrived(receiver)[0].content
    check(content.endswith(b"\r\n" + odd.encode() + b"Subject: rights\r\n\r\nbody\r\n"), content)
    check(content.startswith(b"Received: "), content)
    equal(content[:-len(odd)].count(b"Message-ID:"), 0)


@test()
def trusted_networks_have_their_row(w):
    start(w, [{"login": "@trusted", "may_send_as": "printer@our.test", "may_send_to": "@else.test"}],
          {"listen": [{"address": "*", "port": 587, "tls": "starttls"},
                      {"address": "127.0.0.1", "port": 2525, "tls": "none", "auth": "trusted"}],
           "auth": {"require_tls": False, "trusted_networks": ["127.0.0.0/8"]}})
    s = Wire(2525)
    s.ehlo()
    equal(send(s, "From: <printer@our.test>\r\n", "printer@our.test")[0], 250)
    refused(send(s, "From: <printer@our.test>\r\n", CEO), 550, "a client without a login may send "
            "as; allowed: printer@our.test")
    refused(send(s, f"From: <{CEO}>\r\n", "printer@our.test"), 550, f"<{CEO}> in From")
    refused(send(s, "", "printer@our.test", "bob@third.test"), 550, "may send to")


@test()
def resent_mail(w):
    receiver = start(w, [{"login": "alice", "allow_resent": True}])
    w.ctl("user", "add", "bob@our.test", "--password-stdin", stdin="p\n")
    alice, bob = w.session(), session("bob@our.test", "p")
    others = "From: <x@third.test>\r\nSender: <y@third.test>\r\n"
    equal(send(alice, f"Resent-From: <{USER}>\r\nResent-To: <bob@else.test>\r\n" + others)[0], 250)
    refused(send(alice, f"Resent-From: <{CEO}>\r\n" + others), 550, f"<{CEO}> in Resent-From")
    refused(send(alice, f"Resent-From: <{USER}>\r\nResent-Sender: <{CEO}>\r\n" + others), 550,
            "in Resent-Sender")
    refused(send(alice, others), 550, "<x@third.test> in From")
    # without the right the author must be allowed as well
    refused(send(bob, "Resent-From: <bob@our.test>\r\n" + others, "bob@our.test"), 550, "in From")
    equal(send(bob, "Resent-From: <bob@our.test>\r\nFrom: <bob@our.test>\r\n", "bob@our.test")[0],
          250)
    equal(sorted(m.header("from")[0] for m in arrived(receiver, 2)),
          ["<bob@our.test>", "<x@third.test>"])


@test(build="release", timeout=300)
def ten_thousand_rows(w):
    """They are loaded in under a second, and no session feels them."""
    def seconds():
        before = os.times()
        done = subprocess.run([f"{w.build}/msad", "-c", w.conf, "--check"], capture_output=True,
                              text=True, check=False)
        equal(done.returncode, 0, done.stdout)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - \
            before.children_system

    def time_of():
        s, start_s = w.session(), time.perf_counter()
        for _ in range(200):
            s.want(250, f"MAIL FROM:<{USER}>")
            s.want(550, f"RCPT TO:<bob@third.test>")
            s.want(250, "RSET")
        return time.perf_counter() - start_s

    def least_time():
        """Of several: the machine may be busy with something else."""
        return min(time_of() for _ in range(5))

    w.serve_dns(ZONE)
    w.write({})
    without = seconds()
    row = {"login": "alice", "may_send_to": "@else.test"}
    w.start({"permissions": [row]})
    alone = least_time()
    rows = [row] + [{"login": f"user{i}", "may_send_as": ["%u", f"alias{i}@our.test",
                                                          f"@dept{i}.our.test"]}
                    for i in range(10000)]
    w.write({"permissions": rows})
    with_rows = seconds()
    check(with_rows - without < 1, f"loading takes {with_rows - without:.2f} s")
    w.signal(signal.SIGHUP)
    w.wait_log("generation 2")
    among = least_time()
    check(among < 2 * alone + 0.1, f"{among:.3f} s among many rows, {alone:.3f} s alone")
