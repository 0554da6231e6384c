"""The keeper's own store of users: states, roles, app passwords, further mechanisms, last logins,
and what happens when it cannot be read."""

import base64
import os
import re
import signal
import smtplib
import sqlite3
import subprocess
import threading
import time

from harness.case import check, equal, eventually, test
from harness.client import session, smtplib_session
from harness.mailers import name_the_server
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
EVERY = ["SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5"]
SECRET = re.compile(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}")


def reply(mechanism, user=USER, password=PASSWORD):
    """The reply to a whole exchange."""
    s = session()
    try:
        if mechanism.startswith("SCRAM"):
            return s.scram(user, password, mechanism)
        if mechanism == "CRAM-MD5":
            code, text = s.say("AUTH CRAM-MD5")
            equal(code, 334, text)
            challenge = base64.b64decode(text)
            digest = smtplib.hmac.HMAC(password.encode(), challenge, "md5").hexdigest()
            return s.say(base64.b64encode(f"{user} {digest}".encode()).decode())
        return getattr(s, mechanism.lower())(user, password)
    finally:
        s.close()


def code(mechanism, user=USER, password=PASSWORD):
    return reply(mechanism, user, password)[0]


def ended(s):
    """Whether the session ends: 421, or the connection closed."""
    try:
        return s.say("NOOP")[0] == 421
    except (EOFError, OSError):
        return True


def show(w, name="alice"):
    return w.ask("user", "show", name)[1][0]


def add_app(w, label, name="alice"):
    return w.ask("user", "app", "add", name, label)[1][0]["secret"]


@test()
def a_disabled_user_is_out_at_once(w):
    w.start({"auth": {"mechanisms": EVERY, "store_cleartext": True}})
    open_sessions = [w.session() for _ in range(3)]
    phone = add_app(w, "phone")
    w.ctl("user", "disable", "alice", "--reason", "sends spam")
    for s in open_sessions:
        check(ended(s), "a session of a disabled user goes on")
    for mechanism in EVERY:
        wrong = reply(mechanism, password="wrong")
        equal(wrong[0], 535)
        got = reply(mechanism)
        equal((got[0], got[1].split("[")[0]), (535, wrong[1].split("[")[0]), mechanism)
    equal(code("PLAIN", password=phone), 535, "by an app password")
    equal(code("SCRAM-SHA-256", "alice/phone@our.test", phone), 535, "by an app password")
    w.wait_log("login-disabled")
    check(re.search(r"login-disabled .*client=127.0.0.1 .*mechanism=SCRAM-SHA-512 .*"
                    r"login is disabled: sends spam", w.log()), "the log says why")
    equal((show(w)["state"], show(w)["reason"]), ("disabled", "sends spam"))
    equal(w.ask("user", "list")[1][0]["state"], "disabled")
    w.ctl("user", "passwd", "alice", "--password-stdin", stdin="another\n")
    equal(code("PLAIN", password="another"), 535, "a password does not enable")
    w.ctl("user", "unlock", "alice", code=1)
    w.ctl("user", "enable", "alice")
    for mechanism in EVERY:
        equal(code(mechanism, password="another"), 235, mechanism)
    equal(show(w)["state"], "enabled")


