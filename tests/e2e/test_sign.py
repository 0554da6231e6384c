"""XRETURN, msactl sign and msactl explain: a message finished and given back, and not sent."""

import os
import re
import socket
import struct
import subprocess
import time

import dkim

from harness.case import check, equal, eventually, test
from harness.client import session
from harness.milters import opendkim
from harness.people import Authority
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message, stuffed

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
BOB = "bob@else.test"
BARE = b"From: <alice@our.test>\r\nTo: bob@else.test\r\nSubject: bare\r\n\r\n.dot\r\nx\r\n"


def octets(wire):
    """What follows the reply to the end of data, and that reply's number."""
    code, text = wire.reply()
    equal(code, 250, text)
    found = re.fullmatch(r"2\.0\.0 (\d+) octets follow", text)
    check(found, text)
    count = int(found.group(1))
    while len(wire.rest) < count:
        got = wire.sock.recv(1 << 20)
        check(got, "the connection ends within the octets")
        wire.rest += got
    message_back, wire.rest = wire.rest[:count], wire.rest[count:]
    return message_back


def ask(wire, content, mail=" XRETURN", chunk=None):
    """One transaction up to its content."""
    wire.want(250, f"MAIL FROM:<{USER}>{mail}")
    wire.want(250, f"RCPT TO:<{BOB}>")
    if chunk is None:
        wire.want(354, "DATA")
        wire.send(stuffed(content) + b".\r\n")
        return
    for at in range(0, len(content), chunk):
        part = content[at:at + chunk]
        last = at + chunk >= len(content)
        wire.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if last else b"") + part)
        if not last:
            equal(wire.reply()[0], 250, "a chunk")


def spool(w):
    return [x for x in os.listdir(os.path.join(w.state, "queue", "spool"))
            if not x.startswith(".")]


def nothing_left(w):
    eventually(lambda: spool(w) == [], f"an empty spool folder: {spool(w)}")
    equal(w.queue(), [], "the queue")


def check_finished(content, back):
    """The submitted octets are in it as they were, below what was added."""
    check(back.endswith(content), back[-200:], content[-200:])
    added = back[:len(back) - len(content)]
    for field in (b"Received: ", b"Message-ID: ", b"Date: "):
        check(re.search(rb"(?m)^" + field, added), field, added)


@test()
def octet_exact_by_every_way(w):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    wire = w.session()
    check("XRETURN" in wire.want(250, "EHLO client.test").split("\n"), "the keyword")
    binary = BARE.split(b"\r\n\r\n")[0] + b"\r\n\r\n" + bytes(range(256)) * 40 + b"\n.\n\r"
    large = BARE + b"0123456789\r\n" * 400000
    for content, mail, chunk in ((BARE, " XRETURN", None), (BARE, " XRETURN", 7),
                                 (large, " XRETURN BODY=8BITMIME", None),
                                 (large, " SIZE=4900000 XRETURN", 70000),
                                 (binary, " BODY=BINARYMIME XRETURN", 1000)):
        ask(wire, content, mail, chunk)
        check_finished(content, octets(wire))
        wire.want(250, "NOOP")
    # commands behind the end of data are answered behind the octets
    wire.send(f"MAIL FROM:<{USER}> XRETURN\r\nRCPT TO:<{BOB}>\r\n"
              f"BDAT {len(large)} LAST\r\n".encode() + large + b"NOOP\r\nQUIT\r\n")
    for _ in range(2):
        equal(wire.reply()[0], 250)
    check_finished(large, octets(wire))
    equal([wire.reply()[0], wire.reply()[0]], [250, 221])
    nothing_left(w)
    time.sleep(1)
    equal(receiver.messages, [], "what was sent")
    w.wait_log(" returned ")
    check(" accepted " not in w.log(), "it was put into the queue")


@test()
def signed_by_whoever_signs(w):
    """Milters are asked as for a message that is sent, and their changes come back."""
    w.serve_dns(ZONE)
    path = w.path("dkim.sock")
    signer = opendkim(w, "local:" + path)
    w.start({"policy": {"milters": {"socket": "unix:" + path}}})
    wire = w.session()
    ask(wire, message())
    back = octets(wire)
    check(b"\nDKIM-Signature: " in b"\n" + back, back)
    signer.kill()
    code, text = wire.say(f"MAIL FROM:<{USER}> XRETURN")
    equal(code, 451, text)
    nothing_left(w)


