"""msactl: every command, as text and as JSON, and its exit codes."""

import json
import re
import subprocess
import threading

from harness.case import check, equal, eventually, test
from harness.client import session
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
other.test. MX 10 mx.other.test.
mx.other.test. A {NETWORK}11
"""


def login(user, password):
    s = session()
    try:
        return s.plain(user, password)[0]
    finally:
        s.close()


@test()
def users_come_and_go_while_it_runs(w):
    w.start()
    w.ctl("user", "add", "bob", "--password-stdin", stdin="secret of bob\n")
    equal(login("bob@our.test", "secret of bob"), 235)
    check("bob@our.test" in w.ctl("user", "list"), "bob is listed")
    equal(sorted(u["login"] for u in w.ask("user", "list")[1]), ["alice@our.test", "bob@our.test"])
    equal([u["cleartext"] for u in w.ask("user", "list")[1]], [False, False])
    w.ctl("user", "add", "bob", "--password-stdin", stdin="again\n", code=1)
    s = session("bob@our.test", "secret of bob")
    w.ctl("user", "passwd", "bob", "--password-stdin", stdin="new one\n")
    equal(login("bob@our.test", "secret of bob"), 535, "the old password")
    equal(login("bob@our.test", "new one"), 235, "the new password")
    # a session that was open under the old password ends
    try:
        code = s.say("MAIL FROM:<bob@our.test>")[0]
        check(code in (421, 530), f"the old session goes on: {code}")
    except (EOFError, OSError):
        pass
    w.ctl("user", "delete", "bob")
    equal(login("bob@our.test", "new one"), 535, "a deleted user")
    w.ctl("user", "delete", "bob", code=1)
    w.ctl("user", "passwd", "nobody", "--password-stdin", stdin="x\n", code=1)
    w.ctl("user", "add", "x@foreign.test", "--password-stdin", stdin="x\n", code=1)
    done = subprocess.run(["grep", "-c", "-r", "new one", w.state], capture_output=True, check=False)
    check(b"sasldb2:0" in done.stdout, "a clear-text password in the database", done.stdout)


@test()
def users_without_the_daemon(w):
    w.write()
    w.ctl("user", "add", "carol", "--password-stdin", stdin="secret\n")
    equal([u["login"] for u in w.ask("user", "list")[1]], ["carol@our.test"])
    w.start()
    equal(login("carol@our.test", "secret"), 235)
    equal(sorted(u["login"] for u in w.ask("user", "list")[1]), ["alice@our.test", "carol@our.test"])


@test()
def users_at_the_same_time(w):
    """Eight msactl at once, with logins meanwhile: nobody is lost, no login fails."""
    w.start()
    codes, logins = [], []
    stop = threading.Event()

    def add(number):
        for i in range(4):
            done = w.msactl("user", "add", f"u{number}x{i}", "--password-stdin", stdin="pw\n")
            codes.append((done.returncode, done.stderr))

    def log_in():
        while not stop.is_set():
            logins.append(login(USER, PASSWORD))
    threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    other = threading.Thread(target=log_in)
    other.start()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    stop.set()
    other.join()
    equal({c[0] for c in codes}, {0}, f"exit codes {codes}")
    equal(len(w.ask("user", "list")[1]), 33, "users")
    equal(set(logins), {235}, "logins meanwhile")


@test()
def database_of_saslpasswd2_works(w):
    """Clear-text entries made by Cyrus SASL's own tool, also for SCRAM."""
    w.write()
    w.ctl("user", "add", "someone", "--password-stdin", stdin="x\n")
    path = f"{w.state}/auth/sasldb2"
    owner = subprocess.run(["stat", "-c", "%u:%g", path], capture_output=True, text=True, check=True)
    subprocess.run(["saslpasswd2", "-p", "-c", "-f", path, "-u", "our.test", "old"],
                   input=b"old password", check=True)
    subprocess.run(["chown", owner.stdout.strip(), path], check=True)
    w.start()
    equal(login("old@our.test", "old password"), 235)
    for mechanism in ("login", "scram"):
        equal(getattr(session(), mechanism)("old@our.test", "old password")[0], 235, mechanism)
    listed = {u["login"]: u["cleartext"] for u in w.ask("user", "list")[1]}
    equal(listed["old@our.test"], True, "marked as clear text")


