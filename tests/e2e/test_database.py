"""Users that others keep: an SQLite table by Cyrus' plugin sql, a directory by ldapdb and OpenLDAP's
slapd, saslauthd with PAM; who gets in, who does not, and what happens while nobody answers."""

import base64
import crypt
import hashlib
import hmac
import os
import re
import signal
import sqlite3
import subprocess
import time

from harness.case import check, equal, eventually, test
from harness.client import Wire, session
from harness.mailers import name_the_server
from harness.world import PASSWORD, USER

SELECT = "SELECT password FROM users WHERE name = '%u' AND realm = '%r'"
DOWN = (454, "4.7.0")
NO_BLOCK = {"failures": 0}


def reply(mechanism, user=USER, password=PASSWORD):
    """Code and enhanced code of a whole exchange."""
    s = session()
    try:
        got = s.scram(user, password, mechanism) if mechanism.startswith("SCRAM") else \
            getattr(s, mechanism.lower())(user, password)
        return got[0], got[1].split()[0]
    finally:
        s.close()


def code(mechanism, user=USER, password=PASSWORD):
    return reply(mechanism, user, password)[0]


def verifier(password, mechanism="SCRAM-SHA-256", rounds=4096):
    digest = mechanism[6:].replace("-", "").lower()
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds)
    stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
    text = [base64.b64encode(part).decode()
            for part in (salt, stored, hmac.digest(salted, b"Server Key", digest))]
    return f"{mechanism}${rounds}:{text[0]}${text[1]}:{text[2]}"


def offered():
    s = session()
    words = next(x for x in s.ehlo().splitlines() if x.startswith("AUTH ")).split()[1:]
    s.close()
    return words


def read_only_commands(w, setting):
    """What msad does not write, it says so, and nobody's session ends."""
    s = w.session()
    for words in (("user", "add", "zoe", "--password-stdin"),
                  ("user", "passwd", "alice", "--password-stdin")):
        said = w.ctl(*words, stdin="secret\n", code=1)
        check(f'msad does not write the users of auth.database = "{setting}"' in said, said)
    equal(s.say("NOOP")[0], 250, "nothing was changed")


def many_at_once():
    """Right, wrong and unknown together."""
    tries = [(b"alice", PASSWORD.encode(), 235), (b"alice", b"wrong", 535), (b"nobody", b"x", 535)] * 20
    sessions = [(session(), *one) for one in tries]
    for s, user, password, _ in sessions:
        s.send(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password) + b"\r\n")
    for s, user, _, wanted in sessions:
        equal(s.reply()[0], wanted, f"{user} among many")
        s.close()


def disabled_and_enabled(w, *mechanisms):
    """A disabled user is out at once, by whatever spelling, and back."""
    s = w.session()
    w.ctl("user", "disable", "Alice", "--reason", "left")
    check(eventually(lambda: ended(s), "the session ends"), "")
    for user in (USER, "ALICE@our.test", "aLice"):
        for mechanism in mechanisms:
            equal(code(mechanism, user), 535, f"{mechanism} of {user}")
    w.wait_log("login-disabled")
    equal(w.ask("user", "show", "alice")[1][0]["state"], "disabled")
    equal([u["login"] for u in w.ask("user", "list")[1] if u["state"] == "disabled"], [USER])
    w.ctl("user", "enable", "alice")
    for mechanism in mechanisms:
        equal(code(mechanism), 235, mechanism)


def ended(s):
    try:
        return s.say("NOOP")[0] == 421
    except (EOFError, OSError):
        return True


def faults(w, auth, *wanted):
    """What --check says of a configuration."""
    w.write({"auth": auth})
    said = w.ctl("check", code=1)
    for text in wanted:
        check(text in said, text, "in", said)


class Table:
    def __init__(self, w):
        self.path = w.path("users.sqlite")
        self.run("CREATE TABLE users (name, realm, password)")
        os.chmod(self.path, 0o644)
        self.options = {"database": "sql", "block": NO_BLOCK,
                        "sql": {"engine": "sqlite3", "database": self.path, "select": SELECT}}

    def run(self, statement, *values):
        db = sqlite3.connect(self.path)
        with db:
            db.execute(statement, values)
        db.close()

    def add(self, name, password, realm="our.test"):
        self.run("INSERT INTO users VALUES (?, ?, ?)", name, realm, password)