@test()
def our_signature_holds(w):
    """DKIM over what is returned, as over what is sent; msactl trace and explain show it."""
    w.write()
    made = w.ask("dkim", "new", "our.test", "s1")[1]
    records = {x["name"] + ".": x["record"].encode() for x in made}
    rows = [{"domain": "our.test", "selector": x["selector"], "key": x["key"]} for x in made]
    w.serve_dns(ZONE)
    w.start({"rewrite": {"dkim": rows, "rules": [
        {"match": "alice@our.test", "replace": "sales@our.test", "in": ["header"]}]},
             "permissions": [{"login": "*", "may_send_as": ["*"]}]})

    def holds(back):
        return [dkim.DKIM(back).verify(i, dnsfunc=lambda name, timeout=0: records.get(
            name.decode() if isinstance(name, bytes) else name)) for i in range(len(rows))]
    wire = w.session()
    for content in (BARE, BARE + b"0123456789\r\n" * 300000):
        ask(wire, content)
        back = octets(wire)
        check(back.startswith(b"DKIM-Signature: "), back[:200])
        check(b"\r\nFrom: <sales@our.test>\r\n" in back, back[:2000])
        equal(holds(back), [True] * len(rows), "the signatures hold")
    queue_id = re.search(r" returned .*queue=(\S+)", w.log()).group(1)
    lines = eventually(lambda: w.ask("trace", queue_id, "--diff", may_fail=True)[1], "the trace")
    equal(lines[0]["event"], "returned")
    equal([x["by"] for x in lines if "by" in x], ["server", "signature"])
    text = w.ctl("explain", letter(w, BARE), "--user", "alice")
    for part in ("+++ as changed by this server's signature\n"
                 "@@ 8.5: the domain of From has keys (DKIM) (rewrite.dkim)\n+DKIM-Signature: ",
                 "(rewrite.rules[0])\n-From: <alice@our.test>\n+From: <sales@our.test>\n"):
        check(part in text, part, "not in", text)


@test()
def clients_that_do_not_read_or_go_away(w):
    w.serve_dns(ZONE)
    w.start({"limits": {"data_timeout": "3s", "data_rate": "10K"}})
    large = BARE + b"0123456789\r\n" * 2000000
    lazy = session(USER, PASSWORD)
    lazy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ask(lazy, large)
    eventually(lambda: "unread" in w.log(), "the client that reads nothing is left", 60)
    lazy.close()
    for wait in (0.0, 0.3, 1.0):
        gone = session(USER, PASSWORD)
        ask(gone, large)
        time.sleep(wait)
        gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.sock.close()
    nothing_left(w)
    # others are served all the while, and memory is given back
    ask(s := session(USER, PASSWORD), BARE)
    check_finished(BARE, octets(s))
    s.close()
    eventually(lambda: w.status()["server"]["connections"] == 0, "no connection is left")


@test()
def killed_and_stopped_in_the_middle(w):
    """kill -9 leaves nothing once it is up again; SIGTERM waits for a client that reads."""
    w.serve_dns(ZONE)
    w.start()
    large = BARE + b"0123456789\r\n" * 2000000
    wire = session(USER, PASSWORD)
    ask(wire, large)
    wire.line()
    before = w.pid("server")
    os.kill(before, 9)
    eventually(lambda: w.serving() and w.pid("server") not in (0, before), "another server")
    nothing_left(w)
    wire = session(USER, PASSWORD)
    ask(wire, large)
    eventually(lambda: spool(w), "it is spooled")
    time.sleep(1)
    w.signal(15)
    check_finished(large, octets(wire))
    equal(w.process.wait(30), 0, "exit code")
    equal(spool(w), [], "the spool folder")


@test()
def refusals_are_those_of_sending(w):
    w.serve_dns(ZONE)
    w.start({"permissions": [{"login": "*", "messages_per_hour": 2}]})
    wire = w.session()
    equal(wire.say("MAIL FROM:<other@our.test> XRETURN")[0], 550)
    equal(wire.say(f"MAIL FROM:<{USER}> XRETURN RET=FULL")[0], 501)
    equal(wire.say(f"MAIL FROM:<{USER}> XRETURN=EXPLAIN")[0], 501)
    ask(wire, b"From: <other@our.test>\r\n\r\nx\r\n")
    equal(wire.reply()[0], 550)
    ask(wire, b"no header\r\n\r\nx\r\n")
    equal(wire.reply()[0], 554)
    for _ in range(2):
        ask(wire, BARE)
        octets(wire)
    wire.want(250, f"MAIL FROM:<{USER}> XRETURN")
    wire.want(250, f"RCPT TO:<{BOB}>")
    code, text = wire.say("DATA")
    equal(code, 450, text)
    check("permissions[].messages_per_hour" in text, text)
    w.wait_empty()  # people are told of the budget
    nothing_left(w)