@test()
def app_passwords_of_programs(w):
    name_the_server(w.dir)
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    said = w.ctl("user", "app", "add", "alice", "phone").splitlines()
    equal(said[0], "alice@our.test: app password phone added")
    check(SECRET.fullmatch(said[1]), "a secret of letters and digits", said)
    phone, tablet = said[1], add_app(w, "tablet")
    # under the plain name with the programs' own mechanisms, as alice
    s = smtplib_session(USER, phone)
    s.sendmail(USER, ["bob@else.test"], message("by-phone"))
    s.quit()
    swaks = ["swaks", "--server", "127.0.0.1", "--port", "587", "--tls", "--from", USER, "--to",
             "bob@else.test", "--auth-user", USER, "--auth-password"]
    for mechanism in ("PLAIN", "LOGIN"):
        done = subprocess.run([*swaks, tablet, "--auth", mechanism], capture_output=True, text=True,
                              check=False)
        equal(done.returncode, 0, done.stdout)
    gsasl = ["gsasl", "--smtp", "--connect", "mail.our.test:587", "-z", "",
             f"--x509-ca-file={w.certificate[0]}", "--no-cb", "-m", "SCRAM-SHA-256"]
    for user, password, works in (("alice/phone@our.test", phone, True),
                                  ("alice/phone", phone, True),
                                  ("alice/phone", tablet, False), ("alice/phone", PASSWORD, False),
                                  (USER, phone, False), ("alice/none", phone, False)):
        done = subprocess.run([*gsasl, "-a", user, "-p", password], capture_output=True, text=True,
                              check=False, timeout=30, stdin=subprocess.DEVNULL)
        equal(done.returncode == 0, works, f"{user}: {done.stdout}{done.stderr}")
    equal(len(eventually(lambda: len(receiver.messages) == 3 and receiver.messages, "three")), 3)

    def used():
        apps = {a["label"]: a for a in w.ask("user", "app", "list", "alice")[1]}
        return apps if all(a["used_ms"] for a in apps.values()) else None
    apps = eventually(used, "last use is written")
    equal({a["used_from"] for a in apps.values()}, {"127.0.0.1"})
    check(abs(apps["phone"]["used_ms"] / 1000 - time.time()) < 60, apps)
    places = {(p["label"], p["mechanism"]): p["count"] for p in show(w)["logins"]}
    equal(places[("tablet", "LOGIN")], 1, places)
    equal(places[("phone", "SCRAM-SHA-256")], 2, places)
    text = w.ctl("user", "show", "alice")
    for part in ("phone            made ", "from 127.0.0.1", "app password tablet, 1 times"):
        check(part in text, part, text)
    check(phone not in text and tablet not in text, "a secret is shown again")
    # revoked: out, and nothing else is
    by_phone, others = session(USER, phone), [session(USER, tablet), w.session()]
    equal(code("PLAIN", password=phone), 235, "proven a moment ago")
    w.ctl("user", "app", "revoke", "alice", "phone")
    check(ended(by_phone), "a session by a revoked app password goes on")
    for s in others:
        equal(s.say("NOOP")[0], 250, "a session by another password")
    check(re.search(r" login session=\w+ client=127.0.0.1 mechanism=PLAIN login=alice@our.test: "
                    r"app password phone\n", w.log()), "the log names the app password")
    equal([code("PLAIN", password=phone), code("SCRAM-SHA-256", "alice/phone", phone)], [535, 535])
    equal([code("PLAIN", password=tablet), code("PLAIN")], [235, 235])
    w.ctl("user", "app", "revoke", "alice", "phone", code=1)
    w.ctl("user", "passwd", "alice", "--password-stdin", stdin="another\n")
    equal(code("LOGIN", password=tablet), 235, "an app password outlives the main one")
    w.ctl("user", "delete", "alice")
    equal(code("PLAIN", password=tablet), 535, "of a deleted user")
    w.ctl("user", "add", "alice", "--password-stdin", stdin="again\n")
    equal([code("PLAIN", password=tablet), w.ask("user", "app", "list", "alice")[1]], [535, []])
    done = subprocess.run(["grep", "-r", "-l", "-e", phone, "-e", tablet, w.state, w.path("log")],
                          capture_output=True, text=True, check=False)
    equal(done.stdout, "", "a secret is in a file")


@test()
def mechanisms_need_a_verifier(w):
    w.start()
    w.write({"auth": {"mechanisms": EVERY, "store_cleartext": True}})
    w.ctl("reload")
    usable = {m["name"]: m["usable"] for m in show(w)["mechanisms"]}
    equal(usable, {m: m in ("SCRAM-SHA-256", "PLAIN", "LOGIN") for m in EVERY})
    check("auth.mechanisms[1]: warning: 1 login cannot use SCRAM-SHA-512" in w.ctl("check"))
    check("not usable    SCRAM-SHA-512 SCRAM-SHA-1 CRAM-MD5" in w.ctl("user", "show", "alice"))
    for mechanism in EVERY:
        equal(code(mechanism), 235 if usable[mechanism] else 535, mechanism)
    w.ctl("user", "passwd", "alice", "--password-stdin", stdin=PASSWORD + "\n")
    for mechanism in EVERY:
        equal(code(mechanism), 235, mechanism)
    check("cannot use" not in w.ctl("check"))
    check(all(m["usable"] for m in show(w)["mechanisms"]), "all are usable now")
    # saslpasswd2 knows only of the user database: no old password stays
    path = f"{w.state}/auth/sasldb2"
    subprocess.run(["saslpasswd2", "-p", "-c", "-f", path, "-u", "our.test", "alice"],
                   input=b"by hand", check=True)
    for mechanism in EVERY:
        equal(code(mechanism, password="by hand"), 235, mechanism)
        equal(code(mechanism), 535, mechanism)