@test()
def users_in_a_table(w):
    table = Table(w)
    rows = {"alice": "{PLAIN}" + PASSWORD, "bare": PASSWORD, "locked": "!", "star": "*",
            "left": "!" + crypt.crypt(PASSWORD, "$6$saltsalt"), "des": "abJnggxhB/yWI", "scram": verifier(PASSWORD), "old": verifier(PASSWORD, "SCRAM-SHA-1"),
            "unix": crypt.crypt(PASSWORD, "$6$saltsalt"), "ldap": "{CRYPT}" +
            crypt.crypt(PASSWORD, "$2b$04$abcdefghijklmnopqrstuu"), "null": None, "empty": "",
            "digest": "{SSHA}" + base64.b64encode(
                hashlib.sha1(PASSWORD.encode() + b"salt").digest() + b"salt").decode(),
            "strange": "{MD5}X03MO1qnZdYdgyfeuILPmQ=="}
    for name, password in rows.items():
        table.add(name, password)
    table.add("mallory", PASSWORD, "else.test")
    w.start({"auth": table.options}, user=False)
    equal(offered(), ["SCRAM-SHA-256", "PLAIN", "LOGIN"])
    for name, scram in (("alice", 235), ("scram", 235), ("old", 535), ("unix", 535), ("ldap", 535),
                        ("digest", 535)):
        equal([code(m, name) for m in ("PLAIN", "LOGIN", "SCRAM-SHA-256")], [235, 235, scram], name)
    wrong = reply("PLAIN", password="wrong")
    equal(wrong, (535, "5.7.8"))
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        for user, password in ((USER, "wrong"), ("nobody", PASSWORD), ("mallory@else.test", PASSWORD),
                               ("mallory", PASSWORD), ("null", "NULL"), ("empty", ""),
                               ("strange", rows["strange"]), ("unix", rows["unix"]),
                               ("ldap", rows["ldap"]), ("digest", rows["digest"]),
                               ("bare", PASSWORD), ("locked", "!"), ("star", "*"),
                               ("left", rows["left"]), ("left", PASSWORD), ("des", rows["des"]),
                               ("alice' OR '1'='1", PASSWORD), ("x\\' OR 1=1 --", PASSWORD)):
            if mechanism != "LOGIN" or password:
                equal(reply(mechanism, user, password), wrong, f"{mechanism} {user} {password}")
    w.wait_log("the database has nothing that SCRAM-SHA-256 can be checked against")
    # a changed password counts at once
    equal(code("PLAIN"), 235)
    table.run("UPDATE users SET password = '{PLAIN}another' WHERE name = 'alice'")
    equal([code("PLAIN"), code("PLAIN", password="another")], [535, 235])
    table.run("UPDATE users SET password = ? WHERE name = 'alice'", rows["alice"])
    disabled_and_enabled(w, "PLAIN", "LOGIN", "SCRAM-SHA-256")
    many_at_once()
    read_only_commands(w, "sql")
    # what msad keeps of users, it keeps of these
    secret = w.ask("user", "app", "add", "alice", "phone")[1][0]["secret"]
    equal([code("PLAIN", password=secret), code("SCRAM-SHA-256", "alice/phone", secret)], [235, 235])
    w.ctl("user", "role", "alice", "admin")
    shown = w.ask("user", "show", "alice")[1][0]
    equal((shown["roles"], shown["cleartext"]), (["admin"], True))
    check(all(m["usable"] for m in shown["mechanisms"]), shown)
    eventually(lambda: w.ask("user", "show", "alice")[1][0]["logins"], "logins are written")
    equal({m["name"]: m["usable"] for m in w.ask("user", "show", "unix")[1][0]["mechanisms"]},
          {"SCRAM-SHA-256": False, "PLAIN": True, "LOGIN": True})
    # who has no password there is disabled, whatever he has here
    key = w.ask("user", "app", "add", "unix", "phone")[1][0]["secret"]
    equal(code("PLAIN", "unix", key), 235)
    table.run("UPDATE users SET password = '!' || password WHERE name = 'unix'")
    equal([code("PLAIN", "unix", key), code("SCRAM-SHA-256", "unix/phone", key)], [535, 535])
    w.wait_log("the database has no password of the login")
    shown = w.ask("user", "show", "unix")[1][0]
    equal(shown["state"], "disabled")
    check("auth.database has no password" in shown["reason"], shown)
    table.run("UPDATE users SET password = substr(password, 2) WHERE name = 'unix'")
    equal(code("PLAIN", "unix", key), 235)
    check("no such user" in w.ctl("user", "disable", "nobody", code=1), "of whom there is nothing")
    check("no such user" in w.ctl("user", "show", "nobody", code=1), "of whom there is nothing")
    check("remove it there first" in w.ctl("user", "delete", "alice", code=1), "still there")
    table.run("DELETE FROM users WHERE name = 'alice'")
    equal(code("PLAIN", password=secret), 535, "an app password of nobody")
    w.ctl("user", "delete", "alice")
    table.add("alice", rows["alice"])
    equal(w.ask("user", "app", "list", "alice")[1], [], "a new alice has nothing of the old one")
    # bare values are passwords where the operator says so, which check warns of; locked ones never
    table.options["sql"]["cleartext"] = True
    w.write({"auth": table.options})
    check("auth.sql.cleartext: warning: every bare value" in w.ctl("check"), "no warning")
    w.ctl("reload")
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        equal([code(mechanism, "bare"), code(mechanism)], [235, 235], mechanism)
        for user, password in (("locked", "!"), ("star", "*"), ("left", rows["left"])):
            equal(reply(mechanism, user, password), wrong, f"{mechanism} {user}")


