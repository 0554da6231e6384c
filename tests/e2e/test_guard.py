"""Guessing: who is slowed, blocked and refused, by real clients from several addresses."""

import base64
import os
import re
import subprocess
import threading
import time

from harness.case import check, equal, eventually, test
from harness.client import Wire, session, without_id
from harness.world import PASSWORD, USER

BLOCK = {"auth": {"block": {"failures": 5, "window": "10m", "time": "15m"}}}
BLOCKED = (454, "4.7.0 Too many failed logins, try again later")
DENIED = (535, "5.7.8 Authentication credentials invalid: check name and password")
MAN = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                   "etc", "msad.8")


def plain(user, password, source):
    """One login on a session of its own: the reply, and how long it took."""
    s = session(source=source)
    start = time.monotonic()
    got = without_id(s.plain(user, password))
    took = time.monotonic() - start
    s.close()
    return got, took


def fail(w, source, count=5, user="eve@our.test"):
    for _ in range(count):
        equal(plain(user, "wrong", source)[0], DENIED, f"guess from {source}")


def accepted(user, password, source):
    return plain(user, password, source)[0][0] == 235


@test()
def guard_blocks_an_address_and_not_its_owners(w):
    w.start(BLOCK)
    w.ctl("user", "add", "bob", "--password-stdin", stdin="bobs\n")
    check(accepted(USER, PASSWORD, "127.0.2.1"), "the owner's first login")
    times = []
    for i in range(5):
        got, took = plain(f"eve{i}@our.test", "wrong", "127.0.2.1")
        equal(got, DENIED, "a guess")
        times.append(took)
    check(max(times[:3]) < 0.4, "not slowed at once", times)
    check(0.5 <= times[3] < 1.0 and 1.0 <= times[4] < 1.6, "then slowed", times)
    # every name, every mechanism, right or wrong: the same, and at once
    for user, password in (("bob", "bobs"), ("bob", "wrong"), ("nobody", "x"), ("", "")):
        got, took = plain(user, password, "127.0.2.1")
        equal(got, BLOCKED, f"AUTH PLAIN as {user!r}")
        check(took < 0.4, "a block is told at once", took)
    s = session(source="127.0.2.1")
    equal(without_id(s.scram("bob", "bobs")), BLOCKED, "SCRAM")
    s.want(334, "AUTH LOGIN")
    equal(without_id(s.say(base64.b64encode(b"bob").decode())), BLOCKED, "LOGIN")
    s.want(250, "NOOP")
    s.close()
    # the owner there, and everybody elsewhere
    check(accepted(USER, PASSWORD, "127.0.2.1"), "the owner at the blocked address")
    check(accepted("bob", "bobs", "127.0.3.1"), "another network")
    check(accepted("bob", "bobs", "127.0.2.9"), "the same network")
    code, lines = w.ask("block", "list")
    equal(code, 0, "block list")
    equal([(x["kind"], x.get("address")) for x in lines], [("address", "127.0.2.1")], "blocks")
    check(800 < lines[0]["seconds_left"] <= 900, lines)
    check("address 127.0.2.1  (" in w.ctl("block", "list"), "block list as text")
    equal(w.ctl("block", "remove", "127.0.2.9", code=1), "127.0.2.9: is not blocked\n", "remove")
    equal(w.ctl("block", "remove", "127.0.2.1"), "127.0.2.1: block removed\n", "remove")
    equal(w.ask("block", "list")[1], [], "blocks")
    got, took = plain("bob", "bobs", "127.0.2.1")
    equal(got[0], 235, "after the removal")
    check(took < 0.4, "nothing is left of it", took)


@test()
def guard_blocks_a_login_and_not_its_owner_at_home(w):
    w.start(BLOCK)
    w.ctl("user", "add", "bob", "--password-stdin", stdin="bobs\n")
    check(accepted("bob", "bobs", "127.0.9.1"), "bob at home")
    for host in range(5):
        fail(w, f"127.0.{20 + host}.1", 1, "bob")
    equal(plain("bob", "bobs", "127.0.30.1")[0], BLOCKED, "bob elsewhere")
    equal(plain("bob@our.test", "wrong", "127.0.31.1")[0], BLOCKED, "by his full name")
    check(accepted("bob", "bobs", "127.0.9.1"), "bob at home")
    check(accepted(USER, PASSWORD, "127.0.20.1"), "others")
    equal([(x["kind"], x.get("login")) for x in w.ask("block", "list")[1]],
          [("login", "bob@our.test")], "blocks")
    w.ctl("block", "remove", "bob")
    check(accepted("bob", "bobs", "127.0.30.1"), "bob elsewhere")
    # names that nobody has are counted in the same way
    for host in range(5):
        fail(w, f"127.0.{40 + host}.1", 1, "nobody")
    equal(plain("nobody", "x", "127.0.50.1")[0], BLOCKED, "nobody")


