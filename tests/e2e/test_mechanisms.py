"""SASL mechanisms, with real clients: GNU SASL's gsasl, and openssl's client certificates."""

import base64
import hashlib
import re
import ssl
import subprocess

from harness.case import check, equal, test
from harness.client import Wire, session, tls_context, without_id
from harness.mailers import name_the_server
from harness.world import PASSWORD, USER

DENIED = (535, "5.7.8 Authentication credentials invalid: check name and password")
PLUS = "SCRAM-SHA-256-PLUS"
TLS12 = {"maximum": ssl.TLSVersion.TLSv1_2}
TLS13 = {"minimum": ssl.TLSVersion.TLSv1_3}


def offered(wire):
    line = re.search(r"^AUTH (.*)$", wire.ehlo(), re.M)
    return line.group(1).split() if line else []


def gsasl(w, mechanism, *words, password=PASSWORD):
    """A login by gsasl over STARTTLS: exit code and what it said."""
    done = subprocess.run(
        ["gsasl", "--verbose", "--smtp", "--connect", "mail.our.test:587",
         "-m", mechanism, "-a", USER, "-z", "", "-p", password, f"--x509-ca-file={w.certificate[0]}",
         *words], capture_output=True, text=True, timeout=30, check=False,
        stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def hashed_certificate(wire):
    return hashlib.sha256(wire.sock.getpeercert(binary_form=True)).digest()


@test()
def mechanisms_gsasl_logs_in(w):
    """Each version of TLS, and the channel binding that gsasl then takes."""
    name_the_server(w.dir)
    w.start()
    for priority, binding in (("NORMAL:-VERS-ALL:+VERS-TLS1.3", "tls-exporter"),
                              ("NORMAL:-VERS-ALL:+VERS-TLS1.2", "tls-unique")):
        for mechanism in (PLUS, "SCRAM-SHA-256", "PLAIN", "LOGIN"):
            # with channel binding at hand it does without -PLUS only when it is told so
            words = ["--priority", priority] + (["--no-cb"] if mechanism == "SCRAM-SHA-256" else [])
            code, said = gsasl(w, mechanism, *words)
            check(code == 0 and "235 2.7.0" in said, mechanism, priority, said)
            code, said = gsasl(w, mechanism, *words, password="wrong")
            check(code != 0 and "535 5.7.8" in said, mechanism, priority, said)
        code, said = gsasl(w, PLUS, "--priority", priority)
        first = [base64.b64decode(x).decode() for x in re.findall(r"^cD1\S+$", said, re.M)]
        equal([x.split(",")[0] for x in first], [f"p={binding}"], said)


@test()
def mechanisms_are_offered_where_they_work(w):
    w.start({"auth": {"require_tls": False}})
    usual = ["SCRAM-SHA-256", "PLAIN", "LOGIN"]
    wire = Wire()
    equal(offered(wire), usual, "without TLS")
    equal(without_id(wire.say(f"AUTH {PLUS} cD10bHMtZXhwb3J0ZXIsLG49YSxyPWI=")),
          (504, "5.5.4 Mechanism not supported; EHLO lists those that are"), "-PLUS without TLS")
    wire.starttls()
    equal(offered(wire), usual, "after STARTTLS")
    equal(offered(Wire(465, tls=True)), usual, "under TLS")
    w.write({"auth": {"require_tls": False, "mechanisms": [PLUS] + usual}})
    w.ctl("reload")
    wire = Wire()
    equal(offered(wire), usual, "-PLUS named, without TLS")
    wire.starttls()
    equal(offered(wire), [PLUS] + usual, "-PLUS named")
    w.write({"auth": {"mechanisms": ["PLAIN"]}})
    w.ctl("reload")
    wire = session()
    equal(offered(wire), ["PLAIN"], "configured")
    equal(wire.say(f"AUTH {PLUS}")[0], 504, "-PLUS of what is not offered")


@test()
def mechanisms_bind_to_the_channel(w):
    """tls-unique and tls-server-end-point by our own client, right and wrong."""
    w.start({"auth": {"block": {"failures": 0}, "max_failures": 100,
                      "mechanisms": [PLUS, "SCRAM-SHA-256"]}})
    for version in (TLS12, TLS13):
        s = session(context=tls_context(**version))
        point = hashed_certificate(s)
        unique = s.sock.get_channel_binding("tls-unique") or b"x" * 12
        has_unique = version is TLS12
        rows = [  # gs2 header, binding, whether it is right
            ("p=tls-server-end-point,,", b"\0" + point[1:], False),
            ("p=tls-server-end-point,,", point[:31], False),
            ("p=tls-server-end-point,,", b"", False),
            ("p=tls-unique,,", b"x" * len(unique), False),
            ("p=tls-unique,,", point, False),
            ("p=tls-exporter,,", b"x" * 32, False),
            ("p=tls-exporter,,", point, False),
            ("p=tls-none,,", b"", False),
            ("n,,", b"", False),  # what Cyrus lets through under a -PLUS name
            ("y,,", b"", False),
            ("p=tls-unique,,", unique, has_unique),
            ("p=tls-server-end-point,,", point, True),
        ]
        for initial in (True, False):
            for gs2, binding, right in rows:
                got = s.scram(USER, PASSWORD, PLUS, gs2, binding, initial)
                equal(without_id(got)[0], 235 if right else 535, f"{version} {gs2} {binding!r}")
                if right:
                    s.close()
                    s = session(context=tls_context(**version))
                    unique = s.sock.get_channel_binding("tls-unique") or b"x" * 12
                    rows = [(g, unique if g == "p=tls-unique,," and r else b, r)
                            for g, b, r in rows]
        # without -PLUS: "y" means that somebody took it out of our list
        equal(without_id(s.scram(USER, PASSWORD, gs2="y,,")), DENIED, "y")
        equal(without_id(s.scram(USER, PASSWORD, gs2="p=tls-unique,,", binding=unique)), DENIED,
              "bound without -PLUS")
        equal(s.scram(USER, PASSWORD)[0], 235, "unbound")
    w.write({"auth": {"mechanisms": ["SCRAM-SHA-256"]}})
    w.ctl("reload")
    equal(session().scram(USER, PASSWORD, gs2="y,,")[0], 235, "y where -PLUS is not announced")
    s = session()
    point = hashed_certificate(s)
    equal(s.scram(USER, PASSWORD, PLUS, "p=tls-server-end-point,,", point)[0], 235,
          "bound, where -PLUS is not announced")
    equal(session().scram(USER, PASSWORD, PLUS, "n,,")[0], 535, "unbound under -PLUS all the same")


@test()
def mechanisms_bind_in_resumed_sessions(w):
    """Python resumes; the binding of the certificate is the one that was seen at first."""
    w.start()
    for version in (TLS12, TLS13):
        context = tls_context(**version)
        before = None
        for resumed in (False, True):
            wire = Wire()
            wire.ehlo()
            wire.want(220, "STARTTLS")
            wire.sock = context.wrap_socket(wire.sock, session=before,
                                            server_hostname="mail.our.test")
            wire.ehlo()
            before = wire.sock.session
            equal(wire.sock.session_reused, resumed, "resumed")
            gs2, binding = "p=tls-server-end-point,,", hashed_certificate(wire)
            if version is TLS12:
                gs2, binding = "p=tls-unique,,", wire.sock.get_channel_binding("tls-unique")
            equal(wire.scram(USER, PASSWORD, PLUS, gs2, binding)[0], 235, f"{version} {gs2}")
            wire.close()


class Authority:
    """A CA of openssl's, with its clients and its revocation list."""

    def __init__(self, w, name):
        self.w, self.name = w, name
        self.key, self.cert, self.crl = (w.path(f"{name}.{x}") for x in ("key", "pem", "crl"))
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "10", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)
        with open(w.path(f"{name}.cnf"), "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={w.path(name)}.db\n"
                    "default_md=sha256\ndefault_crl_days=1\n")
        open(w.path(f"{name}.db"), "w", encoding="ascii").close()
        self.publish()

    def run(self, *words):
        return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True)

    def client(self, name, subject, san=None, days=5):
        """Certificate and key of a client, as files."""
        key, cert, request = (self.w.path(f"{name}.{x}") for x in ("key", "pem", "csr"))
        extra = ["-addext", f"subjectAltName={san}"] if san else []
        self.run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key,
                 "-out", request, *extra)
        self.run("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                 "-CAcreateserial", "-days", str(days), "-copy_extensions", "copy", "-out", cert)
        return cert, key

    def ca(self, *words):
        self.run("ca", "-config", self.w.path(f"{self.name}.cnf"), "-keyfile", self.key, "-cert",
                 self.cert, *words)

    def publish(self):
        self.ca("-gencrl", "-out", self.crl)

    def revoke(self, cert):
        self.ca("-revoke", cert)
        self.publish()


def certified(pair, port=587, **versions):
    context = tls_context(**versions)
    if pair:
        context.load_cert_chain(*pair)
    return session(port=port, context=context)


def external(wire, authzid="", initial=True):
    said = base64.b64encode(authzid.encode()).decode() or "="
    if initial:
        return without_id(wire.say(f"AUTH EXTERNAL {said}"))
    equal(wire.say("AUTH EXTERNAL"), (334, ""), "an empty challenge")
    return without_id(wire.say("" if said == "=" else said))


@test()
def mechanisms_external_by_certificate(w):
    ours, theirs = Authority(w, "ours"), Authority(w, "theirs")
    alice = ours.client("alice", "/CN=Alice", "email:alice@our.test,email:bob@our.test")
    eve = theirs.client("eve", "/CN=Eve", "email:alice@our.test")
    nobody = ours.client("nobody", "/CN=Nobody", "email:nobody@our.test")
    foreign = ours.client("foreign", "/CN=F", "email:alice@other.test")
    w.start({"auth": {"client_ca": ours.cert, "block": {"failures": 0}}})
    w.ctl("user", "add", "bob", "--password-stdin", stdin="bobs\n")
    w.ctl("user", "add", "carol", "--password-stdin", stdin="carols\n")
    for port in (587, 465):
        for version in (TLS12, TLS13):
            for initial in (True, False):
                s = certified(alice, port, **version)
                check("EXTERNAL" in offered(s), "offered")
                equal(external(s, "", initial)[0], 235, "the first name")
                w.submit("bob@else.test", wire=s)
                s = certified(alice, port, **version)
                equal(external(s, "carol", initial), DENIED, "a name that is not in it")
                equal(external(s, "bob@our.test", initial)[0], 235, "the second")
                s.close()
            s = certified(None, port, **version)
            check("EXTERNAL" not in offered(s), "offered without a certificate")
            equal(s.say("AUTH EXTERNAL =")[0], 504, "without a certificate")
            equal(s.plain(USER, PASSWORD)[0], 235, "by password all the same")
            s = certified(eve, port, **version)
            check("EXTERNAL" not in offered(s), "offered with a foreign certificate")
            equal(s.say("AUTH EXTERNAL =")[0], 504, "with a foreign certificate")
            equal(s.plain(USER, PASSWORD)[0], 235, "by password all the same")
    check(re.search(r"certificate-refused .*client=127.0.0.1: unable to get local issuer", w.log()),
          "the foreign certificate is in the log")
    for pair in (nobody, foreign):
        equal(external(certified(pair)), DENIED, "no user of ours")
    # openssl itself
    done = subprocess.run(
        ["openssl", "s_client", "-connect", "127.0.0.1:465", "-quiet", "-crlf", "-ign_eof",
         "-cert", alice[0], "-key", alice[1]], input="EHLO c\nAUTH EXTERNAL =\nQUIT\n",
        capture_output=True, text=True, timeout=30, check=False)
    check("235 2.7.0" in done.stdout, done.stdout, done.stderr)
    # a user who is disabled, then one who is deleted
    w.ctl("user", "disable", "alice")
    equal(external(certified(alice)), DENIED, "a disabled user")
    equal(external(certified(alice), "bob")[0], 235, "another one")
    w.ctl("user", "enable", "alice")
    equal(external(certified(alice))[0], 235, "enabled again")
    w.ctl("user", "delete", "bob")
    equal(external(certified(alice), "bob"), DENIED, "a user who is gone")


@test()
def mechanisms_external_revoked_and_by_table(w):
    ours = Authority(w, "ours")
    alice = ours.client("alice", "/CN=alice", "email:alice@our.test")
    printer = ours.client("printer", "/O=Example/CN=printer 7")
    done = ours.run("x509", "-in", printer[0], "-noout", "-fingerprint", "-sha256")
    fingerprint = done.stdout.strip().split("=")[1]
    auth = {"client_ca": ours.cert, "client_crl": ours.crl}
    w.start({"auth": auth})
    w.ctl("user", "add", "printer7", "--password-stdin", stdin="p\n")
    equal(external(certified(alice))[0], 235, "before")
    equal(external(certified(printer)), DENIED, "it names nobody")
    for row in ({"fingerprint": fingerprint}, {"subject": "CN=printer 7,O=Example"}):
        w.write({"auth": dict(auth, client_table=[dict(row, login="printer7")])})
        w.ctl("reload")
        equal(external(certified(printer))[0], 235, f"{row}")
        equal(external(certified(alice))[0], 235, "the others by their names")
    w.wait_log("mechanism=EXTERNAL login=printer7@our.test")
    w.write({"auth": dict(auth, client_name="table")})
    w.ctl("reload")
    equal(external(certified(alice)), DENIED, "by the table alone")
    w.write({"auth": dict(auth, client_name="common-name")})
    ours.revoke(printer[0])
    w.ctl("reload")
    equal(external(certified(alice))[0], 235, "by common name")
    s = certified(printer)
    check("EXTERNAL" not in offered(s), "offered to a revoked certificate")
    w.wait_log("certificate revoked (auth.client_ca)")
    # faults of the configuration
    rows = [({"client_ca": w.path("none.pem")}, "auth.client_ca: cannot read"),
            ({"client_ca": ours.key}, "auth.client_ca: no PEM certificate"),
            ({"client_ca": ours.cert, "client_crl": ours.cert}, "no PEM revocation list"),
            ({"client_ca": ours.cert, "client_table": [{"login": "a@other.test", "subject": "CN=x"}]},
             "auth.client_table[0].login: the realm after '@' is not one of auth.realms"),
            ({"client_ca": ours.cert, "client_table": [{"login": "a"}]},
             "auth.client_table[0]: fingerprint and subject are both missing"),
            ({"client_ca": ours.cert, "client_table": [{"login": "a", "fingerprint": "12:34"}]},
             "is no SHA-256 fingerprint"),
            ({"mechanisms": ["EXTERNAL"]}, "EXTERNAL needs the authorities")]
    for options, fault in rows:
        w.write({"auth": options})
        check(fault in w.ctl("check", code=1), fault, w.ctl("check", code=1))