@test()
def a_table_that_cannot_be_asked(w):
    table = Table(w)
    table.add("alice", "{PLAIN}" + PASSWORD)
    w.start({"auth": table.options}, user=False)
    check("warning" not in w.ctl("check"), "no complaint")
    old = w.session()
    # somebody writes: waited for, then put off, never refused
    db = sqlite3.connect(table.path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    equal(reply("SCRAM-SHA-256"), DOWN)
    equal([code("PLAIN"), code("LOGIN")], [235, 235], "what was proved a moment ago")
    w.wait_log("database is locked")
    db.execute("COMMIT")
    db.close()
    equal(code("SCRAM-SHA-256"), 235, "by itself again")
    # another program has it in WAL mode
    table.run("PRAGMA journal_mode = WAL")
    db = sqlite3.connect(table.path)
    db.execute("SELECT * FROM users").fetchall()
    for end in ("-wal", "-shm"):
        os.chmod(table.path + end, 0o644)
    equal(reply("SCRAM-SHA-256"), (235, "2.7.0"), "in WAL mode")
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    # the table, the file, its rights
    for spoil, mend, text in (
            (lambda: table.run("ALTER TABLE users RENAME TO others"),
             lambda: table.run("ALTER TABLE others RENAME TO users"), "no such table: users"),
            (lambda: os.rename(table.path, table.path + ".away"),
             lambda: os.rename(table.path + ".away", table.path), "No such file"),
            (lambda: os.chmod(table.path, 0o600), lambda: os.chmod(table.path, 0o644),
             "Permission denied")):
        spoil()
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            for user in (USER, "nobody"):
                equal(reply(mechanism, user), DOWN, f"{mechanism} {user}: {text}")
        w.wait_log(text)
        equal(old.say("NOOP")[0], 250, "a session goes on")
        check(text in w.ctl("status"), "status does not say so")
        mend()
        equal(code("PLAIN"), 235, text)
    check(not os.path.exists(table.path + ".away"), "mended")
    # while msad is stopped only it could ask, but a login can be disabled all the same
    w.stop()
    said = w.ctl("user", "disable", "alice")
    check("whether there is such a user could not be asked" in said, said)
    check("it is not running" in w.ctl("user", "show", "alice", code=3), "asked without the keeper")
    w.launch()
    w.wait_ready()
    equal(code("PLAIN"), 535)


@test()
def faults_of_the_settings(w):
    sql = {"engine": "sqlite3", "database": w.path("none"), "select": SELECT}
    w.write()
    faults(w, {"database": "sql"}, "auth.sql.database: is missing", "auth.sql.select: is missing")
    faults(w, {"database": "sql", "sql": dict(sql, select="SELECT p FROM t WHERE u = %u")},
           "auth.sql.select: %u stands outside of single quotes")
    faults(w, {"database": "sql", "sql": dict(sql, select="SELECT p FROM t")},
           "everybody would have the same password")
    faults(w, {"database": "sql", "sql": dict(sql, engine="pgsql", database="a'b", hostnames="x'y")},
           "auth.sql.database: has a quote", "auth.sql.hostnames[0]", "auth.sql.user: is missing")
    faults(w, {"database": "sql", "sql": dict(sql, database="users")}, "is no path of a file")
    faults(w, {"database": "ldapdb"}, "auth.ldapdb.uri: is missing", "auth.ldapdb.id: is missing",
           "auth.ldapdb.password_file: is missing")
    faults(w, {"database": "ldapdb", "ldapdb": {"uri": "http://x", "id": "x", "mech": "MAGIC"}},
           "is no LDAP URI", 'the mechanism "MAGIC" is not known')
    faults(w, {"database": "saslauthd", "mechanisms": ["PLAIN", "SCRAM-SHA-256", "LOGIN"]},
           "auth.mechanisms[1]: SCRAM-SHA-256 does not work with auth.database")
    faults(w, {"database": "sql", "sql": sql, "realms": ["o'brien.test"]}, "auth.realms[0]: with")
    w.write({"auth": {"sql": sql}})
    check("it counts nowhere" in w.ctl("check"), "settings of another database")
    w.write({"auth": {"database": "sql", "sql": sql}})
    check("auth.database: warning: auth.database = \"sql\": " in w.ctl("check"), "a file that is not there")
    w.write({"auth": {"database": "saslauthd", "saslauthd": {"socket": w.path("none")}}})
    said = w.ctl("check")
    check(w.path("none") in said and "No such file" in said, said)
    # without the plugins
    w.environment["SASL_PATH"] = w.path("")
    faults(w, {"database": "sql", "sql": sql}, "install the package libsasl2-modules-sql")
    faults(w, {"database": "ldapdb", "ldapdb": {"uri": "ldapi:///", "mech": "EXTERNAL", "id": "x"}},
           "install the package libsasl2-modules-ldap")


SLAPD = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
sasl-host mail.our.test
authz-regexp "^uid=msad(,cn=[^,]*)*,cn=auth$" "cn=msad,dc=our,dc=test"
authz-regexp "^gidnumber=64902.uidnumber=64902,cn=peercred,cn=external,cn=auth$" "cn=msad,dc=our,dc=test"
authz-regexp "^uid=([^,@]*)@our.test(,cn=[^,]*)*,cn=auth$" "ldap:///ou=people,dc=our,dc=test??one?(uid=$1)"
authz-policy to
password-hash {{CLEARTEXT}}
database mdb
suffix "dc=our,dc=test"
directory {dir}/data
rootdn "cn=root,dc=our,dc=test"
rootpw root
access to attrs=userPassword by self read by anonymous auth by * none
access to * by * read
"""

# Users whose entry is looked up without a search, and whose look-up fails with a result of LDAP.
FAULTY = """moduleload retcode
authz-regexp "^uid=fault([^,@]*)@our.test(,cn=[^,]*)*,cn=auth$" "cn=$1,ou=faults,dc=our,dc=test"
"""
FAULTS = """overlay retcode
retcode-parent "ou=faults,dc=our,dc=test"
"""

ENTRIES = """dn: dc=our,dc=test
objectClass: dcObject
objectClass: organization
o: our
dc: our

dn: ou=people,dc=our,dc=test
objectClass: organizationalUnit
ou: people

dn: cn=msad,dc=our,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: msad
userPassword: machine
authzTo: dn.children:ou=people,dc=our,dc=test
authzTo: dn.children:ou=faults,dc=our,dc=test
"""

PERSON = """
dn: uid={name},ou=people,dc=our,dc=test
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
"""


class Directory:
    """slapd; its names are those of our.test. faults: LDAP's results by what follows "fault" in the
    user's name."""

    def __init__(self, w, people, faults=None):
        self.w, self.dir = w, w.path("ldap")
        os.makedirs(os.path.join(self.dir, "data"))
        with open(self.path("slapd.conf"), "w", encoding="ascii") as f:
            conf = SLAPD.format(dir=self.dir, certificate=w.certificate[0], key=w.certificate[1])
            if faults:
                conf = conf.replace("authz-regexp", FAULTY + "authz-regexp", 1) + FAULTS
                conf += "".join(f'retcode-item "cn={x}" {result}\n' for x, result in faults.items())
            f.write(conf)
        with open(self.path("ldif"), "w", encoding="ascii") as f:
            f.write(ENTRIES)
            for name, password in people.items():
                f.write(PERSON.format(name=name))
                f.write(f"userPassword: {password}\n" if password else "")
        with open(self.path("secret"), "w", encoding="ascii") as f:
            f.write("machine\n")
        subprocess.run(["slapadd", "-f", self.path("slapd.conf"), "-l", self.path("ldif")],
                       check=True, capture_output=True)
        self.options = {"database": "ldapdb", "block": NO_BLOCK,
                        "ldapdb": {"uri": "ldap://mail.our.test", "id": "msad", "starttls": True,
                                   "password_file": self.path("secret"), "ca": w.certificate[0]}}
        self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                ["slapd", "-f", self.path("slapd.conf"), "-d", "256", "-h",
                 "ldap://127.0.0.1/ ldapi://" + self.path("socket").replace("/", "%2F")],
                stdout=log, stderr=log)
        eventually(lambda: subprocess.run(["ldapwhoami", "-x", "-H", "ldap://127.0.0.1"],
                                          capture_output=True, check=False).returncode == 0,
                   "slapd answers")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def modify(self, text):
        subprocess.run(["ldapmodify", "-x", "-H", "ldap://127.0.0.1", "-D",
                        "cn=root,dc=our,dc=test", "-w", "root"], input=text, text=True, check=True,
                       capture_output=True)