@test()
def roles_and_commands_without_the_daemon(w):
    w.write()
    w.ctl("user", "add", "carol", "--password-stdin", stdin="secret\n")
    file = f"{w.state}/auth/users.db"
    owner = os.stat(f"{w.state}/auth")
    for name in (file, file + ".made", file + ".lock"):
        st = os.stat(name)
        equal((st.st_uid, st.st_gid, st.st_mode & 0o777), (owner.st_uid, owner.st_gid, 0o600), name)
    w.ctl("user", "role", "carol", "admin")
    w.ctl("user", "role", "carol", "emperor", code=1)
    w.ctl("user", "disable", "carol")
    secret = add_app(w, "phone", "carol")
    equal(w.ask("user", "list")[1], [{"login": "carol@our.test", "state": "disabled",
                                      "roles": ["admin"], "cleartext": False}])
    check("carol@our.test  disabled  admin" in w.ctl("user", "list"))
    w.start()
    equal(code("PLAIN", "carol", "secret"), 535)
    w.ctl("user", "enable", "carol")
    equal([code("PLAIN", "carol", "secret"), code("PLAIN", "carol", secret)], [235, 235])
    w.ctl("user", "role", "carol", "none")
    equal(show(w, "carol")["roles"], [])
    w.ctl("user", "show", "nobody", code=1)
    w.ctl("user", "disable", "nobody", code=1)
    w.ctl("user", "app", "add", "carol", "a/b", code=1)
    w.ctl("user", "add", "carol/x", "--password-stdin", stdin="secret\n", code=1)
    w.stop()
    # what was used last is there after the end, and while nobody runs
    places = show(w, "carol")["logins"]
    equal({(p["client"], p["mechanism"], p["label"]) for p in places},
          {("127.0.0.1", "PLAIN", ""), ("127.0.0.1", "PLAIN", "phone")})


def wait_for_places(w, count):
    eventually(lambda: len(show(w)["logins"]) >= count, "last logins are written")


@test()
def a_store_that_is_gone_or_damaged_lets_nobody_in(w):
    w.start({"auth": {"mechanisms": EVERY, "store_cleartext": True}})
    w.ctl("user", "add", "bob", "--password-stdin", stdin="secret\n")
    w.ctl("user", "disable", "bob")
    equal(code("PLAIN"), 235)
    wait_for_places(w, 1)
    file = f"{w.state}/auth/users.db"
    for kind in ("gone", "damaged"):
        stays = session("alice@our.test", PASSWORD)
        for end in ("", "-wal", "-shm"):
            if os.path.exists(file + end):
                os.rename(file + end, f"{w.dir}/kept{end}")
        if kind == "damaged":
            with open(file, "wb") as f:
                f.write(b"no database " * 1000)
        for mechanism in EVERY:
            for user, password in ((USER, PASSWORD), (USER, "wrong"), ("bob", "secret"),
                                   ("nobody", "x")):
                equal(code(mechanism, user, password), 454, f"{kind} {mechanism} {user}")
        w.wait_log(f"{file}: " + ("it is gone" if kind == "gone" else "stored data is damaged"))
        for words in (("user", "list"), ("user", "show", "alice"),
                      ("user", "app", "add", "alice", "x")):
            check(file in w.ctl(*words, code=1), words)
        equal(stays.say("NOOP")[0], 250, "who is logged in stays")
        check(file in w.ctl("user", "disable", "alice", code=1), "disabled")
        check(ended(stays), "whom somebody wanted to disable is out all the same")
        check(file in w.status()["keeper"]["users"], "status says it", w.ctl("status"))
        for words in (["check"], ["check", "--json"]):
            check(file in w.ctl(*words), "check says it")
        check(file in subprocess.run([f"{w.build}/msad", "-c", w.conf, "--check"],
                                     capture_output=True, text=True, check=True).stdout)
        for end in ("", "-wal", "-shm"):
            if os.path.exists(file + end):
                os.unlink(file + end)
            if os.path.exists(f"{w.dir}/kept{end}"):
                os.rename(f"{w.dir}/kept{end}", file + end)
        for mechanism in EVERY:
            equal(code(mechanism), 235, f"after it was back: {mechanism}")
        equal(code("PLAIN", "bob", "secret"), 535, "still disabled")
        equal(w.status()["keeper"]["users"], "readable")
        check(file not in w.ctl("check"))


@test()
def a_store_that_is_locked(w):
    w.start()
    equal(code("PLAIN"), 235)
    wait_for_places(w, 1)
    file = f"{w.state}/auth/users.db"
    # a transaction of another program: changes wait, and are refused in the end; logins are not
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    equal([code(m) for m in ("PLAIN", "LOGIN", "SCRAM-SHA-256")], [235, 235, 235])
    check("another program holds a lock" in w.ctl("user", "disable", "alice", code=1))
    equal(code("SCRAM-SHA-256"), 235)
    other.execute("COMMIT")
    other.close()
    w.ctl("user", "disable", "alice")
    equal(code("PLAIN"), 535)
    w.ctl("user", "enable", "alice")
    equal(code("PLAIN"), 235)


