"""S/MIME: what msad signs and encrypts is taken by openssl cms and Python's email package; who gets
which form, what is refused, and what happens while nobody can sign."""

import email
import email.policy
import os
import signal

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.case import check, equal, eventually, test
from harness.people import Authority
from harness.receiver import Receiver
from harness.world import NETWORK, USER, message, stuffed
from test_dkim import Keys

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
"""

TEXT = b"""MIME-Version: 1.0\r
Content-Type: multipart/alternative; boundary=b1\r
"""
PARTS = b"""preamble\r
--b1\r
Content-Type: text/plain\r
\r
hello \r
\r
--b1\r
Content-Type: text/html; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
<p>gr=C3=BC=C3=9Fe</p>\r
--b1--\r
\r
\r
"""


class Office:
    """An authority, alice who signs, a folder of recipients' certificates, a receiver."""

    def __init__(self, w):
        self.w = w
        self.authority = Authority(w.path("people"))
        self.folder = w.path("recipients")
        os.makedirs(self.folder)
        w.serve_dns(ZONE)
        self.receiver = Receiver(NETWORK + "10")

    def person(self, address, **more):
        return self.authority.person(address, **more)

    def recipient(self, address, **more):
        return self.person(address, **more).publish(self.folder)

    def signs(self, person, **more):
        return dict({"from": person.address, "certificate": person.certificate,
                     "key": person.key}, **more)

    def start(self, smime=(), encrypt=(), **over):
        rewrite = {"smime": list(smime), "encrypt": list(encrypt),
                   "certificates": [self.folder] if encrypt else []}
        self.w.start(dict({"rewrite": {k: v for k, v in rewrite.items() if v}}, **over))

    def received(self, number):
        eventually(lambda: len(self.receiver.messages) >= number, f"{number} messages arrive")
        return self.receiver.messages[number - 1]

    def by_recipient(self, number):
        """Messages by the one recipient or the sorted recipients that they came for."""
        self.received(number)
        return {" ".join(sorted(r.split(">")[0][4:] for r in got.rcpt)): got
                for got in self.receiver.messages}


def refused(w, content, *recipients, wire=None):
    s = wire or w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    for recipient in recipients:
        s.want(250, f"RCPT TO:<{recipient}>")
    code, text = s.data(stuffed(content))
    s.close()
    return code, text


def check_structure(content):
    """As Python reads it: two parts, and no defect anywhere."""
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    equal(parsed.get_content_type(), "multipart/signed")
    equal(parsed.get_param("micalg"), "sha-256")
    equal(parsed.get_param("protocol"), "application/pkcs7-signature")
    parts = list(parsed.iter_parts())
    equal([p.get_content_type() for p in parts][1:], ["application/pkcs7-signature"])
    for part in parsed.walk():
        equal(part.defects, [], "defects")
    return parts[0]


def entity_of(content):
    """What has to be signed of a message: its Content- fields and body."""
    head, body = content.split(b"\r\n\r\n", 1)
    at = head.find(b"Content-")
    return (head[at:] if at >= 0 else b"Content-Type: text/plain") + b"\r\n\r\n" + body


@test()
def signed_messages_verify(w):
    office = Office(w)
    alice = office.person(USER, kind="rsa")
    office.start([office.signs(alice)])
    shapes = [message(), message(body=b""), message(body=b".dot\r\n.\r\nFrom here\r\n\r\n"),
              message(extra=TEXT, body=PARTS),
              message(body=b"0123456789 abcdef\r\n" * 40000),
              message(extra=b"Content-Type: text/plain;\r\n\tcharset=utf-8\r\n"
                            b"Content-Disposition: inline\r\n")]
    for number, content in enumerate(shapes, 1):
        w.submit("bob@else.test", stuffed(content))
        got = office.received(number)
        equal(alice.verify(got.content), entity_of(content))
        check_structure(got.content)
        equal(got.header("subject"), ["test"])
        equal(got.header("mime-version"), ["1.0"])
        equal(len(got.header("content-type")), 1)
        check(b"\r\n.\r\n" not in got.content or number == 3, "a lone dot")
    check("unsigned" not in w.log(), "somebody was not signed")


