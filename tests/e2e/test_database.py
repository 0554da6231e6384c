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
    """What msad does not write, it says so."""
    for words in (("user", "add", "zoe", "--password-stdin"),
                  ("user", "passwd", "alice", "--password-stdin")):
        said = w.ctl(*words, stdin="secret\n", code=1)
        check(f'msad does not write the users of auth.database = "{setting}"' in said, said)


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
    rows = {"alice": PASSWORD, "scram": verifier(PASSWORD), "old": verifier(PASSWORD, "SCRAM-SHA-1"),
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
                               ("alice' OR '1'='1", PASSWORD), ("x\\' OR 1=1 --", PASSWORD)):
            if mechanism != "LOGIN" or password:
                equal(reply(mechanism, user, password), wrong, f"{mechanism} {user} {password}")
    w.wait_log("the database has nothing that SCRAM-SHA-256 can be checked against")
    # a changed password counts at once
    equal(code("PLAIN"), 235)
    table.run("UPDATE users SET password = 'another' WHERE name = 'alice'")
    equal([code("PLAIN"), code("PLAIN", password="another")], [535, 235])
    table.run("UPDATE users SET password = ? WHERE name = 'alice'", PASSWORD)
    disabled_and_enabled(w, "PLAIN", "LOGIN", "SCRAM-SHA-256")
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
    check("no such user" in w.ctl("user", "disable", "nobody", code=1), "of whom there is nothing")
    check("no such user" in w.ctl("user", "show", "nobody", code=1), "of whom there is nothing")
    check("remove it there first" in w.ctl("user", "delete", "alice", code=1), "still there")
    table.run("DELETE FROM users WHERE name = 'alice'")
    equal(code("PLAIN", password=secret), 535, "an app password of nobody")
    w.ctl("user", "delete", "alice")
    table.add("alice", PASSWORD)
    equal(w.ask("user", "app", "list", "alice")[1], [], "a new alice has nothing of the old one")


@test()
def a_table_that_cannot_be_asked(w):
    table = Table(w)
    table.add("alice", PASSWORD)
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
    check("it is not running" in w.ctl("user", "show", "alice", code=1), "asked without the keeper")
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
    faults(w, {"database": "ldapdb", "ldapdb": {"uri": "ldapi:///", "mech": "EXTERNAL"}},
           "install the package libsasl2-modules-ldap")
