"""GSSAPI: MIT's key distribution centre, tickets, and gsasl as the client."""

import base64
import os
import subprocess

from harness.case import check, equal, eventually, test
from harness.client import session, without_id
from harness.mailers import name_the_server
from harness.world import PASSWORD, USER

CONF = """[libdefaults]
default_realm = OUR.TEST
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
[realms]
OUR.TEST = {{
    kdc = 127.0.0.1:8800
}}
[domain_realm]
.our.test = OUR.TEST
"""

KDC = """[kdcdefaults]
kdc_ports = 8800
kdc_tcp_ports = 8800
[realms]
OUR.TEST = {{
    database_name = {dir}/principal
    key_stash_file = {dir}/stash
    acl_file = {dir}/acl
}}
"""


class Kerberos:
    def __init__(self, w):
        self.dir = w.path("krb5")
        os.mkdir(self.dir, 0o755)
        for name, text in (("krb5.conf", CONF), ("kdc.conf", KDC)):
            with open(self.path(name), "w", encoding="ascii") as f:
                f.write(text.format(dir=self.dir))
        self.environment = dict(os.environ, KRB5_CONFIG=self.path("krb5.conf"),
                                KRB5_KDC_PROFILE=self.path("kdc.conf"),
                                KRB5CCNAME="FILE:" + self.path("tickets"))
        w.environment["KRB5_CONFIG"] = self.path("krb5.conf")
        self.run("kdb5_util", "create", "-s", "-P", "master")
        for name in ("alice", "bob", "nobody"):
            self.run("kadmin.local", "-q", f"addprinc -pw {name}-pw {name}")
        self.run("kadmin.local", "-q", "addprinc -randkey smtp/mail.our.test")
        self.run("kadmin.local", "-q",
                 f"ktadd -k {self.path('keytab')} smtp/mail.our.test")
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(["krb5kdc", "-n"], env=self.environment, stdout=log,
                                            stderr=log)
        eventually(lambda: self.ticket("alice"), "the centre answers")

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, *words, stdin=None):
        done = subprocess.run(words, env=self.environment, input=stdin, capture_output=True,
                              text=True, check=False)
        equal(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")

    def ticket(self, name):
        done = subprocess.run(["kinit", name], env=self.environment, input=f"{name}-pw\n",
                              capture_output=True, text=True, check=False)
        return done.returncode == 0

    def login(self, w):
        """By gsasl, with the ticket at hand: exit code and what it said."""
        done = subprocess.run(
            ["gsasl", "--verbose", "--smtp", "--connect", "mail.our.test:587", "-m", "GSSAPI",
             "--service", "smtp", "--hostname", "mail.our.test", "-a", "", "-z", "",
             "--quality-of-protection", "qop-auth", f"--x509-ca-file={w.certificate[0]}"],
            env=self.environment, capture_output=True, text=True, timeout=30, check=False,
            stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr


@test()
def kerberos_tickets_log_in(w):
    name_the_server(w.dir)
    kerberos = Kerberos(w)
    w.start({"auth": {"keytab": kerberos.path("keytab")}})
    check("GSSAPI" in session().ehlo(), "offered")
    check(kerberos.ticket("alice"), "a ticket")
    code, said = kerberos.login(w)
    check("235 2.7.0" in said, code, said)
    w.wait_log("mechanism=GSSAPI login=alice@our.test")
    equal(oct(os.stat(w.path("state", "auth", "krb5.keytab")).st_mode & 0o777), "0o600", "mode")
    # somebody with a ticket who is no user, a user who is disabled
    check(kerberos.ticket("nobody"), "a ticket")
    code, said = kerberos.login(w)
    check("535 5.7.8" in said, said)
    w.ctl("user", "disable", "alice")
    check(kerberos.ticket("alice"), "a ticket")
    code, said = kerberos.login(w)
    check("535 5.7.8" in said, said)
    w.ctl("user", "enable", "alice")
    check("235 2.7.0" in kerberos.login(w)[1], "enabled again")
    # junk, out of order, cancelled; passwords go on
    s = session()
    for message in (b"junk", b"\x60\x82", b"x" * 9000):
        equal(s.say("AUTH GSSAPI " + base64.b64encode(message).decode())[0], 535, "junk")
    equal(s.say("AUTH GSSAPI"), (334, ""), "an empty challenge")
    equal(without_id(s.say("*")), (501, "5.7.0 Authentication cancelled"), "cancelled")
    equal(s.plain(USER, PASSWORD)[0], 235, "by password")
    # without the key
    w.write()
    w.ctl("reload")
    check("GSSAPI" not in session().ehlo(), "offered without a key")
    check(not os.path.exists(w.path("state", "auth", "krb5.keytab")), "the copy is gone")
    w.write({"auth": {"mechanisms": ["GSSAPI"]}})
    check("GSSAPI needs the key" in w.ctl("check", code=1), "a fault")
    w.write({"auth": {"keytab": kerberos.path("krb5.conf")}})
    check("auth.keytab: it is no keytab" in w.ctl("check", code=1), "another fault")
    # users of krb5's realm would be taken for those of another one
    check("default_realm" not in w.log(), "krb5's realm is our first")
    w.write({"auth": {"keytab": kerberos.path("keytab"), "realms": ["other.test", "our.test"]}})
    w.ctl("reload")
    w.wait_log('auth.keytab: tickets of "alice" in OUR.TEST')
