"""Three processes: who may what, and what happens when one of them dies."""

import os
import signal
import stat
import subprocess
import threading
import time

from harness.case import check, equal, eventually, test
from harness.client import Wire, session
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, World, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
KILLED = ("child-ended server was ended by",)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def killed(w, name, number=signal.SIGKILL):
    """Kills one child and waits until another one serves."""
    before = w.pid(name)
    os.kill(before, number)
    eventually(lambda: w.serving() and w.pid(name) not in (0, before), f"another {name}")


class Knocker:
    """Connects without a pause; every connection must be taken, and greeted in the end."""

    def __init__(self):
        self.refused, self.greeted = [], 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            try:
                s = Wire(timeout=30)
                self.greeted += s.greeting[0] == 220
                s.close()
            except ConnectionRefusedError as e:
                self.refused.append(e)
            except (EOFError, OSError):
                pass    # it was in the hands of the process that was killed

    def end(self):
        self.stop.set()
        self.thread.join()
        equal(self.refused, [], "refused connections")
        check(self.greeted > 10, f"only {self.greeted} connections were served")


@test(build="release")
def server_can_open_no_secret(w):
    """Another user, no capabilities, no new privileges, seccomp on, and a Landlock domain."""
    w.start()
    users = {name: f"{n}" for name, n in (("server", 64901), ("keeper", 64902))}
    for name, uid in users.items():
        s = status_of(w.pid(name))
        equal(set(s["Uid"].split()), {uid}, f"user of the {name}")
        equal(set(s["Gid"].split()), {uid}, f"group of the {name}")
        equal(s["Groups"].strip(), "", f"groups of the {name}")
        equal(int(s["CapEff"], 16), 0, f"capabilities of the {name}")
        equal(s["NoNewPrivs"].strip(), "1", f"{name}: no new privileges")
    for name in users:
        equal(status_of(w.pid(name))["Seccomp"].strip(), "2", f"seccomp filter of the {name}")
        for task in os.listdir(f"/proc/{w.pid(name)}/task"):
            s = status_of(f"{w.pid(name)}/task/{task}")
            equal(s["Seccomp"].strip(), "2", f"seccomp filter of thread {task}")
    for path, mode, uid in ((w.certificate[1], 0o600, 0), (f"{w.state}/auth", 0o700, 64902),
                            (f"{w.state}/auth/sasldb2", 0o600, 64902),
                            (f"{w.state}/queue", 0o700, 64901)):
        s = os.stat(path)
        equal((stat.S_IMODE(s.st_mode), s.st_uid), (mode, uid), f"mode and owner of {path}")
    # none of the descriptors that it was given is a secret either
    for fd in os.listdir(f"/proc/{w.pid('server')}/fd"):
        target = os.readlink(f"/proc/{w.pid('server')}/fd/{fd}")
        check("sasldb" not in target and "key.pem" not in target and "/auth" not in target, target)
    # the same rights, tried: a process of that user
    for path in (w.certificate[1], f"{w.state}/auth/sasldb2", f"{w.state}/auth/keeper.sock"):
        done = subprocess.run(["setpriv", "--reuid=64901", "--regid=64901", "--clear-groups",
                               "cat", path], capture_output=True, text=True, check=False)
        check(done.returncode != 0 and "denied" in done.stderr, path, done.stdout, done.stderr)


@test(build="release")
def the_keeper_has_a_network_only_where_it_needs_one(w):
    issuer = {"issuer": "https://issuer.test", "audience": ["mail"],
              "keys_url": "https://issuer.test/keys"}
    w.start()
    w.write({"auth": {"oauth": issuer}})
    check("the keeper is confined without a network" in w.ctl("reload", code=1), "it got one")
    equal(w.session().say("NOOP")[0], 250, "the former configuration goes on")
    w.stop()
    w.launch()
    w.wait_ready()
    # an issuer is to be asked; the rest of the filter is there all the same
    equal(status_of(w.pid("keeper"))["Seccomp"].strip(), "2", "seccomp filter of the keeper")


@test()
def killed_keeper_comes_back(w):
    w.start()
    s = w.session()
    knock = Knocker()
    for _ in range(3):
        killed(w, "keeper")
    knock.end()
    s.want(250, "NOOP")
    w.submit("bob@else.test", wire=s)
    eventually(lambda: session().plain(USER, PASSWORD)[0] == 235, "logins work again")


@test(build="release")
def killed_server_comes_back(w):
    w.allowed = KILLED
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start()
    knock = Knocker()
    accepted = set()
    for _ in range(3):
        killed(w, "server")
        accepted.add(w.submit("bob@else.test"))
    knock.end()
    # a delivery whose result was not yet committed at a kill may come twice
    eventually(lambda: accepted == {m.queue_id() for m in receiver.messages},
               "messages accepted in between")


@test()
def children_end_with_the_master(w):
    w.start()
    children = [w.pid("server"), w.pid("keeper")]
    w.process.kill()
    w.process.wait()
    eventually(lambda: not any(os.path.exists(f"/proc/{p}") and
                               status_of(p)["State"][0] not in "ZX" for p in children),
               "no child is left", 10)
    # and the next master starts at once on the same state
    w.launch()
    w.wait_ready()
    w.submit("bob@else.test")


@test()
def second_master_is_told_who_holds_the_state(w):
    w.start()
    other = subprocess.run([f"{w.build}/msad", "-c", w.conf], capture_output=True, text=True,
                           env=w.environment, timeout=60, check=False)
    equal(other.returncode, 1, other.stderr)
    check(str(w.process.pid) in other.stderr, other.stderr)
    check(w.serving(), "the first goes on")