@test()
def queue_commands(w):
    w.serve_dns(ZONE)
    w.start({"queue": {"retry": ["1h"]}})
    first = w.submit(["bob@else.test", "carol@other.test"], message("first"))
    second = w.submit("dave@else.test", message("second"))
    for queue_id in (first, second):
        w.wait_event(queue_id, "deferred")
    eventually(lambda: all(q["text"] for q in w.queue()), "each was tried once")
    equal(sorted((q["id"], q["to"], q["from"]) for q in w.queue()),
          sorted([(first, "bob@else.test", USER), (first, "carol@other.test", USER),
                  (second, "dave@else.test", USER)]))
    for filters, count in ((["--domain", "else.test"], 2), (["--to", "carol@other.test"], 1),
                           (["--from", USER], 3), (["--user", USER], 3), ([second], 1),
                           (["--older", "1h"], 0), (["--error", "refused"], 3),
                           (["--domain", "nobody.test"], 0)):
        equal(len(w.ask("queue", "list", *filters)[1]), count, f"queue list {filters}")
    text = w.ctl("queue", "list")
    check(all(x in text for x in (first, second, "carol@other.test", "deferred")), text)
    shown = w.ask("queue", "show", first)[1]
    equal(sorted(q["to"] for q in shown), ["bob@else.test", "carol@other.test"])
    check("carol@other.test" in w.ctl("queue", "show", first), "queue show")
    w.ctl("queue", "show", "0000000000000000", code=1)
    w.ctl("queue", "show", code=2)
    equal({s["domain"]: s["recipients"] for s in w.ask("queue", "summary")[1]},
          {"else.test": 2, "other.test": 1})
    check("other.test" in w.ctl("queue", "summary"), "queue summary")

    told = w.ask("queue", "hold", "--domain", "other.test", "--dry-run")[1]
    equal([q.get("to") for q in told], ["carol@other.test", None], "rows, and at the end the count")
    equal(told[-1], {"recipients": 1, "dry_run": True})
    equal([q["held"] for q in w.queue()].count(True), 0, "held after --dry-run")
    w.ctl("queue", "hold", "--domain", "other.test")
    equal([q["to"] for q in w.queue() if q["held"]], ["carol@other.test"])
    w.ctl("queue", "hold", code=2)
    receivers = Receiver(NETWORK + "10"), Receiver(NETWORK + "11")
    w.ctl("queue", "retry")
    eventually(lambda: len(receivers[0].messages) == 2, "both for else.test")
    eventually(lambda: [q["to"] for q in w.queue()] == ["carol@other.test"], "the held one stays")
    equal(receivers[1].messages, [], "delivered though held")
    w.ctl("queue", "retry", "--to", "carol@other.test", code=1)
    w.ctl("queue", "release", "--to", "carol@other.test")
    w.ctl("queue", "retry", "--to", "carol@other.test")
    eventually(lambda: receivers[1].messages, "after the release")
    w.wait_empty()
    w.ctl("queue", "delete", "--domain", "else.test", code=1)
    for r in receivers:
        r.close()
    third = w.submit("erin@else.test")
    w.wait_event(third, "deferred")
    w.ctl("queue", "delete", code=2)
    equal(w.ask("queue", "delete", third)[1], [{"recipients": 1, "dry_run": False}])
    equal(w.queue(), [])