@test()
def users_in_a_directory(w):
    name_the_server(w.dir)
    directory = Directory(w, {"alice": "{PLAIN}" + PASSWORD, "bare": PASSWORD, "locked": "!", "bob": "{CRYPT}" + crypt.crypt(PASSWORD, "$6$salt"),
                              "scram": verifier(PASSWORD), "without": None, "elsewhere": "{SASL}elsewhere"})
    w.write({"auth": directory.options})
    said = w.ctl("check")
    check("warning" not in said, said)
    w.start({"auth": directory.options}, user=False)
    for name, scram in (("alice", 235), ("scram", 235), ("bob", 535)):
        equal([code(m, name) for m in ("PLAIN", "LOGIN", "SCRAM-SHA-256")], [235, 235, scram], name)
    wrong = (535, "5.7.8")
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        for user, password in ((USER, "wrong"), ("nobody", PASSWORD), ("al*", PASSWORD),
                               ("without", PASSWORD), ("bare", PASSWORD), ("locked", "!"), ("msad", "machine"), ("bob)(uid=*", PASSWORD),
                               ("alice,ou=people", PASSWORD)):
            equal(reply(mechanism, user, password), wrong, f"{mechanism} {user}")
    disabled_and_enabled(w, "PLAIN", "SCRAM-SHA-256")
    many_at_once()
    read_only_commands(w, "ldapdb")
    secret = w.ask("user", "app", "add", "without", "phone")[1][0]["secret"]
    equal(code("PLAIN", "without", secret), 535, "who has no password there is disabled")
    secret = w.ask("user", "app", "add", "elsewhere", "phone")[1][0]["secret"]
    equal(code("PLAIN", "elsewhere", secret), 235, "an app password of one with another kind")
    check("no such user" in w.ctl("user", "disable", "nobody", code=1), "nobody")
    directory.modify("dn: uid=scram,ou=people,dc=our,dc=test\nchangetype: delete\n")
    equal(code("SCRAM-SHA-256", "scram"), 535, "gone")
    # the plugin has its settings of the start
    with open(directory.path("secret"), "w", encoding="ascii") as f:
        f.write("another\n")
    w.ctl("reload")
    w.wait_log("auth.ldapdb.password_file: the new contents count at the next start")
    equal(code("SCRAM-SHA-256"), 235, "the former password")


