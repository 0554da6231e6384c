"""CHECKPOINT (RFC 1845): a message that was cut off goes on where it stopped, and arrives once."""

import os
import random
import signal
import socket
import struct
import time

from harness.case import FULL, check, equal, eventually, test
from harness.client import session
from harness.receiver import EVERY, Receiver
from harness.world import NETWORK, PASSWORD, USER, message, stuffed

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""
BOB = "bob@else.test"


def start(w, over=None):
    receiver = Receiver(NETWORK + "10")
    w.serve_dns(ZONE)
    w.start(over)
    return receiver


def text(seed, lines, length=70):
    """Lines of many kinds, among them dots in all places."""
    rng = random.Random(seed)
    kinds = [b"", b".", b"..", b".x", b"QUIT", b"RSET", b"MAIL FROM:<a@b.test>"]
    return b"".join((rng.choice(kinds) if rng.random() < 0.2 else
                     b"abc. " * rng.randrange(length // 5)) + b"\r\n" for _ in range(lines))


def reset(wire):
    """The connection is lost at once, with all that was not yet sent or read."""
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.sock.close()


def killed(w):
    """The server's process is killed; until another one serves."""
    before = w.pid("server")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: w.serving() and w.pid("server") not in (0, before), "another server")


class Transaction:
    """One message with a TRANSID, and what its client does."""

    def __init__(self, name, content, user=USER, recipients=(BOB,)):
        self.content, self.user, self.recipients = content, user, recipients
        self.mail = f"MAIL FROM:<{user}> TRANSID=<{name}@client.test>"

    def session(self):
        return session(self.user, PASSWORD)

    def begin(self, wire):
        """MAIL and what follows it; the offset."""
        code, words = wire.say(self.mail)
        if code == 355:
            offset = int(words.split(" ")[0])
            check(offset <= len(self.content), f"355 {words}")
            return offset
        equal(code, 250, f"reply to MAIL ({words})")
        for recipient in self.recipients:
            wire.want(250, f"RCPT TO:<{recipient}>")
        return 0

    def rest(self, offset):
        """What goes over the wire for DATA, from an offset that begins a line."""
        check(offset == 0 or self.content[:offset].endswith(b"\r\n"), f"no line begins at {offset}")
        return stuffed(self.content[offset:])

    def cut(self, octets, how=reset, wait=0.0):
        """A session that is lost after so many octets of what it sends; where it had begun."""
        wire = self.session()
        offset = self.begin(wire)
        wire.want(354, "DATA")
        wire.send(self.rest(offset)[:octets])
        time.sleep(wait)
        how(wire)
        return offset

    def end(self, chunks=False):
        """A session that comes to the end: where it had begun, and the queue id."""
        wire = self.session()
        offset = self.begin(wire)
        if chunks:
            size = len(self.content) - offset
            wire.send(b"BDAT %d LAST\r\n" % size + self.content[offset:])
            code, words = wire.reply()
        else:
            code, words = wire.data(self.rest(offset))
        equal(code, 250, f"the end ({words})")
        wire.want(221, "QUIT")
        wire.close()
        return offset, words.split()[-1]

    def settled(self, offset):
        """The old connection's end has been seen: so much of what it brought is kept."""
        def look():
            wire = self.session()
            code, words = wire.say(self.mail)
            wire.close()
            return code == 355 and int(words.split(" ")[0]) >= offset
        eventually(look, f"{offset} octets are kept", 10)


def body(content):
    return content.split(b"\r\n\r\n", 1)[1]


def arrived_once(w, receiver, transactions):
    """Each has arrived, whole, and under one queue id."""
    w.wait_empty()
    for t in transactions:
        got = [m for m in receiver.messages if m.body == body(t.content)]
        check(got, "a message has arrived whole")
        equal(len({m.queue_id() for m in got}), 1, "copies")
    equal(len({m.queue_id() for m in receiver.messages}), len(transactions), "messages")


@test(timeout=240)
def cut_off_anywhere(w):
    receiver = start(w)
    sent = message("cut", text(1, 40) + b"..two dots\r\n" + text(2, 10))
    wire = stuffed(sent)
    dot = wire.index(b"\r\n...two dots") + 3    # behind the dot that was added
    line_end = wire.index(b"\r\n", dot) + 1     # between CR and LF
    transactions = []
    for cut in [0, 1, 10, dot, dot + 1, line_end, line_end + 1, len(wire) - 1, len(wire)]:
        for how in (reset, lambda c: c.close()):
            t = Transaction(f"cut.{len(transactions)}", sent + b"%d\r\n" % len(transactions))
            t.cut(cut, how, 0.1)
            # all whole lines that arrived, and nothing else
            arrived = wire[:cut].replace(b"\r\n..", b"\r\n.")
            t.settled(arrived.rfind(b"\r\n") + 2 if b"\r\n" in arrived else 0)
            offset, _ = t.end(chunks=len(transactions) % 3 == 0)
            check(offset <= len(arrived), f"{offset} octets of {len(arrived)}")
            transactions.append(t)
    arrived_once(w, receiver, transactions)


@test(timeout=240)
def cut_off_again_and_again(w):
    receiver = start(w)
    t = Transaction("again", message("again", text(3, 60000)))
    at, rng = 0, random.Random(4)
    while at < len(t.content) - 400000:
        offset = t.cut(rng.randrange(100000, 500000), wait=0.05)
        check(offset >= at, f"{offset} octets after {at}")
        at = offset
    t.end(chunks=True)
    arrived_once(w, receiver, [t])
    equal(os.listdir(os.path.join(w.state, "queue", "partial")), [], "what is left")


@test(timeout=240)
def killed_while_it_receives(w):
    receiver = start(w)
    transactions = [Transaction(f"kill{n}", message(f"kill{n}", text(10 + n, 60000, 200)))
                    for n in range(6 if FULL else 2)]
    rng = random.Random(5)
    for t in transactions:
        at = 0
        for _ in range(3):
            wire = t.session()
            offset = t.begin(wire)
            check(offset >= at, f"{offset} octets after {at}")
            at = offset
            wire.want(354, "DATA")
            wire.send(t.rest(offset)[:rng.randrange(600000, 1000000)])
            time.sleep(rng.random() * 0.1)
            killed(w)
            wire.close()
    for n, t in enumerate(transactions):
        offset, _ = t.end(chunks=n % 2 == 0)
        check(offset > 0, "nothing was kept")
    arrived_once(w, receiver, transactions)


@test()
def stopped_while_it_receives(w):
    receiver = start(w, {"shutdown_grace": "1s"})
    t = Transaction("stop", message("stop", text(20, 1000)))
    wire = t.session()
    t.begin(wire)
    wire.want(354, "DATA")
    wire.send(t.rest(0)[:20000])
    time.sleep(0.2)
    w.stop()
    wire.close()
    w.launch()
    w.wait_ready()
    offset, _ = t.end()
    check(19000 < offset <= 20000, f"offset {offset}")
    arrived_once(w, receiver, [t])


@test(timeout=240)
def the_last_reply_is_lost(w):
    receiver = start(w)
    transactions = []
    for number in range(40 if FULL else 12):
        t = Transaction(f"lost{number}",
                        message(f"lost{number}", text(30 + number, 20 + number * 50)))
        transactions.append(t)
        wire = t.session()
        t.begin(wire)
        wire.want(354, "DATA")
        wire.send(t.rest(0) + b".\r\n" + (b"QUIT\r\n" if number % 3 == 1 else b""))
        if number % 4 == 0:
            wire.close()
        elif number % 4 == 1:
            time.sleep(0.5)     # the reply is there, and is not read
            reset(wire)
        elif number % 4 == 2:
            killed(w)
            wire.close()
        else:
            reset(wire)
    for n, t in enumerate(transactions):
        offset, _ = t.end(chunks=n % 2 == 0)
        if n % 4 == 1:
            equal(offset, len(t.content), "the offset is the length")
        # its QUIT has told that the client knows
        wire = t.session()
        equal(wire.say(t.mail)[0], 250, "one that is done with")
        wire.close()
    arrived_once(w, receiver, transactions)


@test()
def finished_is_told_again_and_again(w):
    receiver = start(w)
    t = Transaction("told", message("told", text(80, 100)))
    wire = t.session()
    t.begin(wire)
    code, words = wire.data(t.rest(0))
    equal(code, 250, words)
    for _ in range(3):
        reset(wire)
        wire = t.session()
        equal(t.begin(wire), len(t.content), "the offset is the length")
        equal(wire.data(b""), (250, words), "the same reply")
    killed(w)
    equal(t.end(chunks=True), (len(t.content), words.split()[-1]), "the same reply after a kill")
    arrived_once(w, receiver, [t])


@test()
def two_logins_do_not_meet(w):
    receiver = start(w)
    carol = "carol@" + USER.split("@")[1]
    w.ctl("user", "add", carol, "--password-stdin", stdin=PASSWORD + "\n")
    one = Transaction("same", message("one", text(81, 100)))
    two = Transaction("same", message("two", text(82, 100), sender=carol), user=carol)
    one.cut(3000, wait=0.1)
    two.cut(2000, wait=0.1)
    one.settled(2700)
    two.settled(1700)
    check(one.end()[0] <= 3000, "offset")
    check(two.end()[0] <= 2000, "offset")
    arrived_once(w, receiver, [one, two])


@test()
def the_old_connection_still_stands(w):
    receiver = start(w)
    t = Transaction("stands", message("stands", text(83, 100)))
    old = t.session()
    t.begin(old)
    old.want(354, "DATA")
    old.send(t.rest(0)[:2000])
    time.sleep(0.2)
    offset, _ = t.end()
    check(1700 < offset <= 2000, f"offset {offset}")
    equal(old.reply()[0], 421, "the old connection")
    check(old.closed(), "it is closed")
    arrived_once(w, receiver, [t])


@test()
def room_is_limited(w):
    receiver = start(w, {"extensions": {"checkpoint_bytes": "2M"}})
    folder = os.path.join(w.state, "queue", "partial")

    def kept():
        return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))

    transactions = []
    for n in range(5):      # of 200 K each; a quarter of the room is for one login
        t = Transaction(f"room{n}", message(f"room{n}", (b"x" * 98 + b"\r\n") * 2000 + b"%d\r\n" % n))
        t.cut(10**7, wait=0.1)
        t.settled(200000)
        transactions.append(t)
    eventually(lambda: kept() <= 512 * 1024, "no more is kept than has room")
    large = Transaction("large", message("large", (b"y" * 98 + b"\r\n") * 10000))
    large.cut(900000, wait=0.3)
    eventually(lambda: kept() <= 512 * 1024, "what is above the share goes")
    equal(large.end()[0], 0, "it starts over")
    equal([t.end()[0] == 0 for t in transactions], [True] * 3 + [False] * 2, "the oldest went first")
    arrived_once(w, receiver, transactions + [large])
    equal(kept(), 0, "octets left")