@test()
def trace_tells_what_happened(w):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    queue_id = w.submit("bob@else.test", message("traced", extra=b"X-Id: 1\r\n").replace(
        b"Message-ID: <traced.", b"Message-ID: <unique-traced."))
    eventually(lambda: receiver.messages, "arrives")
    w.wait_event(queue_id, "delivered")
    events = w.trace(queue_id)
    equal([e["event"] for e in events], ["accepted", "delivered"])
    equal((events[0]["login"], events[0]["client"]), (USER, "127.0.0.1"))
    check("mx.else.test" in events[1]["remote"], events[1])
    check(events[1]["status"].startswith("2."), events[1])
    message_id = receiver.messages[0].header("message-id")[0]
    for words in (["--message-id", message_id], ["--message-id", message_id.strip("<>")],
                  ["--user", USER, "--since", "1h"], ["--to", "bob@else.test"], ["--from", USER]):
        check(any(e["id"] == queue_id for e in w.ask("trace", *words)[1]), words)
    check("delivered" in w.ctl("trace", queue_id), "as text")
    w.ctl("trace", "0000000000000000", code=1)


@test()
def a_refusal_is_found_by_its_id(w):
    w.start()
    s = w.session()
    code, text = s.say("MAIL FROM:<mallory@our.test>")
    equal(code, 550, text)
    session_id = re.search(r" \[([0-9a-z]{10})\]$", text)[1]
    events = w.wait_event(session_id, "refused")
    equal(len(events), 1)
    equal((events[0]["login"], events[0]["from"], events[0]["client"], events[0]["status"]),
          (USER, "mallory@our.test", "127.0.0.1", "5.7.1"))
    equal(events[0]["text"], f"{code} {text}")
    check(text in w.ctl("trace", session_id), "as text")
    check(f"session={session_id}" in w.log(), "the log has the id, too")
    for words in (["--user", USER], ["--from", "mallory", "--since", "1h"]):
        check(any(e["id"] == session_id for e in w.ask("trace", *words)[1]), words)


@test()
def stats_tell_who_has_trouble(w):
    w.start()
    equal(login(USER, "wrong"), 535)
    s = w.session()
    s.say("MAIL FROM:<mallory@our.test>")
    s.say("MAIL FROM:<mallory@our.test>")
    s.say("NONSENSE")
    w.submit("bob@else.test", wire=s)

    def look():
        counters, *clients = w.ask("stats")[1]
        return (counters, clients) if len(clients) == 2 else None
    counters, clients = eventually(look, "both clients in the table")
    equal((counters["accepted_messages"], counters["sessions"], counters["logins"],
           counters["failed_logins"]), (1, 2, 1, 1))
    equal(counters["refused_replies"], {"5.5": 1, "5.7": 3})
    check(counters["accepted_bytes"] > 100, counters)
    equal([(c["client"], c["login"], c["today"]) for c in clients],
          [("127.0.0.1", USER, 3), ("127.0.0.1", "", 1)])
    equal(sorted((kind, n["today"]) for kind, n in clients[0]["kinds"].items()),
          [("sender", 2), ("syntax", 1)])
    check("mallory@our.test" in clients[0]["kinds"]["sender"]["example"], clients[0])
    equal(list(clients[1]["kinds"]), ["login"])
    w.ctl("reload")
    equal(len(w.ask("stats")[1]), 3, "a reload keeps the table")
    text = w.ctl("stats")
    check("CLIENT WITH TROUBLE" in text and USER in text, text)


@test()
def route_explains(w):
    w.serve_dns(ZONE + "null.test. MX 0 .\n")
    w.start({"relay": {"routes": [{"domain": "static.test", "to": "smtp://192.0.2.9:2525"}]}})
    lines = w.ask("route", "bob@else.test")[1]
    attempts = [x for x in lines if "attempt" in x]
    equal([(a["host"], a["address"]) for a in attempts], [("mx.else.test", f"{NETWORK}10:25")])
    equal([x["verdict"] for x in lines if "verdict" in x], ["deliver"])
    check("mx.else.test" in w.ctl("route", "bob@else.test"), "as text")
    equal([(x["verdict"], x["status"]) for x in w.ask("route", "b@null.test")[1] if "verdict" in x],
          [("failed", "5.1.10")])
    equal([x["address"] for x in w.ask("route", "b@static.test")[1] if "attempt" in x],
          ["192.0.2.9:2525"])
    w.ctl("route", code=2)


