"""A name server whose every answer can be made by hand, octet by octet, over UDP and TCP."""

import socket
import struct
import threading
import time

A, NS, CNAME, SOA, MX, TXT, AAAA, SRV = 1, 2, 5, 6, 15, 16, 28, 33
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5


def name(text):
    """Wire form; labels are not judged."""
    return b"".join(bytes([len(x)]) + x.encode("latin-1") for x in text.split(".") if x) + b"\0"


def address(text):
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return (AAAA if ":" in text else A), socket.inet_pton(family, text)


def mx(preference, host):
    """host: text, or octets in wire form."""
    return struct.pack(">H", preference) + (name(host) if isinstance(host, str) else host)


def txt(octets):
    return b"".join(bytes([len(octets[i:i + 255])]) + octets[i:i + 255]
                    for i in range(0, len(octets), 255))


def record(owner, kind, rdata, ttl=1, length=None):
    return (name(owner) if isinstance(owner, str) else owner) + \
        struct.pack(">HHIH", kind, 1, ttl, len(rdata) if length is None else length) + rdata


class Question:
    def __init__(self, packet, tcp):
        self.tcp = tcp
        self.id = struct.unpack(">H", packet[:2])[0]
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += 1 + packet[at]
        self.octets = packet[12:at + 5]
        self.name = ".".join(labels).lower()
        self.kind = struct.unpack(">H", packet[at + 1:at + 3])[0]

    def reply(self, records=(), rcode=0, truncated=False, question=None, more=(), number=None):
        """An answer with these records, and more in its additional section."""
        return struct.pack(">6H", self.id if number is None else number,
                           0x8180 | rcode | (0x200 if truncated else 0), 1, len(records), 0,
                           len(more)) + (question or self.octets) + b"".join(records) + b"".join(more)

    def nothing(self, rcode=0):
        """No such record, or with NXDOMAIN no such name."""
        soa = record(".", SOA, name("ns.test") + name("hostmaster.test") +
                     struct.pack(">5I", 1, 3600, 600, 86400, 1))
        return struct.pack(">6H", self.id, 0x8180 | rcode, 1, 0, 1, 0) + self.octets + soa


class Hostile:
    """answers: {(name, type): what}: a list of rdata; octets of which each question gets a whole
    packet made by a function of the question; None: silence. Whatever else is asked for does not
    exist; a name that has other records has none of the type."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 53))
        self.tcp = socket.create_server(("127.0.0.1", 53), backlog=128)
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def packets(self, q):
        """What goes back, in this order; a number: a pause in seconds."""
        self.asked.append((q.name, q.kind, q.tcp))
        what = self.answers.get((q.name, q.kind), ())
        if what == ():
            known = any(n == q.name for n, _ in self.answers)
            return [q.nothing() if known else q.nothing(NXDOMAIN)]
        if what is None:
            return []
        if isinstance(what, list):
            packet = q.reply([record(q.name, q.kind, x) for x in what])
            return [packet if q.tcp or len(packet) <= 1200 else q.reply(truncated=True)]
        got = what(q)
        return got if isinstance(got, list) else [got]

    def serve_udp(self):
        while True:
            packet, peer = self.udp.recvfrom(65535)
            threading.Thread(target=self.answer_udp, args=(packet, peer), daemon=True).start()

    def answer_udp(self, packet, peer):
        for x in self.packets(Question(packet, False)):
            if isinstance(x, bytes):
                self.udp.sendto(x, peer)
            else:
                time.sleep(x)

    def serve_tcp(self):
        while True:
            peer, _ = self.tcp.accept()
            threading.Thread(target=self.answer_tcp, args=(peer,), daemon=True).start()

    def answer_tcp(self, peer):
        try:
            with peer, peer.makefile("rb") as file:
                while len(head := file.read(2)) == 2:
                    question = Question(file.read(struct.unpack(">H", head)[0]), True)
                    for x in self.packets(question):
                        if isinstance(x, bytes):
                            peer.sendall(struct.pack(">H", len(x)) + x)
                        else:
                            time.sleep(x)
        except OSError:
            pass
