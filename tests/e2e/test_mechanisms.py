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
            # it does without -PLUS only when it is told so
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
    every = [PLUS, "SCRAM-SHA-256", "PLAIN", "LOGIN"]
    wire = Wire()
    equal(offered(wire), every[1:], "without TLS")
    equal(without_id(wire.say(f"AUTH {PLUS} cD10bHMtZXhwb3J0ZXIsLG49YSxyPWI=")),
          (504, "5.5.4 Mechanism not supported; EHLO lists those that are"), "-PLUS without TLS")
    wire.starttls()
    equal(offered(wire), every, "after STARTTLS")
    equal(offered(Wire(465, tls=True)), every, "under TLS")
    w.write({"auth": {"mechanisms": ["PLAIN"]}})
    w.ctl("reload")
    wire = session()
    equal(offered(wire), ["PLAIN"], "configured")
    equal(wire.say(f"AUTH {PLUS}")[0], 504, "-PLUS that is not offered")


@test()
def mechanisms_bind_to_the_channel(w):
    """tls-unique and tls-server-end-point by our own client, right and wrong."""
    w.start({"auth": {"block": {"failures": 0}, "max_failures": 100}})
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
    equal(session().scram(USER, PASSWORD, gs2="y,,")[0], 235, "y where -PLUS is not offered")


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