@test()
def status_and_config(w):
    w.start()
    w.submit("bob@nowhere.test")
    s = w.status()
    equal(s["master"]["hostname"], "mail.our.test")
    equal(s["server"]["accepted_messages"], 1)
    equal(s["server"]["logins"], 1)
    equal(s["server"]["queue"]["accepting"], True)
    text = w.ctl("status")
    check("server.queue.messages" in text and "master.pid" in text, text)
    shown = w.ctl("config", "show")
    check('hostname = "mail.our.test"' in shown and "connections_per_client = 1000" in shown, shown)
    check("retry" in w.ask("config", "show")[1][0]["config"], "as JSON")
    # what is shown is a configuration that can be read
    with open(w.path("shown.conf"), "w", encoding="utf-8") as f:
        f.write(shown)
    done = subprocess.run([f"{w.build}/msad", "-c", w.path("shown.conf"), "--check"],
                          capture_output=True, text=True, env=w.environment, check=False)
    equal(done.returncode, 0, f"msad --check of config show: {done.stdout}{done.stderr}")


@test()
def faults_are_all_reported(w):
    """--check and msactl check: each fault with file, line, key, reason and what would be right."""
    w.write()
    with open(w.conf, "a", encoding="utf-8") as f:
        f.write('shutdown_grace = "0s";\nworkers = 99999999999999;\nlimitz = { };\n')
    with open(w.conf, encoding="utf-8") as f:
        lines = f.read().splitlines()
    for command in ([f"{w.build}/msad", "-c", w.conf, "--check"],
                    [f"{w.build}/msactl", "-c", w.conf, "check"]):
        done = subprocess.run(command, capture_output=True, text=True, env=w.environment, check=False)
        equal(done.returncode, 1, f"{command}: {done.stdout}{done.stderr}")
        for key in ("shutdown_grace", "workers", "limitz"):
            number = max(i for i, line in enumerate(lines, 1) if line.startswith(key))
            check(f"{w.conf}:{number}: {key}: " in done.stdout, f"line of {key}:\n{done.stdout}")
        check("limits" in done.stdout.split("limitz")[1], "the nearest name")
    faults = w.ask("check", may_fail=True)
    equal(faults[0], 1)
    check({"file", "line", "key", "wrong", "right"} <= set(faults[1][0]), faults)
    w.write()
    equal(w.msactl("check").returncode, 0)


@test()
def wrong_usage_and_no_daemon(w):
    w.write()
    for words in ([], ["nonsense"], ["queue"], ["queue", "nonsense"], ["status", "extra"],
                  ["queue", "list", "--nonsense"], ["queue", "list", "--older", "x"],
                  ["user", "add"], ["trace", "--since"]):
        equal(w.msactl(*words).returncode, 2, f"exit code of msactl {words}")
    for words in (["status"], ["queue", "list"], ["reload"], ["stop"], ["trace"],
                  ["config", "show"], ["route", "a@b.test"]):
        done = w.msactl(*words)
        equal(done.returncode, 3, f"exit code of msactl {words}: {done.stderr}")
        check("admin.socket" in done.stderr, done.stderr)
    equal(w.msactl("--help").returncode, 0)
    done = subprocess.run([f"{w.build}/msactl", "-c", "/nonexistent", "status"], capture_output=True,
                          text=True, env=w.environment, check=False)
    equal(done.returncode, 1)
    check("/nonexistent" in done.stderr, done.stderr)