@test()
def recipients_are_known_from_then_on(w):
    """As if the message had been sent; also to the next process."""
    w.serve_dns(ZONE)
    w.start({"permissions": [{"login": "*", "new_recipients_per_day": 1,
                              "over_budget": "refuse"}]})
    wire = w.session()
    ask(wire, BARE)
    octets(wire)
    w.submit(BOB)
    w.stop()
    w.launch()
    w.wait_ready()
    w.submit(BOB)
    wire = w.session()
    wire.want(250, f"MAIL FROM:<{USER}>")
    wire.want(250, "RCPT TO:<carl@else.test>")
    equal(wire.say("DATA")[0], 450)


@test()
def too_many_hold_what_is_sent(w):
    """Of the login's budget, which the operator's tool does not spend."""
    w.serve_dns(ZONE)
    w.start({"permissions": [{"login": "*", "messages_per_hour": 2}]})
    for _ in range(3):
        w.ctl("sign", letter(w, BARE), "--user", "alice")
    w.submit(BOB)  # nobody is there to take it
    wire = w.session()
    ask(wire, BARE)
    octets(wire)
    check(not any(row["held"] for row in w.queue()), w.queue())
    wire.want(250, "MAIL FROM:<> XRETURN")
    wire.want(250, f"RCPT TO:<{BOB}>")
    equal(wire.say("DATA")[0], 450)
    eventually(lambda: all(row["held"] for row in w.queue()), "it is held")
    equal(w.log().count("budget-broken"), 1)


@test()
def switched_off(w):
    w.serve_dns(ZONE)
    w.start({"extensions": {"off": ["XRETURN", "CHUNKING"]}})
    wire = w.session()
    check("XRETURN" not in wire.want(250, "EHLO client.test"), "the keyword")
    code, text = wire.say(f"MAIL FROM:<{USER}> XRETURN")
    equal(code, 555, text)
    check("extensions.off" in text, text)
    check("XRETURN" in w.ctl("extensions"), "msactl extensions")
    with open(w.path("letter"), "wb") as f:
        f.write(BARE)
    w.ctl("sign", w.path("letter"), "--user", USER)  # the operator's tool does not need it


# ---- msactl sign, msactl explain ----

def letter(w, content):
    with open(w.path("letter"), "wb") as f:
        f.write(content)
    return w.path("letter")


@test()
def sign_writes_the_message(w):
    """What msactl prints is what a client gets, octet for octet, of any size."""
    w.serve_dns(ZONE)
    w.start()

    def sign(content, *words, name=None):
        return subprocess.run([f"{w.build}/msactl", "-c", w.conf, "sign", letter(w, content),
                               *words], capture_output=True, env=w.environment, timeout=120,
                              check=False)
    for content in (BARE, BARE.replace(b"\r\n", b"\n"),
                    BARE + b"0123456789\n" * 1000000, BARE.replace(b"bare", "grün".encode())):
        done = sign(content, "--user", "alice")
        equal(done.returncode, 0, done.stderr)
        check_finished(re.sub(rb"\r?\n", b"\r\n", content), done.stdout)
    for words, code, said in (
            (("--user", "alice", "--from", "other@our.test"), 1, "refused at MAIL"),
            (("--user", "alice", "--to", "a@b@c"), 1, "refused at RCPT"),
            (("--user", "nobody@nowhere.test"), 2, "nowhere.test"),
            ((), 2, "--user"),
            (("--user", "alice", "--milters"), 2, "--milters")):
        done = sign(BARE, *words)
        equal((done.returncode, done.stdout), (code, b""), f"{words} {done.stderr}")
        check(said in done.stderr.decode(), said, done.stderr)
    done = sign(b"From: <alice@our.test>\n\nx\n", "--user", "alice")
    equal((done.returncode, done.stdout), (2, b""), "without a recipient")
    done = sign(b"bad header\nTo: bob@else.test\n\nx\n", "--user", "alice", "--to", BOB)
    equal((done.returncode, done.stdout), (1, b""), "a bad header")
    check("refused at DATA: 554 5.6.0" in done.stderr.decode(), done.stderr)
    nothing_left(w)