@test()
def a_directory_that_does_not_answer(w):
    name_the_server(w.dir)
    directory = Directory(w, {name: "{PLAIN}" + PASSWORD for name in ("alice", "bob")})
    w.start({"auth": directory.options}, user=False)
    old = w.session()
    equal(code("PLAIN"), 235)
    directory.stop()
    for mechanism, user in (("SCRAM-SHA-256", USER), ("PLAIN", "bob"), ("PLAIN", "nobody")):
        equal(reply(mechanism, user), DOWN, f"{mechanism} {user}")
    equal([code("PLAIN"), old.say("NOOP")[0]], [235, 250], "what was proved, and who is in")
    w.wait_log('auth-database: auth.database = "ldapdb": ')
    said = w.ctl("user", "disable", "bob")
    check("could not be asked" in said, said)
    directory.start()
    eventually(lambda: code("SCRAM-SHA-256") == 235, "comes back by itself", 10)
    equal(code("PLAIN", "bob"), 535, "disabled while the directory was away")
    # one that hangs
    equal(code("PLAIN"), 235)
    directory.process.send_signal(signal.SIGSTOP)
    sessions = [session() for _ in range(20)]
    began = time.monotonic()
    for s in sessions:
        s.send(b"AUTH PLAIN " + base64.b64encode(b"\0bob\0" + PASSWORD.encode()) + b"\r\n")
    equal(code("PLAIN"), 235, "what was proved does not wait")
    check(time.monotonic() - began < 2, "it waited")
    equal({s.reply()[0] for s in sessions}, {454})
    check(time.monotonic() - began < 20, "too long")
    equal(old.say("NOOP")[0], 250, "a session goes on")
    directory.process.send_signal(signal.SIGCONT)
    eventually(lambda: code("SCRAM-SHA-256") == 235, "comes back by itself", 20)


@test()
def a_directory_that_does_not_let_us_in(w):
    name_the_server(w.dir)
    directory = Directory(w, {"alice": "{PLAIN}" + PASSWORD})
    with open(directory.path("wrong"), "w", encoding="ascii") as f:
        f.write("not it\n")
    options = dict(directory.options, ldapdb=dict(directory.options["ldapdb"],
                                                  password_file=directory.path("wrong")))
    w.start({"auth": options}, user=False)
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        for user in (USER, "nobody"):
            equal(reply(mechanism, user), DOWN, f"{mechanism} {user}")
    w.wait_log('it does not let us in as "msad" (auth.ldapdb.id)')
    w.stop()
    # its certificate is of nobody whom we know
    w.start({"auth": dict(directory.options, ldapdb=dict(directory.options["ldapdb"], ca=""))},
            user=False)
    equal(reply("PLAIN"), DOWN, "an unknown authority")
    w.stop()
    # by the socket, as whom the kernel says that we are
    socket = "ldapi://" + directory.path("socket").replace("/", "%2F")
    os.chmod(directory.path("socket"), 0o777)
    w.start({"auth": dict(directory.options, ldapdb={"uri": socket, "mech": "EXTERNAL", "id": "msad"})}, user=False)
    equal([code("PLAIN"), code("SCRAM-SHA-256"), code("PLAIN", "nobody")], [235, 235, 535])


@test()
def a_directory_that_fails_for_one_user(w):
    """What is no refusal of just this user is temporary, and counts for no block."""
    name_the_server(w.dir)
    refusals, faults, absences = (32, 48, 49, 50, 123), (1, 2, 3, 4, 8, 10, 11, 53, 54, 80), (51, 52)
    results = {str(x): x for x in refusals + faults + absences}
    results.update(slow="53 sleeptime=4", referred="10 ref=ldap://127.0.0.1:1/")
    directory = Directory(w, {"alice": "{PLAIN}" + PASSWORD}, results)
    block = {"failures": 5, "window": "10m", "time": "15m"}
    w.start({"auth": dict(directory.options, block=block)}, user=False)
    equal([code("PLAIN"), code("SCRAM-SHA-256")], [235, 235])
    for x in faults + ("referred",):
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            equal(reply(mechanism, f"fault{x}"), DOWN, f"{mechanism} result {x}")
    w.wait_log("it answers: Server is unwilling to perform (LDAP result 53)")
    equal(w.ask("block", "list")[1], [], "nothing is counted")
    for x in absences:
        equal(reply("PLAIN", f"fault{x}"), DOWN, f"result {x}")
        eventually(lambda: code("SCRAM-SHA-256") == 235, "it is asked again", 10)
    # a fault that takes long: the directory is left alone for a while
    began = time.monotonic()
    equal(reply("PLAIN", "faultslow"), DOWN)
    check(time.monotonic() - began > 4, "it was not slow")
    equal(reply("SCRAM-SHA-256"), DOWN, "nobody is asked at once")
    eventually(lambda: code("SCRAM-SHA-256") == 235, "it is asked again", 10)
    # the others are users who do not exist, and count
    for x in refusals:
        equal(reply("PLAIN", f"fault{x}"), (535, "5.7.8"), f"result {x}")
    check(w.ask("block", "list")[1], "refusals count")