@test(build="release", timeout=240)
def memory_is_bounded(w):
    receiver = start(w)
    t = Transaction("memory", message("memory", (b"x" * 98 + b"\r\n") * 450000))

    def most():
        with open(f"/proc/{w.pid('server')}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))

    t.cut(1000000, wait=0.5)
    before = most()
    t.cut(30000000, wait=1)
    t.settled(20000000)
    t.end()
    check(most() - before < 16 * 1024, f"{before} KiB became {most()} KiB")
    arrived_once(w, receiver, [t])


@test()
def binary_content_stays_binary(w):
    """What makes it binary came over the first connection only."""
    receiver = start(w)
    receiver.extensions = EVERY
    t = Transaction("binary", message("binary", b"\x00\n\r" * 200000 + b"lines\r\n" * 20))
    t.mail += " BODY=BINARYMIME"

    def part(octets, last):
        wire = t.session()
        offset = t.begin(wire)
        piece = t.content[offset:] if last else t.content[offset:octets]
        wire.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if last else b"") + piece)
        equal(wire.reply()[0], 250)
        wire.close()
        return offset

    part(len(t.content) - 100, False)
    t.settled(len(t.content) - 100)
    equal(part(0, True), len(t.content) - 100, "octets that were kept")
    eventually(lambda: receiver.messages, "it arrives")
    got = receiver.messages[0]
    check("BODY=BINARYMIME" in got.mail, got.mail)
    equal(got.body, t.content.split(b"\r\n\r\n", 1)[1], "the body")


@test()
def bare_newlines_are_not_counted(w):
    """A client that ends lines with LF counts other octets than we keep: it loses none of them."""
    receiver = start(w)
    t = Transaction("bare", message("bare") + b"whole\r\n" * 100000 + b"bare\n" * 200000 + b"\r\n")
    wire = t.session()
    equal(t.begin(wire), 0)
    wire.send(b"BDAT %d\r\n" % (len(t.content) - 7) + t.content[:-7])
    equal(wire.reply()[0], 250)
    reset(wire)
    time.sleep(0.5)
    wire = t.session()
    offset = t.begin(wire)
    check(offset <= t.content.index(b"bare\n"), f"{offset} octets")
    check(offset > 0, "nothing was kept")
    wire.send(b"BDAT %d LAST\r\n" % (len(t.content) - offset) + t.content[offset:])
    equal(wire.reply()[0], 250)
    eventually(lambda: receiver.messages, "it arrives")
    want = t.content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").split(b"\r\n\r\n", 1)[1]
    equal(receiver.messages[0].body == want, True, "the body is whole")