@test()
def eight_bits_are_made_seven(w):
    """Before they are signed, so that no relay has to do it; and 8-bit Subjects stay outside."""
    office = Office(w)
    alice = office.person(USER)
    office.start([office.signs(alice, require=True)])
    text = "Grüße – ".encode() + b"x" * 900 + b"\r\n"
    extra = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
             b"Content-Transfer-Encoding: 8bit\r\n")
    mixed = b"".join(b"--b1\r\n" + extra[19:] + b"\r\n" + text for _ in range(2)) + b"--b1--\r\n"
    shapes = [(extra, text), (extra, text * 2000), (b"", "bloß\r\n".encode()),
              (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n", mixed),
              ("X-Note: grün\r\n".encode() + extra, text)]
    for number, (fields, body) in enumerate(shapes, 1):
        w.submit("bob@else.test", message(extra=fields, body=body))
        got = office.received(number)
        inside = alice.verify(got.content)
        check(inside.isascii() and all(len(x) < 999 for x in inside.split(b"\r\n")), inside[:300])
        check("BODY=8BITMIME" in got.mail or got.content.isascii(), got.mail)
        part = check_structure(got.content)
        leaves = [p for p in part.walk() if not p.is_multipart()]
        for leaf in leaves:
            # the line end before a delimiter belongs to that
            equal(leaf.get_payload(decode=True), body if len(leaves) == 1 else text[:-2])


@test()
def only_what_has_to_be_signed(w):
    """By author and by login; already signed or encrypted mail stays as it is."""
    office = Office(w)
    alice = office.person(USER)
    office.start([office.signs(alice, login="robot@our.test"), office.signs(alice,
                                                                           login="alice@our.test",
                                                                           **{"from": "@our.test"})],
                 permissions=[{"login": "*", "may_send_as": ["*"]}])
    w.submit("bob@else.test", message(sender="alice@other.test"), sender="alice@other.test")
    equal(office.received(1).header("content-type"), [])
    w.submit("bob@else.test", message(sender="sales@our.test"), sender="sales@our.test")
    alice.verify(office.received(2).content)
    signed = office.received(2).content.split(b"\r\n", 1)[1]
    signed = signed[signed.index(b"From:"):]
    w.submit("bob@else.test", stuffed(signed))
    check(office.received(3).content.endswith(signed), "what was signed is another")
    pgp = message(extra=b"Content-Type: multipart/encrypted; boundary=x;\r\n"
                        b"\tprotocol=\"application/pgp-encrypted\"\r\n",
                  body=b"--x\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
                       b"--x\r\nContent-Type: application/octet-stream\r\n\r\n"
                       b"-----BEGIN PGP MESSAGE-----\r\n\r\naa==\r\n-----END PGP MESSAGE-----\r\n"
                       b"--x--\r\n")
    w.submit("bob@else.test", pgp, sender="sales@our.test")
    check(office.received(4).content.endswith(pgp), "what was encrypted is another")
    only_says_so = pgp.replace(b"BEGIN PGP", b"BEGIN")
    w.submit("bob@else.test", only_says_so, sender="sales@our.test")
    alice.verify(office.received(5).content)


@test()
def wrong_certificates_do_not_sign(w):
    """Expired, of somebody else, for servers: unsigned, or refused; check says so."""
    office = Office(w)
    old = office.person(USER, begins=-9, ends=-1, name="old")
    bob = office.person("bob@our.test", name="other")
    web = office.person(USER, purpose=ExtendedKeyUsageOID.SERVER_AUTH, name="web")
    rows = [office.signs(old), office.signs(bob, **{"from": USER}), office.signs(web)]
    office.start(rows)
    said = w.ctl("check")
    for words in ("rewrite.smime[0].certificate: warning: the certificate has expired",
                  "rewrite.smime[1].certificate: warning: the certificate does not name "
                  "alice@our.test but bob@our.test",
                  "rewrite.smime[2].certificate: warning: the certificate is not meant for mail"):
        check(words in said, "not said:", words, said)
    w.submit("bob@else.test", message())
    equal(office.received(1).header("content-type"), [])
    w.wait_log("rewrite.smime[0]: not signed (S/MIME): the certificate has expired")
    rows[0]["require"] = True
    w.write({"rewrite": {"smime": rows}})
    w.ctl("reload")
    code, text = refused(w, message(), "bob@else.test")
    equal(code, 550, text)
    check("5.7.5" in text and "has expired" in text, text)
    # a good one beside them signs
    good = office.person(USER)
    w.write({"rewrite": {"smime": rows + [office.signs(good)]}})
    w.ctl("reload")
    w.submit("bob@else.test", message())
    good.verify(office.received(2).content)


@test()
def faults_of_the_configuration(w):
    office = Office(w)
    with open(w.certificate[1], "rb") as f:
        pem = f.read()
    forms = serialization.PrivateFormat
    for form in (forms.PKCS8, forms.TraditionalOpenSSL):
        again = serialization.load_pem_private_key(pem, None).private_bytes(
            serialization.Encoding.PEM, form, serialization.NoEncryption())
        if again != pem:
            same_key = w.path(f"{form.name}.key")
            with open(same_key, "wb") as f:
                f.write(again)
            os.chmod(same_key, 0o600)
    alice, bob = office.person(USER), office.person("bob@our.test")
    os.chmod(alice.key, 0o644)
    with open(os.path.join(office.folder, "nobody.pem"), "wb") as f:
        f.write(alice.pem)
    with open(os.path.join(office.folder, "eve@else.test.pem"), "wb") as f:
        f.write(bob.pem)
    rows = [dict(office.signs(alice), key=bob.key), office.signs(alice),
            dict(office.signs(bob), certificate=w.path("gone.pem")),
            dict(office.signs(bob), **{"from": "bob"}),
            {"certificate": w.certificate[0], "key": w.certificate[1]},
            {"certificate": w.certificate[0], "key": same_key}]
    w.write({"rewrite": {"smime": rows, "encrypt": [{"to": "nobody"}],
                         "certificates": [office.folder]}})
    said = w.ctl("check", code=1)
    for words in ("rewrite.smime[0].key: the private key does not belong to the first",
                  "rewrite.smime[1].key: everybody on this machine can read",
                  "rewrite.smime[2].certificate: cannot read",
                  "rewrite.smime[3].from: \"bob\" is none of these",
                  "rewrite.smime[4].key: it is the key of an entry of tls",
                  "rewrite.smime[5].key: it is the key of an entry of tls",
                  "rewrite.encrypt[0].to: \"nobody\" is none of these",
                  "nobody.pem is not named by an address",
                  "does not name eve@else.test but bob@our.test"):
        check(words in said, "not said:", words, "\n", said)
    for gone in ("gone", "gone.pem"):
        w.write({"rewrite": {"certificates": [w.path(gone)]}})
        said = w.ctl("check", code=1)
        check("rewrite.certificates[0]: cannot read" in said, said)
    w.write({"rewrite": {"certificates": ["here"]}})
    check("no absolute path" in w.ctl("check", code=1), "a relative path is taken")


@test()
def the_keeper_is_killed(w):
    """Where a signature is required nothing leaves without one; with a new keeper it goes on."""
    office = Office(w)
    alice = office.person(USER)
    office.start([office.signs(alice, require=True)])
    s = w.session()
    for number in range(1, 4):
        keeper = w.pid("keeper")
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        os.kill(keeper, signal.SIGKILL)
        code, text = s.data(message(body=b"x" * 60 + b"\r\n" * number))
        check(code == 250 or (code == 451 and "4.7.0" in text), code, text)
        eventually(lambda: w.serving() and w.pid("keeper") != keeper, "a new keeper serves")
    w.submit("bob@else.test", message("last"))
    eventually(lambda: any(m.header("subject") == ["last"] for m in office.receiver.messages),
               "the last arrives")
    for got in office.receiver.messages:
        alice.verify(got.content)


@test()
def encrypted_messages_decrypt(w):
    """Named recipients share a message, hidden ones have their own, others get it as it is."""
    office = Office(w)
    bob, carol = office.recipient("bob@else.test", kind="rsa"), office.recipient("carol@else.test")
    hidden = office.recipient("hidden@else.test")
    alice = office.person(USER)
    office.start([office.signs(alice)], [{"to": "plain@else.test", "policy": "never"},
                                         {"to": "@else.test"}])
    head = (f"From: <{USER}>\r\nTo: Bob <bob@else.test>, plain@else.test\r\n"
            "Cc: carol@else.test, nocert@else.test\r\nSubject: open\r\n"
            "Date: Mon, 01 Jun 2026 10:00:00 +0000\r\nMessage-ID: <1@our.test>\r\n").encode()
    content = head + TEXT + b"\r\n" + PARTS
    to = ["bob@else.test", "plain@else.test", "carol@else.test", "nocert@else.test",
          "hidden@else.test"]
    queue_id = w.submit(to, content)
    got = office.by_recipient(3)
    equal(sorted(got), ["bob@else.test carol@else.test", "hidden@else.test",
                        "nocert@else.test plain@else.test"])
    plain = got["nocert@else.test plain@else.test"]
    equal(alice.verify(plain.content), entity_of(content))
    both, own = got["bob@else.test carol@else.test"], got["hidden@else.test"]
    for person, wire in ((bob, both), (carol, both), (hidden, own)):
        equal(wire.header("subject"), ["open"])
        equal(wire.header("content-transfer-encoding"), ["base64"])
        check(b"gr=C3" not in wire.content, "plain text is inside")
        inside = person.decrypt(wire.content)
        check(inside.startswith(b"Content-Type: multipart/signed"), inside[:200])
        equal(alice.verify(inside), entity_of(content))
    check(not hidden.may_read(both.content), "the hidden one is among the recipients")
    check(not bob.may_read(own.content) and not carol.may_read(own.content), "others read it")
    equal(plain.queue_id(), queue_id)
    # each is a message of its own, and the trace tells of all
    w.wait_empty()
    lines = [line for line in w.ask("trace", "--message-id", "<1@our.test>")[1]
             if line["event"] == "accepted"]
    equal(len({line["id"] for line in lines}), 3, lines)
    equal(sorted(sum((line["to"].split("\n") for line in lines), [])), sorted(to))
    # from each to the others
    others = {line["id"] for line in lines} - {queue_id}
    for line in lines:
        equal(set(line["text"].split()), others if line["id"] == queue_id else {queue_id})
    check("forms=" in w.ctl("trace", queue_id), "msactl trace does not name the other messages")
    check(f"of={queue_id}" in w.log(), "the log does not tell where they come from")
    diff = w.ctl("trace", lines[-1]["id"], "--diff")
    check("S/MIME" in diff and "8.6" in diff, diff)


@test()
def one_encrypted_recipient(w):
    """The message itself is encrypted: no second one; large ones, 8-bit ones, binary ones, too."""
    office = Office(w)
    bob = office.recipient("bob@else.test", kind="rsa")
    office.start((), [{"to": "*", "policy": "require"}])
    bodies = [b"short\r\n", "größer\r\n".encode() * 20000, b"y" * 997 + b"\r\n"]
    for number, body in enumerate(bodies, 1):
        content = message(extra=b"Content-Type: text/plain; charset=utf-8\r\n"
                                b"Content-Transfer-Encoding: 8bit\r\n", body=body)
        queue_id = w.submit("bob@else.test", content)
        got = office.received(number)
        equal(got.queue_id(), queue_id)
        equal(bob.decrypt(got.content), entity_of(content))
        check(got.content.isascii(), "8-bit bytes leave")
        check("BODY=8BITMIME" not in got.mail, got.mail)
        equal(email.message_from_bytes(got.content).get_param("smime-type"), "enveloped-data")
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}> BODY=BINARYMIME")
    s.want(250, "RCPT TO:<bob@else.test>")
    content = message(extra=b"Content-Type: application/x\r\n"
                            b"Content-Transfer-Encoding: binary\r\n", body=bytes(range(256)) * 300)
    code, text = s.chunks(content, 5000)
    equal(code, 250, text)
    equal(bob.decrypt(office.received(4).content), entity_of(content))
    # what is encrypted already is not encrypted again
    again = office.received(1).content
    again = again[again.index(b"From:"):]
    w.submit("bob@else.test", again)
    check(office.received(5).content.endswith(again), "encrypted twice")