class Saslauthd:
    """saslauthd, which asks PAM, which asks a shadow file of this test's."""

    GROUP = 64950

    def __init__(self, w, users):
        self.dir = w.path("saslauthd")
        os.mkdir(self.dir, 0o755)
        with open("/etc/group", "a", encoding="ascii") as f:
            f.write(f"our-sasl:x:{self.GROUP}:msa-auth\n")
        with open("/etc/passwd", "a", encoding="ascii") as f:
            for n, name in enumerate(users):
                f.write(f"{name}:x:{65000 + n}:65000::/nonexistent:/usr/sbin/nologin\n")
        with open(w.path("shadow"), "w", encoding="ascii") as f:
            for name, password in users.items():
                f.write(f"{name}:{crypt.crypt(password, '$6$saltsalt')}:19000:0:99999:7:::\n")
        os.chmod(w.path("shadow"), 0o600)
        os.mkdir(w.path("pam.d"))
        with open(w.path("pam.d", "smtp"), "w", encoding="ascii") as f:
            f.write("auth required pam_unix.so nodelay\naccount required pam_unix.so\n")
        for name in ("shadow", "pam.d"):
            subprocess.run(["mount", "--bind", w.path(name), "/etc/" + name], check=True)
        self.options = {"database": "saslauthd", "block": NO_BLOCK,
                        "saslauthd": {"socket": os.path.join(self.dir, "mux")}}
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(["saslauthd", "-a", "pam", "-d", "-m", self.dir],
                                            stdout=log, stderr=log, start_new_session=True)
        eventually(lambda: os.path.exists(os.path.join(self.dir, "mux")), "its socket")
        # as on Debian: who is of its group
        os.chown(self.dir, 0, self.GROUP)
        os.chmod(self.dir, 0o710)

    def signal(self, number):
        os.killpg(self.process.pid, number) # the workers, too

    def stop(self):
        self.signal(signal.SIGTERM)
        self.process.wait(30)


@test()
def users_of_saslauthd(w):
    daemon = Saslauthd(w, {"alice": PASSWORD, "bob": PASSWORD})
    w.write({"auth": daemon.options})
    said = w.ctl("check")
    check("warning" not in said, said)
    w.start({"auth": daemon.options}, user=False)
    equal(offered(), ["PLAIN", "LOGIN"])
    wrong = (535, "5.7.8")
    for mechanism in ("PLAIN", "LOGIN"):
        equal([code(mechanism), code(mechanism, "bob"), code(mechanism, "BOB")], [235, 235, 235])
        for user, password in ((USER, "wrong"), ("nobody", PASSWORD), ("alice@else.test", PASSWORD),
                               ("al*", PASSWORD), ("alice/x", PASSWORD), (USER, "x" * 300)):
            equal(reply(mechanism, user, password), wrong, f"{mechanism} {user}")
    equal(session().say("AUTH SCRAM-SHA-256")[0], 504, "no secret can be read")
    disabled_and_enabled(w, "PLAIN", "LOGIN")
    many_at_once()
    read_only_commands(w, "saslauthd")
    said = w.ctl("user", "app", "add", "alice", "phone", code=1)
    check("no app passwords with auth.database" in said, said)
    said = w.ctl("user", "disable", "carol")
    check("whether there is such a user could not be asked" in said, said)
    check("disable the login here" in w.ctl("user", "delete", "alice", code=1), "not ours")
    eventually(lambda: w.ask("user", "show", "alice")[1][0]["logins"], "logins are written")
    old = w.session()
    equal(code("PLAIN"), 235)
    daemon.stop()
    equal([reply("PLAIN", "bob", "x"), reply("LOGIN", "nobody")], [DOWN, DOWN])
    equal([code("PLAIN"), old.say("NOOP")[0]], [235, 250], "what was proved, and who is in")
    w.wait_log(os.path.join(daemon.dir, "mux"))
    daemon.start()
    eventually(lambda: code("PLAIN", "bob") == 235, "comes back by itself", 10)
    equal(reply("PLAIN", "bob", "x"), wrong)
    # one that hangs
    daemon.signal(signal.SIGSTOP)
    began = time.monotonic()
    sessions = [session() for _ in range(20)]
    for s in sessions:
        s.send(b"AUTH PLAIN " + base64.b64encode(b"\0bob\0x") + b"\r\n")
    equal(code("PLAIN"), 235, "what was proved does not wait")
    check(time.monotonic() - began < 2, "it waited")
    equal({s.reply()[0] for s in sessions}, {454})
    check(time.monotonic() - began < 20, "too long")
    daemon.signal(signal.SIGCONT)
    eventually(lambda: reply("PLAIN", "bob", "x") == wrong, "comes back by itself", 20)


