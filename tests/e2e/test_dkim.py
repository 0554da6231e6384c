"""DKIM: what msad signs holds for others (python3-dkim, opendkim, rspamd), in all shapes of mail; the
keys, their rotation, and what happens while nobody can sign."""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import dkim

from harness.case import check, equal, eventually, test
from harness.client import session
from harness.milters import SPAM_HEADER, Daemon, folder, opendkim, rspamd, write
from harness.receiver import EVERY, Receiver
from harness.world import NETWORK, USER, message, port_open, stuffed

ZONE = f"""else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
nowhere.test. MX 0 .
"""


class Keys:
    """Made by msactl dkim new; what the DNS says of them."""

    def __init__(self, w):
        self.w, self.records, self.rows = w, {}, []

    def new(self, selector, domain="our.test", **more):
        for line in self.w.ask("dkim", "new", domain, selector)[1]:
            self.records[line["name"] + "."] = line["record"].encode()
            self.rows.append(dict({"domain": domain, "selector": line["selector"],
                                   "key": line["key"]}, **more))
        return self

    def zone(self):
        lines = []
        for name, record in self.records.items():
            strings = [record[at:at + 255].decode() for at in range(0, len(record), 255)]
            lines.append(f"{name} TXT " + " ".join(f'"{s}"' for s in strings) + "\n")
        return "".join(lines)

    def lookup(self, name, timeout=0):
        return self.records.get(name.decode() if isinstance(name, bytes) else name)


def begin(w, over=None, selector="s1", **row):
    """Keys, DNS with them, msad that signs with them, a receiver of else.test."""
    w.write()
    keys = Keys(w).new(selector, **row)
    w.serve_dns(ZONE + keys.zone())
    receiver = Receiver(NETWORK + "10")
    w.start(dict({"rewrite": {"dkim": keys.rows}}, **(over or {})))
    return keys, receiver


def received(receiver, number):
    eventually(lambda: len(receiver.messages) >= number, f"{number} messages arrive")
    return receiver.messages[number - 1]


def signatures(got):
    return [dict(tag.strip().split("=", 1) for tag in value.split(";"))
            for value in got.header("dkim-signature")]


def verify(keys, content, count=2):
    """python3-dkim looks at each signature."""
    d = dkim.DKIM(content)
    for index in range(count):
        check(d.verify(idx=index, dnsfunc=keys.lookup), f"signature {index} does not hold:\n",
              content[:3000].decode("latin-1"))


def holds(keys, content):
    try:
        return dkim.DKIM(content).verify(dnsfunc=keys.lookup)
    except dkim.ValidationError:
        return False


def one(w, keys, receiver, content, number, **more):
    """Submits content; what arrives holds, and is content with our fields on top."""
    w.submit("bob@else.test", stuffed(content), **more)
    got = received(receiver, number)
    tags = signatures(got)
    equal([t["a"] for t in tags[:2]], ["rsa-sha256", "ed25519-sha256"])
    verify(keys, got.content)
    check(got.content.startswith(b"DKIM-Signature:"), "the signatures are not on top")
    for line in got.content[:got.content.index(b"Received:")].split(b"\r\n"):
        check(len(line) <= 78, "a line of a signature is too long:", line)
    return got