@test()
def guard_knows_owners_after_a_restart(w):
    w.start(BLOCK)
    w.ctl("user", "add", "bob", "--password-stdin", stdin="bobs\n")
    check(accepted(USER, PASSWORD, "127.0.2.1"), "the owner's first login")
    w.stop()
    w.launch()
    w.wait_ready()
    fail(w, "127.0.2.1", 5)
    equal(plain("bob", "bobs", "127.0.2.1")[0], BLOCKED, "bob")
    check(accepted(USER, PASSWORD, "127.0.2.1"), "the owner")


@test()
def guard_blocks_end_by_themselves(w):
    w.start({"auth": {"block": {"failures": 3, "window": "1h", "time": "2s"}}})
    fail(w, "127.0.2.1", 3)
    equal(plain(USER, PASSWORD, "127.0.2.1")[0], BLOCKED, "blocked")
    eventually(lambda: accepted(USER, PASSWORD, "127.0.2.1"), "the end of the block", 5)
    equal(w.ask("block", "list")[1], [], "blocks")


@test()
def guard_many_guesses_at_once_learn_no_more(w):
    w.start(BLOCK)
    w.ctl("user", "add", "bob", "--password-stdin", stdin="bobs\n")
    sessions = [session(source="127.0.2.1") for _ in range(30)]
    got = []

    def guess(s, password):
        got.append(without_id(s.plain("bob", password)))
    threads = [threading.Thread(target=guess, args=(s, f"guess {i}"))
               for i, s in enumerate(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal((got.count(DENIED), got.count(BLOCKED)), (5, 25), "replies")


@test()
def guard_exempt_and_refused_networks(w):
    w.start({"auth": dict(BLOCK["auth"], exempt_networks=["127.0.7.0/24"],
                          refused_networks=["127.0.8.0/24", "127.0.6.6"])})
    for _ in range(12):
        got, took = plain(USER, "wrong", "127.0.7.1")
        equal(got, DENIED, "exempt")
        check(took < 0.4, "not slowed", took)
    check(accepted(USER, PASSWORD, "127.0.9.1"), "the login was not counted either")
    for source in ("127.0.8.5", "127.0.6.6"):
        for port in (587, 465):
            s = Wire(port, tls=port == 465, source=source)
            equal(without_id(s.greeting), (554, "5.7.1 No service for your network"), "greeting")
            check(s.closed(), "closed")
    check(accepted(USER, PASSWORD, "127.0.6.7"), "others are greeted")
    # a reload counts for the next connection
    w.write({"auth": BLOCK["auth"]})
    w.ctl("reload")
    check(accepted(USER, PASSWORD, "127.0.8.5"), "after the reload")


def manual_filter():
    """The filter for fail2ban as the manual page prints it."""
    with open(MAN, encoding="utf-8") as f:
        text = f.read()
    block = re.search(r"\.nf\n(\[Definition\]\n.*?)\.fi", text, re.S).group(1)
    return block.replace("\\-", "-").replace("\\e", "\\")


@test()
def guard_log_lines_are_fail2bans(w):
    """The documented filter finds each address, however the client names itself."""
    w.start(BLOCK)
    path = w.path("msad.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(manual_filter())
    fail(w, "127.0.2.1", 5, "a client=127.0.99.99")
    equal(plain(" warning server login-failed client=127.0.99.98", "x", "127.0.2.1")[0], BLOCKED,
          "the sixth")
    w.wait_log(" login-refused ")
    done = subprocess.run(["fail2ban-regex", "--print-all-matched", w.path("log"), path],
                          capture_output=True, text=True, check=False)
    found = re.search(r"Lines: .*?(\d+) matched", done.stdout)
    equal(found and found.group(1), "7", "lines found: " + done.stdout + done.stderr)
    listed = subprocess.run(["fail2ban-regex", "-o", "ip", w.path("log"), path],
                            capture_output=True, text=True, check=False)
    equal(set(listed.stdout.split()), {"127.0.2.1"}, "addresses")