@test(build="release")
def a_full_disk_stops_no_login(w):
    os.makedirs(f"{w.state}/auth")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", f"{w.state}/auth"],
                   check=True)
    w.start({"auth": {"mechanisms": EVERY, "store_cleartext": True}})
    equal(code("PLAIN"), 235)
    wait_for_places(w, 1)
    filler = f"{w.state}/auth/filler"
    with open(filler, "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    for mechanism in EVERY:
        equal(code(mechanism), 235, mechanism)
        equal(code(mechanism, password="wrong"), 535, mechanism)
    before = sorted(os.listdir(f"{w.state}/auth"))
    w.ctl("user", "add", "bob", "--password-stdin", stdin="secret\n", code=1)
    w.ctl("user", "passwd", "alice", "--password-stdin", stdin="another\n", code=1)
    w.wait_log("last-logins")
    equal(sorted(os.listdir(f"{w.state}/auth")), before, "nothing half-written stays")
    equal([u["login"] for u in w.ask("user", "list")[1]], [USER])
    os.unlink(filler)
    equal(code("PLAIN"), 235, "the old password")
    w.ctl("user", "add", "bob", "--password-stdin", stdin="secret\n")
    for mechanism in EVERY:
        equal(code(mechanism, "bob", "secret"), 235, mechanism)


@test()
def changes_beside_logins(w):
    """Several msactl at once, and saslpasswd2 one after the other, beside logins: no change is
    lost, nobody is refused who should get in."""
    w.start({"auth": {"mechanisms": ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"],
                      "exempt_networks": ["127.0.0.1"]}})
    tablet = add_app(w, "tablet")
    codes, logins, stop = [], [], threading.Event()

    def manage(number):
        name = f"u{number}"
        for words, text in ((("add", name, "--password-stdin"), "one\n"),
                            (("app", "add", name, "phone"), None), (("disable", name), None),
                            (("enable", name), None), (("role", name, "admin"), None),
                            (("passwd", name, "--password-stdin"), "two\n"),
                            (("app", "revoke", name, "phone"), None)):
            done = w.msactl("user", *words, stdin=text)
            codes.append((words, done.returncode, done.stderr))

    def log_in(mechanism, user, password):
        while not stop.is_set():
            logins.append((mechanism, code(mechanism, user, password)))
    managers = [threading.Thread(target=manage, args=(n,)) for n in range(6)]
    others = [threading.Thread(target=log_in, args=x) for x in
              (("PLAIN", USER, PASSWORD), ("SCRAM-SHA-512", USER, PASSWORD),
               ("PLAIN", USER, tablet), ("SCRAM-SHA-256", "alice/tablet", tablet))]
    for t in managers + others:
        t.start()
    for t in managers:
        t.join()
    stop.set()
    for t in others:
        t.join()
    equal([c for c in codes if c[1] != 0], [], "msactl")
    equal({x[1] for x in logins}, {235}, f"logins meanwhile: {len(logins)}")
    users = {u["login"]: u for u in w.ask("user", "list")[1]}
    equal(len(users), 7)
    for number in range(6):
        equal(users[f"u{number}@our.test"]["roles"], ["admin"])
        equal([code("SCRAM-SHA-512", f"u{number}", p) for p in ("one", "two")], [535, 235])
        check(show(w, f"u{number}")["apps"][0]["revoked_ms"] > 0, "revoked")
    path = f"{w.state}/auth/sasldb2"
    stop.clear()
    other = threading.Thread(target=log_in, args=("PLAIN", USER, PASSWORD))
    other.start()
    logins.clear()
    for number in range(5):
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", path, "-u", "our.test", f"s{number}"],
                       input=b"by hand", check=True)
    stop.set()
    other.join()
    equal({x[1] for x in logins}, {235}, "logins beside saslpasswd2")
    equal([code("SCRAM-SHA-512", f"s{n}", "by hand") for n in range(5)], [235] * 5)


@test()
def a_killed_keeper_loses_seconds_at_most(w):
    w.start()
    equal(code("PLAIN"), 235)
    wait_for_places(w, 1)
    w.ctl("user", "add", "bob", "--password-stdin", stdin="secret\n")
    w.ctl("user", "disable", "bob")
    for _ in range(3):
        equal(code("SCRAM-SHA-256"), 235)
        os.kill(w.pid("keeper"), signal.SIGKILL)
        eventually(lambda: w.serving() and code("PLAIN") == 235, "logins go on")
        equal(code("PLAIN", "bob", "secret"), 535, "still disabled")
    check(show(w)["logins"], "last logins from before are kept")
