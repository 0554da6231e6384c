"""Certificates of recipients that stand in a directory: slapd has them, has none, is stopped, hangs,
comes back; addresses that mean something to a filter; authorities that vouch for them."""

import base64
import os
import signal
import subprocess
import time

from cryptography.hazmat.primitives import serialization
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.case import check, equal, eventually, test
from harness.people import Authority
from harness.world import message, stuffed
from test_database import name_the_server
from test_smime import Office, entity_of, refused

SLAPD = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "dc=else,dc=test"
directory {dir}/data
rootdn "cn=root,dc=else,dc=test"
rootpw root
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=secret,dc=else,dc=test" by dn.exact="cn=msad,dc=else,dc=test" read by * none
access to * by * read
"""

ENTRIES = """dn: dc=else,dc=test
objectClass: dcObject
objectClass: organization
o: else
dc: else

dn: ou=people,dc=else,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=secret,dc=else,dc=test
objectClass: organizationalUnit
ou: secret

dn: cn=msad,dc=else,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: msad
userPassword: machine
"""


def der(person):
    certificate = x509.load_pem_x509_certificate(person.pem)
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


class Directory:
    """slapd on 127.0.0.1 with people: {mail: [Person, ...]}, at the place ou."""

    def __init__(self, w, people, ou="people"):
        self.w, self.dir = w, w.path("ldap")
        os.makedirs(self.path("data"))
        with open(self.path("slapd.conf"), "w", encoding="ascii") as f:
            f.write(SLAPD.format(dir=self.dir, certificate=w.certificate[0], key=w.certificate[1]))
        with open(self.path("ldif"), "w", encoding="utf-8") as f:
            f.write(ENTRIES)
            for number, (mail, persons) in enumerate(people.items()):
                mail = base64.b64encode(mail.encode()).decode()
                f.write(f"\ndn: cn=p{number},ou={ou},dc=else,dc=test\nobjectClass: inetOrgPerson\n"
                        f"cn: p{number}\nsn: x\nmail:: {mail}\n")
                f.write("".join(f"userCertificate;binary:: {der(p)}\n" for p in persons))
        subprocess.run(["slapadd", "-f", self.path("slapd.conf"), "-l", self.path("ldif")],
                       check=True, capture_output=True)
        self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def url(self, scheme="ldaps", host="mail.our.test", ou="people"):
        return (f"{scheme}://{host}/ou={ou},dc=else,dc=test?userCertificate;binary?sub?"
                "(&(objectClass=inetOrgPerson)(mail=%s))")

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                ["slapd", "-f", self.path("slapd.conf"), "-d", "256", "-h",
                 "ldap://127.0.0.1/ ldaps://127.0.0.1/"], stdout=log, stderr=log)
        eventually(lambda: subprocess.run(["ldapwhoami", "-x", "-H", "ldap://127.0.0.1"],
                                          capture_output=True, check=False).returncode == 0,
                   "slapd answers")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def searches(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return f.read().count(" SRCH base=")


def start(office, slapd, encrypt, urls=None, **rewrite):
    office.w.start({"rewrite": dict({
        "encrypt": encrypt, "certificates": [office.folder] + (urls or [slapd.url()]),
        "directory": {"ca": office.w.certificate[0]}}, **rewrite)})


@test(build="release")
def certificates_in_a_directory(w):
    """Found, kept, newest, none; files come first; what cannot be used is named."""
    name_the_server(w.dir)
    office = Office(w)
    person = office.person
    bob, carol = person("bob@else.test", kind="rsa"), office.recipient("carol@else.test")
    older = person("dan@else.test", begins=-9, name="older")
    dan = person("dan@else.test", begins=-2, name="newer")
    later = person("dan@else.test", begins=2, name="later")
    gone = person("gone@else.test", begins=-9, ends=-1)
    other = person("other@else.test", name="other")
    web = person("web@else.test", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    directory = Directory(w, {"bob@else.test": [bob], "dan@else.test": [dan, older, later],
                              "gone@else.test": [gone], "eve@else.test": [other],
                              "web@else.test": [web], "Bare@else.test": []})
    start(office, directory, [{"to": "must@else.test", "policy": "require"},
                              {"to": "gone@else.test", "policy": "require"},
                              {"to": "eve@else.test", "policy": "require"},
                              {"to": "web@else.test", "policy": "require"}, {"to": "@else.test"}])
    check("warning" not in w.ctl("check"), w.ctl("check"))
    for number, reader in enumerate((bob, carol, dan), 1):
        content = message(body=b"secret\r\n")
        w.submit(reader.address, content)
        equal(reader.decrypt(office.received(number).content), entity_of(content))
    equal(directory.searches(), 2, "questions")
    # kept
    w.submit("bob@else.test", message())
    bob.decrypt(office.received(4).content)
    equal(directory.searches(), 2, "questions")
    # an entry without, and no entry: in clear, as the policy says; that is kept, too
    for number, address in enumerate(("bare@else.test", "nobody@else.test", "nobody@else.test"), 5):
        w.submit(address, message(body=b"plain\r\n"))
        check(office.received(number).content.endswith(b"plain\r\n"), "it is not plain")
    equal(directory.searches(), 4, "questions")
    for address, words in (("must", "there is no certificate"), ("gone", "has expired"),
                           ("eve", "does not name the address"), ("web", "not meant for mail")):
        code, text = refused(w, message(), "bob@else.test", f"{address}@else.test")
        equal(code, 550, text)
        check("5.7.5" in text and f"<{address}@else.test>" in text and words in text, text)
    # many at once, each asked for once
    before, begun = directory.searches(), time.monotonic()
    w.submit([f"n{i}@else.test" for i in range(200)], message())
    check(time.monotonic() - begun < 15, "200 questions took", time.monotonic() - begun)
    office.received(8)
    equal(directory.searches() - before, 200, "questions")


@test()
def addresses_that_mean_something_to_a_filter(w):
    """None finds what another one has; each finds its own."""
    name_the_server(w.dir)
    office = Office(w)
    own = ["a*b@else.test", "x)(mail=*@else.test", "back\\slash@else.test", "per%25cent@else.test",
           "per%cent@else.test", "q?m@else.test", "a+b=c@else.test", "sharp#&!|~@else.test"]
    people = {address: office.person("p%d@else.test" % i) for i, address in enumerate(own)}
    # certificates name what the envelope has; the entry's mail is the address without quotes
    for i, address in enumerate(own):
        local, domain = address.rsplit("@", 1)
        wire = f"{local}@{domain}" if all(c.isalnum() or c in "!#$%&'*+-/=?^_`{|}~." for c in local) \
            else '"%s"@%s' % (local.replace("\\", "\\\\"), domain)
        people[address] = office.person(wire, name=f"special{i}")
    directory = Directory(w, {p.address: [p] for p in people.values()})
    start(office, directory, [{"to": "*", "policy": "require"}])
    for number, p in enumerate(people.values(), 1):
        content = message(body=b"secret %d\r\n" % number)
        w.submit(p.address, content)
        equal(p.decrypt(office.received(number).content), entity_of(content))
    for address in ("*@else.test", "a*@else.test", "\"x)(mail=\"@else.test", "\"*)(cn=*\"@else.test",
                    "\"\\\\2a\"@else.test", "%2a@else.test", "%5c2a@else.test", "%s@else.test"):
        code, text = refused(w, message(), address)
        equal(code, 550, address + ": " + text)
        check("there is no certificate" in text, text)


@test()
def a_directory_that_is_silent(w):
    """Refused for the time being, under either policy, never sent in clear; others are served; what
    was kept goes on; it comes back by itself."""
    name_the_server(w.dir)
    office = Office(w)
    bob, carol = office.person("bob@else.test"), office.recipient("carol@else.test")
    dan = office.person("dan@else.test")
    directory = Directory(w, {"bob@else.test": [bob], "dan@else.test": [dan]})
    start(office, directory, [{"to": "must@else.test", "policy": "require"},
                              {"to": "plain@else.test", "policy": "never"}, {"to": "@else.test"}])
    w.submit("bob@else.test", message())
    bob.decrypt(office.received(1).content)

    def served():
        for reader in (bob, carol):
            content = message(body=b"%d\r\n" % time.monotonic_ns())
            begun, count = time.monotonic(), len(office.receiver.messages)
            w.submit(reader.address, content)
            check(time.monotonic() - begun < 2, "it waited for the directory")
            equal(reader.decrypt(office.received(count + 1).content), entity_of(content))
        count = len(office.receiver.messages)
        w.submit("plain@else.test", message())
        office.received(count + 1)

    def silent(seconds):
        for address in ("dan@else.test", "must@else.test", "nobody@else.test"):
            begun = time.monotonic()
            code, text = refused(w, message(), "carol@else.test", address)
            equal(code, 451, text)
            check("4.7.0" in text and f"<{address}>" in text, text)
            check(time.monotonic() - begun < seconds, "it took", time.monotonic() - begun)
        equal(w.queue(), [], "the queue")

    directory.stop()
    silent(2)
    w.wait_log("directory: rewrite.certificates: ldaps://mail.our.test/")
    served()
    directory.start()
    eventually(lambda: refused(w, message(), "dan@else.test")[0] == 250, "it is asked again")
    eventually(lambda: dan.may_read(office.receiver.messages[-1].content), "dan gets it")
    time.sleep(0.1)
    directory.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        code, text = refused(w, message(), "new@else.test")
        equal(code, 451, text)
        check(time.monotonic() - begun < 5, "a handshake without end took", time.monotonic() - begun)
        served()
        code, text = refused(w, message(), *[f"n{i}@else.test" for i in range(50)])
        equal(code, 451, text)
        begun = time.monotonic()
        w.ctl("reload")
        check(time.monotonic() - begun < 10, "a reload waits")
    finally:
        directory.process.send_signal(signal.SIGCONT)
    eventually(lambda: refused(w, message(), "bob@else.test")[0] == 250, "it answers again")
    # and stopped with a question under way
    directory.process.send_signal(signal.SIGSTOP)
    s = w.session()
    s.want(250, "MAIL FROM:<alice@our.test>")
    s.want(250, "RCPT TO:<later@else.test>")
    s.want(354, "DATA")
    s.send(stuffed(message()) + b".\r\n")
    time.sleep(0.5)
    begun = time.monotonic()
    w.stop()
    check(time.monotonic() - begun < 20, "the end waits")
    directory.process.send_signal(signal.SIGCONT)


@test()
def several_directories(w):
    """The next one counts where one has none; where one is silent and no other has it: 451."""
    name_the_server(w.dir)
    office = Office(w)
    bob = office.person("bob@else.test")
    directory = Directory(w, {"bob@else.test": [bob]}, ou="secret")
    secret = w.path("secret")
    with open(secret, "w", encoding="ascii") as f:
        f.write("machine\n")
    w.write()
    bind = {"ca": w.certificate[0], "user": "cn=msad,dc=else,dc=test", "password_file": secret}
    urls = [directory.url(ou="people"), directory.url(ou="secret")]
    start(office, directory, [{"to": "@else.test"}], urls, directory=bind)
    w.submit("bob@else.test", message())
    bob.decrypt(office.received(1).content)
    w.submit("nobody@else.test", message(body=b"plain\r\n"))
    check(office.received(2).content.endswith(b"plain\r\n"), "it is not plain")
    # a base that is hidden from us, and a wrong password: no answer
    rewrite = {"encrypt": [{"to": "@else.test", "policy": "require"}], "certificates": urls,
               "directory": {"ca": w.certificate[0]}}
    w.write({"rewrite": rewrite})
    w.ctl("reload")
    equal(refused(w, message(), "bob@else.test")[0], 451)
    w.wait_log("No such object")
    with open(secret, "w", encoding="ascii") as f:
        f.write("wrong\n")
    w.write({"rewrite": dict(rewrite, directory=bind)})
    w.ctl("reload")
    equal(refused(w, message(), "bob@else.test")[0], 451)
    # a first one that is silent, a second one that has it
    w.write({"rewrite": dict(rewrite, certificates=["ldaps://127.0.0.1:1/?userCertificate;binary"
                                                    "?sub?(mail=%s)", directory.url()])})
    w.ctl("reload")
    code, text = refused(w, message(), "bob@else.test")
    equal(code, 451, text)
    # a certificate of the directory's that does not hold
    w.write({"rewrite": dict(rewrite, directory={})})
    w.ctl("reload")
    equal(refused(w, message(), "bob@else.test")[0], 451)


@test()
def authorities_vouch(w):
    """rewrite.certificate_ca: for files and directories; expired authorities do not."""
    name_the_server(w.dir)
    office = Office(w)
    stranger = Authority(w.path("strangers"), "stranger")
    bob, eve = office.person("bob@else.test"), stranger.person("eve@else.test")
    carol = office.recipient("carol@else.test")
    mallory = stranger.person("mallory@else.test").publish(office.folder)
    directory = Directory(w, {"bob@else.test": [bob], "eve@else.test": [eve]})
    start(office, directory, [{"to": "@else.test", "policy": "require"}],
          [directory.url("ldap", "127.0.0.1")], certificate_ca=office.authority.path, directory={})
    said = w.ctl("check")
    check("mallory@else.test.pem: the certificate is not vouched for" in said, said)
    for number, reader in enumerate((bob, carol), 1):
        w.submit(reader.address, message())
        reader.decrypt(office.received(number).content)
    for address in (eve.address, mallory.address):
        code, text = refused(w, message(), address)
        equal(code, 550, text)
        check("is not vouched for by an authority" in text, text)
    with open(office.authority.path, "ab") as f, open(stranger.path, "rb") as more:
        f.write(more.read())
    w.ctl("reload")
    for number, reader in enumerate((eve, mallory), 3):
        w.submit(reader.address, message())
        reader.decrypt(office.received(number).content)


@test(build="release")
def faults_of_directories(w):
    office = Office(w)
    w.start()
    encrypt = [{"to": "*"}]
    good = "ldaps://ldap.else.test/dc=x?userCertificate;binary?sub?(mail=%s)"
    for certificates, more, words in (
            (["http://x/%s"], {}, "no URL of a directory"),
            (["ldaps:///dc=x?a?sub?(mail=%s)"], {}, "names no host"),
            (["ldaps://x/dc=x?a?sub?(mail=x)"], {}, "does not have %s once"),
            (["ldaps://x/dc=x?a?sub?(|(mail=%s)(cn=%s))"], {}, "does not have %s once"),
            (["ldaps://x/dc=%s?a?sub?(mail=%s)"], {}, "does not stand in the filter"),
            (["ldaps://me:pw@x/dc=x?a?sub?(mail=%s)"], {}, "has a user in it"),
            ([good] * 5, {}, "more than 4 directories"),
            ([good], {"directory": {"user": "cn=x"}}, "belong together"),
            ([good], {"directory": {"password_file": w.certificate[0]}}, "belong together"),
            ([good.replace("ldaps", "ldap")],
             {"directory": {"user": "cn=x", "password_file": w.certificate[0]}}, "in clear text"),
            ([good], {"certificate_ca": w.path("gone")}, "rewrite.certificate_ca: cannot read"),
            ([good], {"certificate_ca": w.certificate[1]}, "rewrite.certificate_ca: no PEM")):
        w.write({"rewrite": dict({"encrypt": encrypt, "certificates": certificates}, **more)})
        done = w.msactl("check")
        said = done.stdout + done.stderr
        check(done.returncode == 1 and words in said, "not said:", words, said)
    w.write({"rewrite": {"encrypt": encrypt, "certificates": [good.replace("ldaps", "ldap")]}})
    check("warning" in w.ctl("check") and "of his own" in w.ctl("check"), "nothing of the way")
    # the keeper has no network yet
    w.write({"rewrite": {"encrypt": encrypt, "certificates": [good]}})
    check("counts at the next start" in w.ctl("reload", code=1), "the keeper got a network")
