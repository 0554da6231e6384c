"""The promise of the queue: kill, full disk, large messages, and nobody waits for a dead domain."""

import os
import random
import signal
import socket
import subprocess
import threading
import time

from harness.case import FULL, check, equal, eventually, test
from harness.receiver import Receiver
from harness.world import NETWORK, USER, message

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
dead.test. MX 10 mx.dead.test.
mx.dead.test. A {NETWORK}99
"""
KILLED = ("child-ended server was ended by",)


@test(build="release", timeout=180, alone=True)
def kill_at_random_instants_loses_nothing(w):
    """Acknowledged means delivered, unaltered; a second copy only under the same queue id."""
    messages, kills = (2000, 20) if FULL else (500, 5)
    w.allowed = KILLED
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start({"queue": {"retry": ["1s"]}})
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    acknowledged, lock = {}, threading.Lock()
    numbers = iter(range(messages))

    def submit():
        wire = None
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            # every tenth is large, and goes through the spool folder
            size = 400000 if number % 10 == 0 else 3000
            body = (b"%08d" % number * 8 + b"\r\n") * (size // 66)
            while True:
                try:
                    wire = wire or w.session()
                    queue_id = w.submit("bob@else.test", message(f"n{number}", body), wire=wire)
                    with lock:
                        acknowledged[queue_id] = (number, body)
                    break
                except (OSError, EOFError, AssertionError):
                    wire = None     # killed under our hands: submit it again
                    time.sleep(0.02)
    threads = [threading.Thread(target=submit) for _ in range(8)]
    for t in threads:
        t.start()
    done = 0
    for _ in range(kills):
        goal = len(acknowledged) + rng.randrange(1, max(2, messages // kills))
        eventually(lambda: len(acknowledged) >= min(goal, messages - 5), "submissions go on", 120)
        time.sleep(rng.random() * 0.05)
        os.kill(eventually(lambda: w.serving() and w.pid("server"), "the server serves"),
                signal.SIGKILL)
        done += 1
    for t in threads:
        t.join()
    equal(done, kills)

    def all_there():
        w.msactl("queue", "retry")
        return set(acknowledged) <= {m.queue_id() for m in receiver.messages}
    eventually(all_there, "every acknowledged message arrives", 120)
    w.wait_empty(120)
    by_id = {}
    for m in receiver.messages:
        by_id.setdefault(m.queue_id(), []).append(m)
    for queue_id, (number, body) in acknowledged.items():
        for copy in by_id[queue_id]:
            check(copy.body == body, f"message {number}, {queue_id} is altered")
            equal(copy.header("subject"), [f"n{number}"])
    duplicates = sum(len(copies) - 1 for copies in by_id.values())
    unacknowledged = len(set(by_id) - set(acknowledged))
    print(f"{messages} messages, {kills} kills: 0 lost, 0 altered, {duplicates} delivered twice, "
          f"{unacknowledged} delivered whose 250 did not reach the client")
    # a copy more only for what was in the hands of the relay at a kill
    check(duplicates <= kills * 64, f"{duplicates} duplicates")


@test(build="release")
def full_disk_refuses_and_recovers_by_itself(w):
    os.mkdir(w.state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "none", w.state], check=True)
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start({"queue": {"retry": ["1h"], "lifetime": "2h"}})
    taken = []
    receiver.close()
    refused = None
    s = w.session()
    for number in range(60):
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        code, text = s.data(message(f"n{number}", b"x" * 70 + b"\r\n" + b"0123456789\r\n" * 87000))
        if code != 250:
            refused = code, text
            break
        taken.append(text.split()[-1])
    check(refused and refused[0] == 452 and refused[1].startswith("4.3.1"), refused)
    check(len(taken) >= 5, f"only {len(taken)} messages fitted")
    equal(len(w.queue()), len(taken), "nothing half-written is in the queue")
    check(s.say("NOOP")[0] == 250, "the session goes on")
    used = lambda: sum(os.path.getsize(os.path.join(d, f)) for d, _, files in
                       os.walk(f"{w.state}/queue/spool") for f in files)
    check(used() <= 1.2e6 * len(taken), f"{used()} bytes of spool for {len(taken)} messages")
    receiver = Receiver(NETWORK + "10")
    w.ctl("queue", "retry")
    eventually(lambda: len(receiver.messages) == len(taken), "all that was taken is delivered", 60)
    start = time.monotonic()

    def works():
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        return s.data(message("after"))[0] == 250
    eventually(works, "room again", 30)
    check(time.monotonic() - start < 10, f"recovered after {time.monotonic() - start:.1f} s")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) // 1024


@test(build="release", alone=True)
def hundred_megabytes_in_bounded_memory(w):
    import hashlib
    import socketserver
    size = 100 << 20
    got = {}

    class Sink(socketserver.StreamRequestHandler):
        """A receiver that hashes what it gets, and holds none of it."""

        def handle(self):
            self.wfile.write(b"220 sink\r\n")
            for line in self.rfile:
                verb = line[:4].upper()
                if verb == b"EHLO":
                    self.wfile.write(b"250-sink\r\n250 SIZE 300000000\r\n")
                elif verb == b"DATA":
                    self.wfile.write(b"354 go\r\n")
                    digest, body = hashlib.sha256(), False
                    for content in self.rfile:
                        if content == b".\r\n":
                            break
                        if body:
                            digest.update(content[1:] if content[:1] == b"." else content)
                        body = body or content == b"\r\n"
                    got["digest"] = digest.hexdigest()
                    self.wfile.write(b"250 taken\r\n")
                elif verb == b"QUIT":
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")
    server = socketserver.ThreadingTCPServer((NETWORK + "10", 25), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    w.serve_dns(ZONE)
    w.start({"limits": {"message_size": "200M"}})
    pid = w.pid("server")
    w.submit("bob@nowhere.test")    # what is made once is made now
    before = resident(pid)
    highest = [before]
    stop = threading.Event()

    def watch():
        while not stop.is_set():
            highest[0] = max(highest[0], resident(pid))
            time.sleep(0.01)
    watcher = threading.Thread(target=watch)
    watcher.start()
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}> SIZE={size}")
    s.want(250, "RCPT TO:<bob@else.test>")
    s.want(354, "DATA")
    block = b"".join(b"%063d\r\n" % i for i in range(1000))
    s.send(b"Subject: large\r\n\r\n")
    digest = hashlib.sha256()
    for _ in range(size // len(block)):
        s.send(block)
        digest.update(block)
    s.send(b".\r\n")
    code, text = s.reply()
    equal(code, 250, text)
    eventually(lambda: got, "it arrives", 60)
    stop.set()
    watcher.join()
    equal(got["digest"], digest.hexdigest(), "content")
    equal(w.pid("server"), pid, "the same server process")
    print(f"RSS of the server: {before} MiB before, {highest[0]} MiB at most")
    check(highest[0] - before < 64, f"RSS grew from {before} to {highest[0]} MiB")


@test(build="release", timeout=240, alone=True)
def a_dead_domain_delays_nobody(w):
    """Many recipients of a domain that does not answer are due, and one message to another goes."""
    recipients = 100000 if FULL else 5000
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    # its host takes no more connections: SYNs get no answer at all
    full = socket.create_server((NETWORK + "99", 25), backlog=0)
    waiting = [socket.socket() for _ in range(8)]
    for s in waiting:
        s.setblocking(False)
        s.connect_ex((NETWORK + "99", 25))
    w.start({"limits": {"messages_per_session": 100000},
             "queue": {"retry": ["1s"]}})
    s = w.session()
    for block in range(recipients // 100):
        commands = [f"MAIL FROM:<{USER}>"] + [f"RCPT TO:<r{block}x{i}@dead.test>"
                                              for i in range(100)]
        s.send("".join(c + "\r\n" for c in commands).encode())
        for _ in commands:
            equal(s.reply()[0], 250)
        equal(s.data(message(f"block{block}"))[0], 250)
    eventually(lambda: sum(x["recipients"] for x in w.ask("queue", "summary")[1]) >= recipients,
               "all are in the queue", 60)
    times = []
    for number in range(5):
        w.msactl("queue", "retry")     # all that is not under way is due at this moment
        start = time.monotonic()
        w.submit("bob@else.test")
        eventually(lambda: len(receiver.messages) == number + 1, "the other message", 30)
        times.append(time.monotonic() - start)
    print(f"{recipients} recipients due: another message took at most {max(times):.2f} s")
    check(max(times) < 5, times)
    full.close()


@test()
def restart_in_the_middle_keeps_the_queue(w):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start({"queue": {"retry": ["1h"], "lifetime": "2h"}})
    receiver.close()
    sent = {w.submit("bob@else.test", message(f"n{i}", b"x\r\n" * 10 ** i)): i for i in range(5)}
    for queue_id in sent:
        w.wait_event(queue_id, "deferred")
    w.stop()
    w.launch()
    w.wait_ready()
    equal({q["id"] for q in w.queue()}, set(sent), "the queue after the restart")
    receiver = Receiver(NETWORK + "10")
    w.ctl("queue", "retry")
    w.wait_empty()
    equal({m.queue_id(): m.body for m in receiver.messages},
          {queue_id: b"x\r\n" * 10 ** i for queue_id, i in sent.items()})
    equal(os.listdir(f"{w.state}/queue/spool") if os.path.isdir(f"{w.state}/queue/spool") else [],
          [], "spool files left")


@test()
def a_client_that_goes_away_leaves_nothing(w):
    w.start()
    for cut in ("MAIL", "RCPT", "DATA", "half"):
        s = w.session()
        s.want(250, f"MAIL FROM:<{USER}>")
        if cut != "MAIL":
            s.want(250, "RCPT TO:<bob@else.test>")
        if cut in ("DATA", "half"):
            s.want(354, "DATA")
        if cut == "half":
            s.send(message("half", b"x" * 70 + b"\r\n" + b"line\r\n" * 200000))
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
    eventually(lambda: w.status()["server"]["sessions"] == 0, "no session is left")
    equal(w.queue(), [])
    files = [f for d, _, names in os.walk(f"{w.state}/queue") for f in names
             if "spool" in d]
    equal(files, [], "spool files left")