class Postgres:
    """PostgreSQL on port 5433, TLS with the server's own certificate."""

    BIN = "/usr/lib/postgresql/" + sorted(os.listdir("/usr/lib/postgresql"))[-1] + "/bin/" \
        if os.path.isdir("/usr/lib/postgresql") else ""

    def __init__(self, w):
        self.dir = w.path("pg")
        os.mkdir(self.dir, 0o700)
        for n, name in enumerate(("cert.pem", "key.pem")):
            with open(w.certificate[n], "rb") as f, open(os.path.join(self.dir, name), "wb") as to:
                to.write(f.read())
        subprocess.run(["chown", "-R", "postgres", self.dir], check=True)
        os.chmod(os.path.join(self.dir, "key.pem"), 0o600)
        os.chmod(w.dir, 0o755)
        self.run("initdb", "-A", "trust", "-U", "root", "-D", self.path("data"))
        with open(self.path("data/postgresql.conf"), "a", encoding="ascii") as f:
            f.write(f"port = 5433\nlisten_addresses = '127.0.0.1'\nfsync = off\n"
                    f"unix_socket_directories = '{self.dir}'\nssl = on\n"
                    f"ssl_cert_file = '{self.dir}/cert.pem'\nssl_key_file = '{self.dir}/key.pem'\n")
        with open(self.path("data/pg_hba.conf"), "w", encoding="ascii") as f:
            f.write("local all root trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        with open(w.path("sql.secret"), "w", encoding="ascii") as f:
            f.write("machine\n")
        self.options = {"database": "sql", "block": NO_BLOCK,
                        "sql": {"engine": "pgsql", "hostnames": "mail.our.test:5433",
                                "user": "msad", "password_file": w.path("sql.secret"),
                                "database": "mail", "select": SELECT, "tls": True,
                                "ca": w.certificate[0]}}
        self.start()
        for statement in ("CREATE DATABASE mail", "CREATE USER msad PASSWORD 'machine'"):
            self.sql(statement, "postgres")
        self.sql("CREATE TABLE users (name text, realm text, password text)")
        self.sql("GRANT SELECT ON users TO msad")

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, command, *words):
        done = subprocess.run(["setpriv", "--reuid=postgres", "--clear-groups", self.BIN + command,
                               *words], text=True, capture_output=True, check=False, cwd="/",
                              stdin=subprocess.DEVNULL)
        equal(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")

    def start(self):
        self.run("pg_ctl", "-D", self.path("data"), "-l", self.path("log"), "-w", "start")

    def stop(self):
        self.run("pg_ctl", "-D", self.path("data"), "-m", "fast", "-w", "stop")

    def sql(self, statement, database="mail"):
        self.run("psql", "-h", self.dir, "-p", "5433", "-U", "root", "-v", "ON_ERROR_STOP=1",
                 "-d", database, "-c", statement)

    def pids(self):
        with open(self.path("data/postmaster.pid"), encoding="ascii") as f:
            parent = f.readline().strip()
        done = subprocess.run(["pgrep", "-P", parent], capture_output=True, text=True, check=False)
        return [int(parent)] + [int(pid) for pid in done.stdout.split()]


@test()
def users_in_postgresql(w):
    name_the_server(w.dir)
    server = Postgres(w)
    server.sql(f"INSERT INTO users VALUES ('alice', 'our.test', '{{PLAIN}}{PASSWORD}'), "
               f"('bob', 'our.test', '{verifier(PASSWORD)}'), ('null', 'our.test', NULL)")
    w.write({"auth": server.options})
    said = w.ctl("check")
    check("warning" not in said, said)
    w.start({"auth": server.options}, user=False)
    for name in ("alice", "bob"):
        equal([code(m, name) for m in ("PLAIN", "LOGIN", "SCRAM-SHA-256")], [235, 235, 235], name)
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        for user, password in ((USER, "wrong"), ("nobody", PASSWORD), ("null", "NULL"),
                               ("x' OR '1'='1", PASSWORD)):
            equal(reply(mechanism, user, password), (535, "5.7.8"), f"{mechanism} {user}")
    many_at_once()
    # a query that fails is no user who does not exist
    server.sql("REVOKE SELECT ON users FROM msad")
    equal([reply("SCRAM-SHA-256"), reply("SCRAM-SHA-256", "nobody")], [DOWN, DOWN])
    server.sql("GRANT SELECT ON users TO msad")
    equal(code("SCRAM-SHA-256"), 235)
    # it stops, comes back, hangs
    equal(code("PLAIN"), 235)
    old = w.session()
    server.stop()
    equal([reply("SCRAM-SHA-256"), reply("PLAIN", "nobody")], [DOWN, DOWN])
    equal([code("PLAIN"), old.say("NOOP")[0]], [235, 250], "what was proved, and who is in")
    w.wait_log("Connection refused")
    server.start()
    eventually(lambda: code("SCRAM-SHA-256") == 235, "comes back by itself", 20)
    equal(code("PLAIN"), 235)
    for pid in server.pids():
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    s = session()
    s.send(b"AUTH PLAIN " + base64.b64encode(b"\0bob\0x") + b"\r\n")
    equal(code("PLAIN"), 235, "what was proved does not wait")
    equal(s.reply()[0], 454)
    check(time.monotonic() - began < 20, "too long")
    for pid in server.pids():
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: code("SCRAM-SHA-256") == 235, "comes back by itself", 20)
    w.stop()
    # a certificate of nobody whom we know
    other = dict(server.options["sql"], ca="/etc/ssl/certs/ca-certificates.crt")
    w.start({"auth": dict(server.options, sql=other)}, user=False)
    equal(reply("PLAIN"), DOWN, "an unknown authority")