@test()
def bad_control_requests(w):
    """Straight to the control socket: each gets an answer, and the next client is served."""
    import socket
    w.start()
    for request in (b"not json\n", b"{}\n", b'{"command": 7}\n', b'{"command": "nonsense"}\n',
                    b'{"command": "queue-show"}\n', b"[1,2]\n", b'"x"\n', b"\n",
                    b'{"command": "queue-list", "older": "soon", "id": 9}\n',
                    b"x" * 200000 + b"\n", b"[" * 50000 + b"\n"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        s.connect(f"{w.state}/control.sock")
        try:
            s.sendall(request)
        except BrokenPipeError:
            pass
        got = b""
        try:
            while more := s.recv(65536):
                got += more
        except ConnectionResetError:
            pass
        if got:
            last = json.loads(got.splitlines()[-1])
            equal(last["end"], True, f"answer to {request[:40]!r}")
            if b"older" not in request:
                equal(last["code"], 2, f"code for {request[:40]!r}: {last}")
        s.close()
    check(w.serving(), "still serving")


def second_recipient(w):
    """The reply to a second RCPT in a new session."""
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<a@else.test>")
    code = s.say("RCPT TO:<b@else.test>")[0]
    s.close()
    return code


@test()
def reload_takes_good_and_refuses_faulty(w):
    import signal
    w.start()
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    w.write({"limits": {"recipients": 1}})
    w.ctl("reload")
    s.want(250, "RCPT TO:<a@else.test>")
    s.want(250, "RCPT TO:<b@else.test>")
    # the answer to "reload" means that every new session is under it
    for _ in range(8):
        equal(second_recipient(w), 452, "a new session has the new limit")
    generation = w.status()["master"]["generation"]
    for over in ({"limits": {"recipients": -3}}, {"tls": [{"certificate": "/nonexistent",
                                                          "key": w.certificate[1]}]}):
        w.write(over)
        done = w.msactl("reload")
        equal(done.returncode, 1, "reload of a faulty configuration")
        check("recipients" in done.stderr or "certificate" in done.stderr, done.stderr)
    equal(w.status()["master"]["generation"], generation, "generation after refused reloads")
    equal(second_recipient(w), 452, "the former configuration goes on")
    w.write({"limits": {"recipients": 7}})
    w.signal(signal.SIGHUP)
    eventually(lambda: w.status()["master"]["generation"] > generation, "SIGHUP")
    eventually(lambda: second_recipient(w) == 250, "the limit of the third generation")
    # what cannot be reloaded is said
    w.write({"workers": 1})
    w.ctl("reload")
    w.wait_log("workers: the new value counts at the next start")
    equal(s.data(message())[0], 250, "the old session lives")


@test()
def a_new_certificate_without_a_restart(w):
    import shutil
    import socket
    from harness.client import tls_context
    cert, key = w.path("c.pem"), w.path("k.pem")

    def make(name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
                        "-subj", f"/CN={name}", "-keyout", key, "-out", cert], check=True,
                       stderr=subprocess.DEVNULL)

    def served():
        with tls_context().wrap_socket(socket.create_connection(("127.0.0.1", 465), 30)) as s:
            return s.getpeercert(True)
    make("first.our.test")
    w.start({"tls": [{"certificate": cert, "key": key}]})
    old, s = served(), w.session()
    make("second.our.test")
    w.ctl("reload")
    eventually(lambda: served() != old, "the new certificate")
    now = served()
    s.want(250, "NOOP")
    # a key that does not belong to it is refused
    shutil.copy(w.certificate[1], key)
    done = w.msactl("reload")
    equal(done.returncode, 1, done.stdout + done.stderr)
    check("key" in done.stderr, done.stderr)
    equal(served(), now, "the former certificate goes on")


@test()
def log_as_json(w):
    w.start({"log": {"format": "json"}})
    w.submit("bob@nowhere.test", message('quotes"in subject'))
    session().plain('a"b\\c@our.test', "x")
    lines = [line for line in w.log().splitlines() if line.startswith("{")]
    events = {json.loads(line)["event"] for line in lines}
    check({"ready", "login", "accepted"} <= events, events)


@test()
def stop_ends_it(w):
    w.start()
    w.ctl("stop")
    equal(w.process.wait(30), 0, "exit code")
    w.ctl("status", code=3)
