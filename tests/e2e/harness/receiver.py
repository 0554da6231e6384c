"""Receivers of relayed mail: one whose every reply can be scripted, and aiosmtpd."""

import select
import socket
import ssl
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

EXTENSIONS = ["PIPELINING", "8BITMIME", "SIZE 1000000000", "ENHANCEDSTATUSCODES", "DSN"]
# all that a next hop may be told of; REQUIRETLS is said under TLS only
EVERY = EXTENSIONS + ["CHUNKING", "BINARYMIME", "SMTPUTF8", "NO-SOLICITING", "MTRK", "DELIVERBY",
                      "MT-PRIORITY", "REQUIRETLS", "LIMITS MAILMAX=1000", "RRVS"]


def without(*keywords):
    return [x for x in EVERY if x.split(" ")[0] not in keywords]


class Received:
    """One transaction as it arrived."""

    def __init__(self, session):
        self.helo, self.tls, self.login = session.helo, session.tls, session.login
        self.mail, self.rcpt, self.content = session.mail, list(session.rcpt), b""
        self.chunks = list(session.chunks)  # sizes; by DATA: none
        self.time = time.monotonic()

    def header(self, name):
        """All values of a field, unfolded."""
        head = self.content.split(b"\r\n\r\n", 1)[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
        fields = [line.split(b":", 1) for line in head.split(b"\r\n")]
        return [f[1].strip().decode("latin-1") for f in fields
                if len(f) == 2 and f[0].lower() == name.lower().encode()]

    @property
    def body(self):
        return self.content.split(b"\r\n\r\n", 1)[1]

    def queue_id(self):
        return self.header("received")[0].split(" id ")[1].split()[0].rstrip(";")


class Session:
    def __init__(self, receiver, sock):
        self.receiver, self.sock = receiver, sock
        # of one octet: what came too early is still in the socket
        self.file = sock.makefile("rb", buffering=1 if receiver.watch else -1)
        self.helo = self.login = self.mail = None
        self.tls = False
        self.rcpt = []
        self.chunks, self.parts, self.refused = [], [], False

    def say(self, reply):
        self.sock.sendall(reply.encode("latin-1") + b"\r\n")

    def run(self):
        if not self.answer("CONNECT", "", "220 receiver.test ESMTP"):
            return
        while True:
            line = self.file.readline(1 << 20)
            if not line.endswith(b"\n"):
                return
            text = line.decode("latin-1").rstrip("\r\n")
            self.receiver.commands.append(text)
            verb, _, args = text.partition(" ")
            if self.receiver.watch and not self.tls and verb.upper() != "BDAT":
                self.receiver.early += bool(select.select([self.sock], [], [], 0.02)[0])
            if not self.command(verb.upper(), args):
                return

    def raw(self, octets, pause=0):
        """Octets as they are; with a pause one by one. False: the peer has gone, or the receiver."""
        try:
            for piece in ([octets] if not pause else [octets[i:i + 1] for i in range(len(octets))]):
                self.sock.sendall(piece)
                if pause:
                    time.sleep(pause)
        except OSError:
            return False
        return not self.receiver.closing

    def answer(self, verb, args, usual):
        """Replies as scripted, else as usual; False: the connection is to be closed."""
        script = self.receiver.script
        reply = script(verb, args, self) if script else None
        if callable(reply):
            self.last = ""
            reply = reply(self, usual)
            if reply is True:
                return True
        if isinstance(reply, bytes):
            self.last = reply.decode("latin-1")
            return self.raw(reply)
        if reply is False:
            return False
        self.last = usual if reply is None else reply
        self.say(self.last)
        return not self.last.startswith("421")

    def good(self):
        return self.last.startswith("2")

    def command(self, verb, args):
        if verb in ("EHLO", "HELO"):
            self.helo = args
            names = [x for x in self.receiver.extensions if x != "REQUIRETLS" or self.tls]
            if self.receiver.context and not self.tls:
                names.append("STARTTLS")
            lines = ["receiver.test"] + (names if verb == "EHLO" else [])
            usual = "\r\n".join(["250-" + text for text in lines[:-1]] + ["250 " + lines[-1]])
            return self.answer(verb, args, usual)
        if verb == "STARTTLS":
            if not self.answer(verb, args, "220 go ahead"):
                return False
            if not self.good():
                return True
            if not self.receiver.context:
                return False
            self.sock = self.receiver.context.wrap_socket(self.sock, server_side=True)
            self.file = self.sock.makefile("rb")
            self.tls = True
            return True
        if verb == "AUTH":
            self.login = args
            return self.answer(verb, args, "235 2.7.0 welcome")
        if verb == "MAIL":
            self.reset()
            self.receiver.clear += not self.tls
            more = self.answer(verb, args, "250 2.1.0 ok")
            self.mail = args if self.good() else None
            return more
        if verb == "RCPT":
            more = self.answer(verb, args,
                               "503 5.5.1 MAIL first" if self.mail is None else "250 2.1.5 ok")
            if self.good():
                self.rcpt.append(args)
            return more
        if verb == "DATA":
            more = self.answer(verb, args, "354 send it" if self.rcpt else "503 5.5.1 nobody")
            return more and (not self.last.startswith("354") or self.content())
        if verb == "BDAT":
            return self.chunk(args)
        if verb == "RSET":
            self.mail = None
            self.reset()
        if verb == "QUIT":
            self.answer(verb, args, "221 2.0.0 bye")
            return False
        return self.answer(verb, args, "250 2.0.0 ok")

    def reset(self):
        self.rcpt, self.chunks, self.parts, self.refused = [], [], [], False

    def chunk(self, args):
        """RFC 3030: all octets are read, whatever the answer; after a refusal only RSET helps."""
        size, _, last = args.partition(" ")
        octets = self.file.read(int(size))
        if len(octets) != int(size):
            return False
        self.chunks.append(len(octets))
        self.parts.append(octets)
        if self.refused or not self.rcpt:
            return self.answer("REFUSED", args, "503 5.5.1 RSET first")
        if last != "LAST":
            more = self.answer("BDAT", args, "250 2.0.0 go on")
            self.refused = not self.good()
            return more
        return self.take(b"".join(self.parts))

    def content(self):
        lines = []
        while True:
            line = self.file.readline(1 << 20)
            if not line.endswith(b"\n"):
                return False
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return self.take(b"".join(lines))

    def take(self, octets):
        message = Received(self)
        message.content = octets
        self.receiver.seen.append(message)
        more = self.answer("END", message, "250 2.0.0 taken")
        if self.good():
            self.receiver.messages.append(message)
        self.reset()
        return more


class Receiver:
    """Listens on one address. script(verb, args, session): a reply, None for the usual one, False to
    close, octets that are sent as they are, or what is called with the session and the usual reply,
    to do anything, and to return one of these, or True to go on. The verbs are the commands, CONNECT for the greeting, END for the end of the content.
    watch: counts commands that come before the reply to the one before, in clear."""

    def __init__(self, address, port=25, extensions=None, script=None, certificate=None,
                 watch=False):
        self.extensions = EXTENSIONS if extensions is None else extensions
        self.script = script
        self.messages = []      # answered 250
        self.seen = []          # received whole, whatever the answer
        self.commands = []
        self.connections = 0
        self.clear = 0          # MAIL in clear text
        self.watch, self.early = watch, 0
        self.open, self.closing = [], False
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family, backlog=512)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        session = Session(self, sock)
        self.open.append(session)
        try:
            session.run()
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.open.remove(session)
            session.file.close()  # it keeps the socket open
            session.sock.close()
            sock.close()

    def close(self):
        """No further connection, and those that are open are cut."""
        self.closing = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in list(self.open):
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# ---- scripts ----