class Mariadb:
    """MariaDB on port 3307."""

    def __init__(self, w):
        self.dir = w.path("maria")
        os.mkdir(self.dir, 0o755)
        done = subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root",
                               "--auth-root-authentication-method=normal", "--skip-test-db",
                               "--datadir=" + self.path("data")], capture_output=True, text=True,
                              check=False)
        equal(done.returncode, 0, done.stdout + done.stderr)
        with open(w.path("sql.secret"), "w", encoding="ascii") as f:
            f.write("machine\n")
        self.options = {"database": "sql", "block": NO_BLOCK,
                        "sql": {"engine": "mysql", "hostnames": "127.0.0.1:3307", "user": "msad",
                                "password_file": w.path("sql.secret"), "database": "mail",
                                "select": SELECT}}
        self.start()
        self.sql("CREATE DATABASE mail; CREATE USER msad@localhost IDENTIFIED BY 'machine'; "
                 "CREATE TABLE mail.users (name varchar(99), realm varchar(99), password text) "
                 "CHARACTER SET utf8mb4; GRANT SELECT ON mail.users TO msad@localhost")

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                ["mariadbd", "--no-defaults", "--user=root", "--datadir=" + self.path("data"),
                 "--socket=" + self.path("socket"), "--port=3307", "--bind-address=127.0.0.1",
                 "--pid-file=" + self.path("pid")], stdout=log, stderr=log)
        eventually(lambda: self.try_sql("SELECT 1").returncode == 0, "it answers", 60)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def try_sql(self, text):
        return subprocess.run(["mariadb", "--no-defaults", "-u", "root", "-S", self.path("socket")],
                              input=text, text=True, capture_output=True, check=False)

    def sql(self, text):
        done = self.try_sql(text)
        equal(done.returncode, 0, done.stderr)


@test()
def users_in_mariadb(w):
    server = Mariadb(w)
    server.sql(f"INSERT INTO mail.users VALUES ('alice', 'our.test', '{{PLAIN}}{PASSWORD}'), "
               f"('Bob', 'our.test', '{verifier(PASSWORD)}'), ('null', 'our.test', NULL)")
    w.write({"auth": server.options})
    said = w.ctl("check")
    check("warning" not in said, said)
    w.start({"auth": server.options}, user=False)
    for name in ("alice", "bob"):
        equal([code(m, name) for m in ("PLAIN", "LOGIN", "SCRAM-SHA-256")], [235, 235, 235], name)
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        for user, password in ((USER, "wrong"), ("nobody", PASSWORD), ("null", "NULL"), ("null", ""),
                               ("älice", PASSWORD), ("x' OR '1'='1", PASSWORD)):
            equal(reply(mechanism, user, password), (535, "5.7.8"), f"{mechanism} {user}")
    # its names are of any case and accent: they are one login all the same
    disabled_and_enabled(w, "PLAIN", "SCRAM-SHA-256")
    many_at_once()
    server.sql("RENAME TABLE mail.users TO mail.others")
    equal([reply("SCRAM-SHA-256"), reply("SCRAM-SHA-256", "nobody")], [DOWN, DOWN])
    server.sql("RENAME TABLE mail.others TO mail.users")
    equal([code("SCRAM-SHA-256"), code("PLAIN")], [235, 235])
    old = w.session()
    server.stop()
    equal([reply("SCRAM-SHA-256"), reply("PLAIN", "nobody")], [DOWN, DOWN])
    equal([code("PLAIN"), old.say("NOOP")[0]], [235, 250], "what was proved, and who is in")
    server.start()
    eventually(lambda: code("SCRAM-SHA-256") == 235, "comes back by itself", 20)
    # one that hangs: the kernel accepts, nobody greets
    equal(code("PLAIN"), 235)
    server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    sessions = [session() for _ in range(20)]
    for s in sessions:
        s.send(b"AUTH PLAIN " + base64.b64encode(b"\0bob\0x") + b"\r\n")
    equal(code("PLAIN"), 235, "what was proved does not wait")
    equal({s.reply()[0] for s in sessions}, {454})
    check(time.monotonic() - began < 25, "too long")
    server.process.send_signal(signal.SIGCONT)
    eventually(lambda: code("SCRAM-SHA-256") == 235, "comes back by itself", 20)
    # nor does it hold up the end
    server.process.send_signal(signal.SIGSTOP)
    s = session()
    s.send(b"AUTH PLAIN " + base64.b64encode(b"\0bob\0x") + b"\r\n")
    time.sleep(0.5)
    began = time.monotonic()
    w.stop()
    check(time.monotonic() - began < 5, "msad waits for a database", time.monotonic() - began)