@test()
def encryption_is_required(w):
    """Who has no usable certificate: refused, by name; a renewed one counts after a reload."""
    office = Office(w)
    office.recipient("bob@else.test")
    carol = office.recipient("carol@else.test", begins=-9, ends=-1)
    dan = office.recipient("dan@else.test", begins=1)
    web = office.recipient("web@else.test", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    office.start((), [{"to": "@else.test", "policy": "require"}])
    said = w.ctl("check")
    for person, words in ((carol, "has expired"), (dan, "is not valid yet"),
                          (web, "is not meant for mail")):
        check(f"{person.address}.pem: the certificate {words}" in said, words, said)
    for address in ("nobody@else.test", "carol@else.test", "dan@else.test", "web@else.test"):
        code, text = refused(w, message(), "bob@else.test", address)
        equal(code, 550, text)
        check("5.7.5" in text and f"<{address}>" in text, text)
        check(address.startswith("nobody") or "the certificate for this address" in text, text)
    w.wait_log("rewrite.encrypt")
    new = office.recipient("carol@else.test")
    w.ctl("reload")
    w.submit("carol@else.test", message())
    new.decrypt(office.received(1).content)
    equal(len(office.receiver.messages), 1)


@test()
def many_hidden(w):
    """A hundred of them have their own messages, and one more is refused."""
    office = Office(w)
    people = [office.recipient(f"p{i}@else.test") for i in range(3)]
    for i in range(3, 102):
        people[0].authority.person(f"p{i}@else.test").publish(office.folder)
    office.start((), [{"to": "*"}])
    to = [f"p{i}@else.test" for i in range(102)]
    code, text = refused(w, message(), *to)
    equal(code, 550, text)
    check("5.5.3" in text, text)
    large = message(body=(b"x" * 70 + b"\r\n") * 160000)  # a hundred times are over 1 GiB
    code, text = refused(w, large, *to[:100])
    equal(code, 550, text)
    check("5.5.3" in text, text)
    w.submit(to[:20], message())
    got = office.by_recipient(20)
    equal(sorted(got), sorted(to[:20]))
    for person in people:
        person.decrypt(got[person.address].content)
        check(not person.may_read(got["p9@else.test"].content), "another's is readable")


@test()
def dkim_comes_last(w):
    """Over each form as it leaves: python3-dkim verifies all of them."""
    office = Office(w)
    w.write()
    keys = Keys(w).new("s1")
    bob, hidden = office.recipient("bob@else.test"), office.recipient("hidden@else.test")
    alice = office.person(USER)
    w.start({"rewrite": {"dkim": [dict(row, require=True) for row in keys.rows],
                         "smime": [office.signs(alice)], "encrypt": [{"to": "*"}],
                         "certificates": [office.folder]}})
    content = message(body=b"line  \r\n" * 30000).replace(b"someone@", b"bob@")
    w.submit(["bob@else.test", "hidden@else.test", "plain@else.test"], content)
    got = office.by_recipient(3)
    for name, form in got.items():
        equal(len(form.header("dkim-signature")), 2, name)
        for index in range(2):
            check(dkim.DKIM(form.content).verify(idx=index, dnsfunc=keys.lookup),
                  f"signature {index} of the form for {name} does not hold")
    equal(alice.verify(bob.decrypt(got["bob@else.test"].content)), entity_of(content))
    equal(alice.verify(hidden.decrypt(got["hidden@else.test"].content)), entity_of(content))
    equal(alice.verify(got["plain@else.test"].content), entity_of(content))
    # a keeper that signs nothing for a while: 451 for all, and nothing is queued
    w.wait_empty()
    s, keeper = w.session(), w.pid("keeper")
    os.kill(keeper, signal.SIGSTOP)
    try:
        code, text = refused(w, content, "bob@else.test", "plain@else.test", wire=s)
    finally:
        os.kill(keeper, signal.SIGCONT)
    equal(code, 451, text)
    check("4.7.0" in text, text)
    equal(w.queue(), [])


def given_back(w, content):
    """XRETURN: the reply, and the octets that follow it."""
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}> XRETURN")
    s.want(250, "RCPT TO:<bob@else.test>" if b"bob@" in content else "RCPT TO:<must@else.test>")
    code, text = s.data(content)
    count = int(text.split()[1]) if code == 250 else 0
    while len(s.rest) < count:
        s.rest += s.sock.recv(65536)
    octets, s.rest = s.rest[:count], s.rest[count:]
    s.close()
    return code, text, octets


@test()
def signed_and_given_back(w):
    """The signature is there, and nothing is encrypted; who has to be and cannot be is told of."""
    office = Office(w)
    office.recipient("bob@else.test")
    alice = office.person(USER)
    office.start([office.signs(alice)], [{"to": "must@else.test", "policy": "require"},
                                         {"to": "*"}])
    content = message().replace(b"someone@", b"bob@")
    code, text, octets = given_back(w, content)
    equal(code, 250, text)
    equal(alice.verify(octets), entity_of(content))
    code, text, _ = given_back(w, content.replace(b"bob@", b"must@"))
    check(code == 550 and "<must@else.test>" in text, code, text)
    equal(w.queue(), [])