@test()
def explain_tells_all_and_sends_nothing(w):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    path = w.path("dkim.sock")
    opendkim(w, "local:" + path)
    w.start({"policy": {"milters": {"socket": "unix:" + path}},
             "permissions": [{"login": "*", "messages_per_hour": 1, "over_budget": "refuse"}]})
    file = letter(w, BARE)
    for _ in range(3):  # budgets are not spent
        text = w.ctl("explain", file, "--user", "alice", "--to", BOB, "--to", "carl@else.test")
    for part in ("accepted  as alice@our.test; nothing was sent\n", "from      <alice@our.test>\n",
                 "to        <bob@else.test>\nto        <carl@else.test>\n",
                 "@@ 8.2: Date was missing (rewrite.add_date)\n+Date: ", " Subject: bare\n",
                 "route     to <bob@else.test>\n", "mx.else.test"):
        check(part in text, part, "not in", text)
    check("DKIM-Signature" not in text, "milters were asked")
    text = w.ctl("explain", file, "--user", "alice", "--milters")
    check(f"+++ as changed by milter unix:{path}" in text and "+DKIM-Signature: " in text, text)

    code, lines = w.ask("explain", file, "--user", USER)
    equal((code, lines[0]["verdict"], lines[1]["to"]), (0, "accepted", [BOB]))
    equal(lines[2]["submitted"].encode(), BARE.split(b"\r\n\r\n")[0] + b"\r\n\r\n")
    check(any(x.get("route") == BOB for x in lines), lines)
    check(any(x.get("verdict") == "deliver" for x in lines), lines)

    for content, words, said in (
            (BARE, ("--from", "x@our.test"), "refused   at MAIL <x@our.test>: 550 5.7.1 "),
            (BARE, ("--to", "x@"), "refused   at RCPT <x@>: 5"),
            (b"nonsense\n\n", ("--to", BOB), "refused   at DATA: 554 5.6.0 "),
            (b"From: <boss@our.test>\nTo: bob@else.test\n\nx\n", (),
             "in From is not an address that alice@our.test may send as")):
        text = w.ctl("explain", letter(w, content), "--user", "alice", *words, code=1)
        check(said in text, said, "not in", text)
    equal(w.msactl("explain", w.path("missing"), "--user", "alice").returncode, 1)
    nothing_left(w)
    equal(receiver.messages, [], "what was sent")
    check(" refused " not in w.log() and " reply " not in w.log(), "refusals were noted")
    w.submit(BOB)  # the budget is whole


@test()
def explain_tells_each_form(w):
    """Of recipients that are encrypted to, of others, and of those that have to be and cannot be."""
    authority = Authority(w.path("people"))
    os.makedirs(w.path("recipients"))
    authority.person(BOB).publish(w.path("recipients"))
    w.serve_dns(ZONE)
    w.start({"rewrite": {"encrypt": [{"to": "must@else.test", "policy": "require"}, {"to": "*"}],
                         "certificates": [w.path("recipients")]}})
    file = letter(w, BARE)
    code, lines = w.ask("explain", file, "--user", USER, "--to", BOB, "--to", "carl@else.test")
    equal(code, 0)
    forms = [x["to"] for x in lines if "to" in x]
    equal(sorted(forms), [[BOB], ["carl@else.test"]])
    equal(len([x for x in lines if x.get("by") == "smime"]), 1, "one form is encrypted")
    check(any("8.6" == r["section"] for x in lines for r in x.get("reasons", [])), lines)
    equal([x["route"] for x in lines if "route" in x], sum(forms, []))
    text = w.ctl("explain", file, "--user", USER, "--to", BOB, "--to", "must@else.test", code=1)
    check("refused   at DATA: 550 5.7.5 " in text and "<must@else.test>" in text, text)
    nothing_left(w)


@test()
def explain_is_for_the_operator(w):
    """Not without the daemon; the socket is root's, and a session of it begins with no password but
    ends as any other."""
    w.serve_dns(ZONE)
    w.start()
    file = letter(w, BARE)
    control = os.path.join(w.state, "control.sock")
    equal(os.stat(control).st_mode & 0o777, 0o600, "mode of the control socket")
    for request, said in ((b'{"command":"session"}', b'"code":2'),
                          (b'{"command":"session","user":"x@nowhere.test"}', b'"code":2'),
                          (b'{"command":"session","user":"a\\u0007@our.test"}', b'"code":2')):
        s = socket.socket(socket.AF_UNIX)
        s.connect(control)
        s.sendall(request + b"\n")
        answer = b""
        while got := s.recv(4096):
            answer += got
        check(said in answer, answer)
    s = socket.socket(socket.AF_UNIX)
    s.connect(control)
    s.sendall(b'{"command":"session","user":"alice"}\n')
    check(s.recv(4096).startswith(b"220 "), "a greeting")
    s.sendall(b"EHLO x\r\n")
    check(s.recv(4096).startswith(b"250-"), "EHLO")
    s.sendall(b"MAIL FROM:<alice@our.test>\r\n")
    check(s.recv(4096).startswith(b"501 5.5.4 "), "it submits nothing")
    equal(w.msactl("sign", file, "--user", "alice").stderr, "")
    w.ctl("user", "disable", "alice")
    check(s.recv(4096).startswith(b"421 "), "it ends with its login")
    check("alice@our.test is disabled" in w.msactl("sign", file, "--user", "alice").stderr)
    check("there is no such user" in w.msactl("explain", file, "--user", "ghost").stderr)
    w.ctl("status")
    w.stop()
    equal(w.msactl("explain", file, "--user", "alice").returncode, 3, "without a daemon")