def at(verb, reply, who=None):
    """A script: this reply (or action) to that verb, and to one recipient only if one is named."""
    def script(got, args, _):
        here = got == verb and (not who or f"<{who}@" in args)
        return reply if here else None
    return script


def swallows(octets):
    """220 with octets behind it in clear, then TLS all the same."""
    def act(session, usual):
        session.last = "220 go ahead"
        return session.raw(b"220 go ahead\r\n" + octets)
    return act


def no_handshake(octets=b"", pause=0):
    def act(session, usual):
        session.raw(b"220 go ahead\r\n")
        time.sleep(0.1)
        session.raw(octets)
        time.sleep(pause)
        return False
    return act


# ---- aiosmtpd ----

class _Keep:
    def __init__(self, messages, options):
        self.messages, self.options = messages, options

    async def handle_DATA(self, server, session, envelope):
        self.options.append(list(envelope.mail_options))
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 taken"


class Aiosmtpd:
    """aiosmtpd as receiver; messages: (reverse-path, forward-paths, octets), options: parameters of
    their MAIL."""

    def __init__(self, address, port=25, smtputf8=False):
        self.messages, self.options = [], []
        self.controller = Controller(_Keep(self.messages, self.options), hostname=address, port=port)
        self.controller.factory = lambda: SMTP(self.controller.handler, hostname="aiosmtpd.test",
                                               data_size_limit=0, enable_SMTPUTF8=smtputf8)
        self.controller.start()

    def close(self):
        self.controller.stop()