@test()
def sigterm_with_a_session_in_data(w):
    """Idle sessions get 421 at once, the message in hand is taken, the exit is clean."""
    w.start()
    idle, busy = w.session(), w.session()
    busy.want(250, f"MAIL FROM:<{USER}>")
    busy.want(250, "RCPT TO:<bob@else.test>")
    busy.want(354, "DATA")
    content = message("late", b"line\r\n" * 1000)
    busy.send(content[:500])
    # as a service manager does it: the signal goes to all processes, the master alone acts on it
    master = w.status()["master"]
    for pid in (master["keeper_pid"], master["server_pid"], w.process.pid):
        os.kill(pid, signal.SIGTERM)
    code, text = idle.reply()
    equal(code, 421, text)
    check(text.startswith("4.3.2"), text)
    busy.send(content[500:] + b".\r\n")
    code, text = busy.reply()
    equal(code, 250, text)
    equal(w.process.wait(30), 0, "exit code")
    w.launch()
    w.wait_ready()
    equal([q["to"] for q in w.queue()], ["bob@else.test"], "it is in the queue")


@test()
def sigterm_does_not_wait_for_ever(w):
    w.start({"shutdown_grace": "1s"})
    busy = w.session()
    busy.want(250, f"MAIL FROM:<{USER}>")
    busy.want(250, "RCPT TO:<bob@else.test>")
    busy.want(354, "DATA")
    busy.send(b"Subject: never ends\r\n")
    start = time.monotonic()
    w.stop(30)
    check(time.monotonic() - start < 10, f"{time.monotonic() - start:.1f} s")
    w.launch()
    w.wait_ready()
    equal(w.queue(), [], "half a message")


@test(build="release")    # under sanitizers a fault is an exit, not a signal
def a_crash_does_not_blame_who_only_waits(w):
    """A message whose receiver is slow is in nobody's hands when something else crashes."""
    w.allowed = KILLED
    slow, free = threading.Event(), threading.Event()

    def script(verb, args, session):
        if verb == "DATA":
            slow.set()
            free.wait()
        return None
    receiver = Receiver(NETWORK + "10", script=script)
    w.serve_dns(ZONE)
    w.start()
    queue_id = w.submit("slow@else.test")
    for _ in range(2):
        check(slow.wait(30), "the message is under way")
        slow.clear()
        killed(w, "server", signal.SIGSEGV)
    free.set()
    w.retried_until(lambda: receiver.messages, "delivered in the end")
    equal(receiver.messages[0].queue_id(), queue_id)


def put_in_hand(w, queue_id):
    """Writes into the crash ring, as a thread of the server does for the message it works on."""
    folder = f"/proc/{w.process.pid}/fd"
    fd = next(f for f in os.listdir(folder) if "crashring" in os.readlink(f"{folder}/{f}"))
    with open(f"{folder}/{fd}", "r+b", buffering=0) as ring:
        ring.seek(-24, os.SEEK_END)
        ring.write(queue_id.encode() + b"\0")


@test(build="release")
def a_message_that_crashes_the_server_twice_is_held(w):
    w.allowed = KILLED
    w.serve_dns(ZONE)
    w.start()
    queue_id, other = w.submit("poison@else.test"), w.submit("other@else.test")
    for crashes in range(1, 3):
        w.wait_event(queue_id, "deferred")    # nobody has it in hand
        put_in_hand(w, queue_id)
        killed(w, "server", signal.SIGSEGV)
        w.wait_log("poison queue=" if crashes == 2 else "crash queue=")
    w.wait_log("held queue=")
    equal({q["id"]: q["held"] for q in w.queue()}, {queue_id: True, other: False})
    receiver = Receiver(NETWORK + "10")
    w.retried_until(lambda: receiver.messages, "the other message is delivered")
    equal([m.queue_id() for m in receiver.messages], [other])
    w.ctl("queue", "release", queue_id)
    w.wait_empty()
    equal([m.queue_id() for m in receiver.messages], [other, queue_id])


@test()
def root_without_the_users_says_what_to_do(w):
    w.write({"user": "nobody-here", "auth_user": "nor-here"})
    done = subprocess.run([f"{w.build}/msad", "-c", w.conf], capture_output=True, text=True,
                          env=w.environment, timeout=60, check=False)
    equal(done.returncode, 1, done.stderr)
    for line in ("useradd --system", "nobody-here", "nor-here"):
        check(line in done.stderr, done.stderr)


@test()
def not_root_works_the_same(w):
    """A developer's desk: no change of user, high ports, everything else the same."""
    w.write({"listen": [{"address": "127.0.0.1", "port": 5587}], "state": w.path("home", "state"),
             "tls": [{"certificate": w.certificate[0], "key": w.path("own.pem")}]})
    os.mkdir(w.path("home"))
    subprocess.run(["cp", w.certificate[1], w.path("own.pem")], check=True)
    subprocess.run(["chown", "-R", "nobody:nogroup", w.path("home"), w.path("own.pem")], check=True)
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    subprocess.run([*as_nobody, f"{w.build}/msactl", "-c", w.conf, "user", "add", "alice",
                    "--password-stdin"], input=PASSWORD.encode(), env=w.environment, check=True,
                   stdout=subprocess.DEVNULL)
    with open(w.path("log"), "ab") as log:
        w.process = subprocess.Popen([*as_nobody, f"{w.build}/msad", "-c", w.conf], stderr=log,
                                     env=w.environment)
    w.wait_ready()
    w.submit("bob@else.test", wire=session(USER, PASSWORD, 5587))
    equal(len(w.queue()), 1)