SHAPES = {
    "plain": message(),
    "empty body": message(body=b""),
    "line ends only": message(body=b"\r\n\r\n\r\n"),
    "trailing blank lines": message(body=b"text\r\n\r\n \t\r\n\r\n\r\n"),
    "white space": message(body=b"  a \t b  \r\n\r\n\t\r\nc\t\r\n"),
    "dots": message(body=b".\r\n..\r\n.a\r\n"),
    "8 bit": message(body="Grüße\r\n".encode(), extra=b"Content-Type: text/plain; charset=utf-8\r\n"
                     b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"),
    "References of 1,000 octets in one line": message(
        extra=b"References: " + b" ".join(b"<%060d@our.test>" % i for i in range(13)) + b"\r\n"),
    "References of 4,000 octets, folded": message(
        extra=b"References:" + b"".join(b"\r\n\t <%060d@our.test>" % i for i in range(57)) + b"\r\n"),
    "odd folding": message(extra=b"X-A: b\r\nCc:\r\n\t\t a@else.test ,\r\n   b@else.test  \r\n"),
    "several fields of a name": message(extra=b"Keywords: a\r\nComments: b\r\nComments: c\r\n"),
    "a list's": message(extra=b"List-Id: <l.our.test>\r\nList-Unsubscribe: <https://our.test/u>\r\n"
                        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
    "no Date, no Message-ID": b"From: <alice@our.test>\r\nSubject: bare\r\n\r\nx\r\n",
    "signed before, by us": message(
        extra=b"DKIM-Signature: v=1; a=rsa-sha256; d=our.test; s=s1; h=From; bh=AAAA; b=BBBB\r\n"),
    "large": message(body=b"0123456789 abcdef  \r\n" * 30000),
    "lines of 998": message(body=(b"x" * 998 + b"\r\n") * 50),
}


def all_shapes(w, canonicalization):
    keys, receiver = begin(w, canonicalization=canonicalization)
    for number, (name, content) in enumerate(SHAPES.items(), 1):
        print(name)
        got = one(w, keys, receiver, content, number)
        equal(signatures(got)[0]["c"], canonicalization)
        body = content.split(b"\r\n\r\n", 1)[1]
        equal(got.body, body, f"{name}: the body")


@test()
def dkim_relaxed(w):
    all_shapes(w, "relaxed/relaxed")


@test()
def dkim_simple(w):
    all_shapes(w, "simple/simple")


@test()
def dkim_mixed(w):
    all_shapes(w, "relaxed/simple")


@test()
def dkim_is_oversigned(w):
    """Nobody can add a field that people see, nor change one; a trace field may come."""
    keys, receiver = begin(w)
    content = one(w, keys, receiver, message(), 1).content
    good = b"Received: from a by b; Mon, 01 Jun 2026 10:00:00 +0000\r\n" + content
    verify(keys, good)
    for field in (b"From: eve@our.test", b"To: x@y.test", b"Subject: other", b"Reply-To: eve@x.test",
                  b"Cc: z@y.test", b"Content-Type: text/html", b"Date: now", b"References: <a@b>"):
        check(not holds(keys, field + b"\r\n" + content), "may be added:", field)
    check(not holds(keys, content.replace(b"Hello", b"Hallo")), "the body may change")
    check(holds(keys, b"X-Spam: no\r\n" + content), "no further field may come")


OPENDKIM = """Syslog no
UserID root
Mode v
TestPublicKeys {keys}
"""

RSPAMD = """options {{
  pidfile = "{dir}/pid"; tempdir = "{dir}"; filters = "dkim"; url_tld = "{dir}/tld";
  disable_hyperscan = true; history_file = "{dir}/history";
  control_socket = "{dir}/control mode=0600";
  dns {{ nameserver = ["127.0.0.1:53:10"]; timeout = 2s; retransmits = 2; }}
}}
logging {{ type = "file"; filename = "{dir}/log"; level = "info"; }}
dkim {{ trusted_only = false; skip_multi = false; max_sigs = 10; }}
worker "normal" {{ bind_socket = "127.0.0.1:11333"; count = 1; }}
"""


def ask_opendkim(w, keys, path):
    """libopendkim's own verifier, without its milter. Its resolver knows that there is no .test."""
    conf, public = w.path("opendkim.conf"), w.path("opendkim.keys")
    write(conf, OPENDKIM.format(keys=public))
    write(public, "".join(f"{name.rstrip('.')} {record.decode()}\n"
                          for name, record in keys.records.items()))
    done = subprocess.run(["opendkim", "-t", path, "-x", conf, "-v", "-v"], capture_output=True,
                          text=True, check=False)
    return done.stdout + done.stderr


def start_rspamd(w):
    path = folder(w, "rspamd")
    write(path + "/tld", "test\n")
    write(path + "/conf", RSPAMD.format(dir=path))
    Daemon(w, "rspamd", ["rspamd", "-f", "-i", "-c", path + "/conf"],
           lambda: port_open(11333)).launch()


def ask_rspamd(path):
    """What it says of each signature: (symbol, [domain:s=selector])."""
    with open(path, "rb") as f:
        request = urllib.request.Request("http://127.0.0.1:11333/checkv2", f.read())
    with urllib.request.urlopen(request, timeout=30) as answer:
        symbols = json.load(answer)["symbols"]
    return {name: sorted(value.get("options", [])) for name, value in symbols.items()
            if name.startswith("R_DKIM")}


@test(timeout=240)
def dkim_holds_for_opendkim_and_rspamd(w):
    keys, receiver = begin(w)
    start_rspamd(w)
    for number, (name, content) in enumerate(SHAPES.items(), 1):
        got = one(w, keys, receiver, content, number)
        first, second = got.content.index(b"DKIM-Sig"), got.content.index(b"DKIM-Sig", 10)
        for part, selector in (("rsa", "s1"), ("ed25519", "s1-ed25519")):
            path = w.path(f"{number}.{part}")
            with open(path, "wb") as f: # with one of our two signatures
                f.write(got.content[first:second] if part == "rsa" else b"")
                f.write(got.content[second:] if part == "ed25519" else
                        got.content[got.content.index(b"\r\nReceived:") + 2:])
            said = ask_rspamd(path)
            check(f"our.test:s={selector}" in said.get("R_DKIM_ALLOW", []), name, part, said)
            said = ask_opendkim(w, keys, path)
            check(f"s={selector}, d=our.test" in said and "succeeded" in said, name, part, said)


@test()
def dkim_signs_binary_content(w):
    """BINARYMIME goes as it came: bare CR and LF, NUL, no line end at the end."""
    keys, receiver = begin(w)
    receiver.extensions = EVERY
    head = message(extra=b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n")
    bodies = (b"\x00\x01a\rb \r\t\r\r\n \t\r\n\xff\xfe", b"\r", b"x \r\n\r\n\r\n\r",
              b"a\nb \n\r\n\n", bytes(range(256)) * 1000)
    s = w.session()
    for number, body in enumerate(bodies, 1):
        s.want(250, "MAIL FROM:<alice@our.test> BODY=BINARYMIME")
        s.want(250, "RCPT TO:<bob@else.test>")
        content = head.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n" + body
        equal(s.chunks(content, 50000)[0], 250)
        got = received(receiver, number)
        equal(got.body, body)
        equal([t["bh"] for t in signatures(got)], [relaxed_hash(body)] * 2)
        if b"\n" not in body.replace(b"\r\n", b""):  # python3-dkim would end lines there
            verify(keys, got.content)
    s.close()


def relaxed_hash(body):
    """RFC 6376 3.4.4, to the letter."""
    body = re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+(\r\n|\Z)", rb"\1", body))
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return base64.b64encode(hashlib.sha256(body + b"\r\n" if body else b"").digest()).decode()


@test()
def dkim_is_kept_by_retries(w):
    """A message that waited is sent with the signatures it was accepted with, also after a restart
    and a hold."""
    keys, receiver = begin(w)
    tries = []

    def script(verb, args, session):
        if verb == "END":
            tries.append(args.content)
            if len(tries) < 3:
                return "451 4.7.1 later"
        return None
    receiver.script = script
    queue_id = w.submit("bob@else.test", message("kept"))
    eventually(lambda: tries, "a first try")
    w.ctl("queue", "hold", queue_id)
    w.stop()
    w.launch()
    w.wait_ready()
    w.ctl("queue", "release", queue_id)
    w.retried_until(lambda: receiver.messages, "the message arrives")
    equal(set(tries), {tries[0]}, "what was sent at each try")
    verify(keys, tries[-1])


@test()
def dkim_of_other_domains(w):
    """Rows of a domain below come before those of ours; a domain without rows is not signed; what a
    gateway sends is signed, whatever its header."""
    w.write()
    keys = Keys(w).new("s1").new("sub", domain="sub.our.test")
    w.serve_dns(ZONE + keys.zone())
    receiver = Receiver(NETWORK + "10")
    w.start({"rewrite": {"dkim": keys.rows},
             "permissions": [{"login": USER, "may_send_as": ["*"]},
                             {"login": "gate@our.test", "class": "gateway"}]})
    for number, (domain, signer) in enumerate((("our.test", "our.test"),
                                               ("other.our.test", "our.test"),
                                               ("SUB.our.test", "sub.our.test"),
                                               ("x.sub.our.test", "sub.our.test"),
                                               ("foreign.test", None),
                                               ("xour.test", None)), 1):
        w.submit("bob@else.test", message(sender=f"alice@{domain}"))
        got = received(receiver, number)
        equal([t["d"] for t in signatures(got)], [signer] * 2 if signer else [], domain)
        if signer:
            verify(keys, got.content)
    w.ctl("user", "add", "gate@our.test", "--password-stdin", stdin="gate\n")
    odd = b"From: \"a\" <a@our.test> (x), b@c\r\nTo: undisclosed\r\nSubject: odd\r\n\r\nx\r\n"
    w.submit("bob@else.test", odd, sender="gate@our.test", wire=session("gate@our.test", "gate"))
    got = received(receiver, 7)
    equal([t["d"] for t in signatures(got)], ["our.test"] * 2)
    verify(keys, got.content)


@test()
def dkim_of_reports(w):
    """What msad writes itself is signed: a report that a message has failed."""
    w.write()
    keys = Keys(w).new("s1")
    w.serve_dns(ZONE + keys.zone() + f"our.test. MX 10 mx.our.test.\nmx.our.test. A {NETWORK}11\n")
    ours = Receiver(NETWORK + "11")
    w.start({"rewrite": {"dkim": [dict(row, require=True) for row in keys.rows]}})
    for number, content in enumerate((message(), message(body=b"large\r\n" * 40000)), 1):
        w.submit("bob@nowhere.test", content)
        got = received(ours, number)
        check("report-type=delivery-status" in got.header("content-type")[0], got.content)
        verify(keys, got.content)
        check(b"DKIM-Signature" not in got.body, "signatures of the failed message are told")


@test()
def dkim_follows_milters(w):
    """rspamd adds a field, opendkim signs: what leaves holds by all three signatures."""
    w.write()
    keys = Keys(w).new("own")
    w.serve_dns(ZONE + keys.zone())
    receiver = Receiver(NETWORK + "10")
    sock = w.path("dkim.sock")
    signer = opendkim(w, "local:" + sock)
    rspamd(w, 11332)
    w.start({"rewrite": {"dkim": keys.rows},
             "policy": {"milters": [{"socket": "inet:11332@127.0.0.1"},
                                    {"socket": "unix:" + sock}]}})
    keys.records["s1._domainkey.our.test."] = signer.record.encode()
    for number, body in enumerate((SPAM_HEADER + b"\r\n", b"ham\r\n", b"0123456789\r\n" * 50000), 1):
        w.submit("bob@else.test", message(body=body))
        got = received(receiver, number)
        equal(got.header("x-spam"), ["Yes"] if number == 1 else [])
        equal([t["s"] for t in signatures(got)], ["own", "own-ed25519", "s1"])
        verify(keys, got.content, 3)


@test(timeout=180)
def dkim_while_the_keeper_is_away(w):
    """Required: 451 until it is back. Else the message goes without, with one warning a minute. A
    keeper that is started anew within the time signs what waited for it."""
    keys, receiver = begin(w, require=True)
    one(w, keys, receiver, message(), 1)
    keeper = w.pid("keeper")
    s = w.session()
    os.kill(keeper, signal.SIGSTOP)

    def send():
        s.want(250, "MAIL FROM:<alice@our.test>")
        s.want(250, "RCPT TO:<bob@else.test>")
        return s.data(message())
    code, text = send()
    equal(code, 451, text)
    check(text.startswith("4.7.0 ") and "rewrite.dkim[].require" in text, text)
    equal(len(receiver.messages), 1)
    os.kill(keeper, signal.SIGCONT)
    equal(send()[0], 250)
    verify(keys, received(receiver, 2).content)
    check(w.log().count("dkim-unsigned") == 1, w.log())
    # a message waits, the keeper dies, the next one signs
    os.kill(keeper, signal.SIGSTOP)
    s.want(250, "MAIL FROM:<alice@our.test>")
    s.want(250, "RCPT TO:<bob@else.test>")
    s.want(354, "DATA")
    s.send(message() + b".\r\n")
    time.sleep(0.5)
    os.kill(keeper, signal.SIGKILL)
    equal(s.reply()[0], 250)
    verify(keys, received(receiver, 3).content)
    eventually(w.serving, "the keeper is back")
    # the same without "require"
    w.write({"rewrite": {"dkim": [dict(row, require=False) for row in keys.rows]}})
    w.ctl("reload")
    s.close()
    s = w.session()
    keeper = w.pid("keeper")
    os.kill(keeper, signal.SIGSTOP)
    equal(send()[0], 250)
    os.kill(keeper, signal.SIGCONT)
    equal(signatures(received(receiver, 4)), [])
    s.close()


@test()
def dkim_rotates_by_date(w):
    """Two selectors at once; the new one takes over when its time has come, without a reload."""
    w.write()
    keys = Keys(w).new("old", **{"from": "2020-01-01"})
    change = time.time() + 6
    keys.new("new", **{"from": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(change))})
    w.serve_dns(ZONE + keys.zone())
    receiver = Receiver(NETWORK + "10")
    w.start({"rewrite": {"dkim": keys.rows}})
    generation = w.status()["server"]["generation"]
    got = one(w, keys, receiver, message(), 1)
    check(time.time() < change, "the test was too slow")
    equal([t["s"] for t in signatures(got)], ["old", "old-ed25519"])
    rows = w.ask("dkim", "list")[1]
    equal([(r["selector"], r["signs"], r["dns"]) for r in rows],
          [("old", True, "ok"), ("old-ed25519", True, "ok"),
           ("new", False, "ok"), ("new-ed25519", False, "ok")])
    time.sleep(max(0, change + 1 - time.time()))
    got = one(w, keys, receiver, message(), 2)
    equal([t["s"] for t in signatures(got)], ["new", "new-ed25519"])
    equal([r["signs"] for r in w.ask("dkim", "list")[1]], [False, False, True, True])
    equal(w.status()["server"]["generation"], generation, "generation")


@test()
def dkim_new_makes_keys(w):
    """While msad is stopped: both keys, for root only, never over others, ready to paste."""
    w.write()
    said = w.ctl("dkim", "new", "Our.Test", "S1")
    folder_of = w.state + "/dkim"
    equal(sorted(os.listdir(folder_of)), ["our.test.s1-ed25519.pem", "our.test.s1.pem"])
    for path in [folder_of] + [f"{folder_of}/{name}" for name in os.listdir(folder_of)]:
        st = os.stat(path)
        equal((st.st_uid, st.st_mode & 0o777), (0, 0o700 if path == folder_of else 0o600), path)
    strings = re.findall(r'"(v=DKIM1[^"]*|[A-Za-z0-9+/=]{50,})"', said)
    check(all(len(x) <= 255 for x in strings) and len(strings) == 3, said)
    rows = said[said.index("rewrite = {"):said.index("); };") + 5]
    with open(w.conf, "a", encoding="utf-8") as f:
        f.write(rows + "\n")  # as it is printed
    w.ctl("check")
    before = {name: open(f"{folder_of}/{name}", "rb").read() for name in os.listdir(folder_of)}
    said = w.ctl("dkim", "new", "our.test", "s1", code=1)
    check("exists already" in said, said)
    os.unlink(f"{folder_of}/our.test.s1.pem")
    said = w.ctl("dkim", "new", "our.test", "s1", code=1)  # the other one is there
    equal(os.listdir(folder_of), ["our.test.s1-ed25519.pem"])
    equal(open(f"{folder_of}/our.test.s1-ed25519.pem", "rb").read(),
          before["our.test.s1-ed25519.pem"])
    for domain, selector in (("our", "s2"), ("our..test", "s2"), ("our.test/..", "s2"),
                             ("../our.test", "s2"), ("our.test", "a b"), ("our.test", "../x"),
                             ("our.test", "a..b"), ("our.test", "x" * 63), ("our.test", "")):
        w.ctl("dkim", "new", domain, selector, code=1)
    equal(os.listdir(folder_of), ["our.test.s1-ed25519.pem"])
    os.chmod(folder_of, 0o770)
    check("only its owner" in w.ctl("dkim", "new", "our.test", "s2", code=1), "others may write")
    os.chmod(folder_of, 0o700)
    os.rename(folder_of, folder_of + "-else")
    os.symlink(folder_of + "-else", folder_of)
    check("only its owner" in w.ctl("dkim", "new", "our.test", "s2", code=1), "a link")
    equal(os.listdir(folder_of), ["our.test.s1-ed25519.pem"])
    equal(w.msactl("dkim", "new", "our.test").returncode, 2)
    equal(w.msactl("dkim", "list").returncode, 3)


@test()
def dkim_list_compares_with_the_dns(w):
    w.write()
    keys = Keys(w)
    for selector in ("good", "gone", "other", "revoked", "twice", "testing"):
        keys.new(selector)
    rsa = [row for row in keys.rows if not row["selector"].endswith("ed25519")]
    records = dict(keys.records)
    wrong = records["good._domainkey.our.test."]
    zone = "".join(line + "\n" for line in keys.zone().splitlines()
                   if "ed25519" not in line and not line.startswith(("gone", "other", "revoked",
                                                                     "testing")))
    two = f'"{wrong[:200].decode()}" "{wrong[200:].decode()}"'
    testing = records["testing._domainkey.our.test."].decode() + "; t=y"
    zone += f"other._domainkey.our.test. TXT {two}\ntwice._domainkey.our.test. TXT {two}\n" \
            'revoked._domainkey.our.test. TXT "v=DKIM1; p="\n' \
            f'testing._domainkey.our.test. TXT "{testing[:200]}" "{testing[200:]}"\n'
    w.serve_dns(ZONE + zone.replace(";", "\\;"))
    w.start({"rewrite": {"dkim": rsa}})
    code, lines = w.ask("dkim", "list", may_fail=True)
    equal(code, 1)
    equal([(x["selector"], x["dns"]) for x in lines],
          [("good", "ok"), ("gone", "missing"), ("other", "differs"), ("revoked", "revoked"),
           ("twice", "differs"), ("testing", "ok")])
    equal({x["bits"] for x in lines}, {2048})
    said = w.ctl("dkim", "list", code=1)
    check("its p= is another key" in said and "several TXT records" in said, said)
    check("publish the records" in said and "only testing" in said, said)
    w.write({"rewrite": {"dkim": rsa[:1]}})
    w.ctl("reload")
    equal(w.ask("dkim", "list")[0], 0)
    w.dns.stop()
    w.write({"rewrite": {"dkim": keys.new("unasked").rows[-1:]}})
    w.ctl("reload")
    code, lines = w.ask("dkim", "list", may_fail=True)
    equal((code, [x["dns"] for x in lines]), (1, ["unknown"]))


@test()
def dkim_keys_are_checked(w):
    """What a key must not be is said before msad starts, and a reload keeps the former keys."""
    keys, receiver = begin(w)
    path = keys.rows[0]["key"]
    os.chmod(path, 0o644)
    said = w.ctl("check", code=1)
    check("everybody on this machine can read the private key" in said, said)
    check("everybody" in w.ctl("reload", code=1), "a reload takes it")
    one(w, keys, receiver, message(), 1)
    os.chmod(path, 0o600)
    os.rename(path, path + ".old")
    check("cannot read" in w.ctl("check", code=1), "a missing key")
    os.rename(path + ".old", path)
    w.ctl("check")
    w.write({"rewrite": {"dkim": [dict(keys.rows[0], key=w.certificate[1])]}})
    said = w.ctl("check", code=1)
    check("rewrite.dkim[0].key" in said, said)
