"""Smarthosts: login by tokens that the keeper fetches, failover, and TLS that nothing slips past."""

import base64
import glob
import json
import os
import re
import threading
import time

from harness.case import check, equal, eventually, test
from harness.issuer import Issuer, certificate_of
from harness.receiver import EXTENSIONS, Receiver
from harness.world import NETWORK

FIRST, SECOND = NETWORK + "70", NETWORK + "71"
USER = "gateway,a=b@our.test"
ONE_EACH = [{"site": "*", "per_connection": 1}]  # a login for each message
RETRY = {"retry": ["1s"]}
AGAIN_S = 11  # after a failure the issuer is left alone so long, and so is a token that is new


def secret_file(w, name, text):
    with open(w.path(name), "w", encoding="ascii") as f:
        f.write(text + "\n")
    return w.path(name)


class Host(Receiver):
    """A smarthost that takes logins by the tokens in good. told: in a challenge, else by 535 at
    once. logins: (mechanism, message, whether with the command); answers: to challenges."""

    def __init__(self, w, address=FIRST, mechanisms="OAUTHBEARER XOAUTH2 PLAIN", good=(),
                 told=True):
        self.good, self.told, self.logins, self.answers = set(good), told, [], []
        super().__init__(address, extensions=EXTENSIONS + ["AUTH " + mechanisms],
                         certificate=w.certificate, script=self.on_command)

    def on_command(self, verb, _args, _session):
        return self.login if verb == "AUTH" else None

    def login(self, session, _usual):
        mechanism, _, message = session.login.partition(" ")
        at_once = bool(message)
        if not at_once:
            session.say("334 ")
            message = session.file.readline().decode()
        message = base64.b64decode(message, validate=False)
        self.logins.append((mechanism, message, at_once))
        token = re.search(rb"\x01auth=Bearer ([^\x01]*)\x01\x01$", message)
        if session.tls and token and token[1].decode() in self.good:
            return "235 2.7.0 welcome"
        if self.told:
            refusal = json.dumps({"status": "invalid_token", "scope": "mail"}).encode()
            session.say("334 " + base64.b64encode(refusal).decode())
            self.answers.append(session.file.readline().rstrip(b"\r\n"))
        return "535 5.7.8 not this one"


class Tokens:
    """What an issuer gives out: token-1, token-2 and so on; or what is set in its place."""

    def __init__(self, **more):
        self.count, self.instead, self.more = 0, {}, more

    def __call__(self, _path, form, _authorization):
        instead = self.instead.get(form.get("client_id"))
        if instead:
            return instead() if callable(instead) else instead
        self.count += 1
        body = {"access_token": f"token-{self.count}", "token_type": "Bearer", "expires_in": 3600,
                **self.more}
        for key, value in body.items():
            body[key] = value(self.count) if callable(value) else value
        return 200, json.dumps(body).encode()


def route(w, to="smtp://smarthost.test", **oauth):
    oauth = {"token_url": "https://127.0.0.1:8443/token", "client_id": "msad",
             "ca": w.path("issuer.pem"), **oauth}
    return {"domain": "*", "to": to, "user": USER, "oauth": oauth}


def start(w, routes, zone=f"smarthost.test. A {FIRST}\nother.test. A {SECOND}\n"):
    w.serve_dns(zone)
    w.start({"queue": RETRY, "relay": {"tls": {"ca": w.certificate[0]}, "sites": ONE_EACH,
                                       "routes": routes}})


def forms(issuer):
    return [form for _, _, form in issuer.requests]


def nowhere(w, *secrets):
    """Not in the log, nor in what is shown of the configuration."""
    shown = w.log() + w.ctl("config", "show")
    for secret in secrets:
        check(secret not in shown, secret, "is shown")


@test()
def token_by_refresh_token(w):
    issuer = Issuer(Tokens(expires_in=6), 8443, certificate_of(w))
    host = Host(w, good=["token-1"])
    start(w, [route(w, refresh_token_file=secret_file(w, "refresh", "the refresh/token"),
                    client_secret_file=secret_file(w, "client", "client&secret"),
                    scope="mail send")])
    for i in range(3):
        w.submit(f"bob{i}@else.test")
    w.wait_empty()
    equal((len(host.messages), all(m.tls for m in host.messages)), (3, True))
    equal(set(host.logins), {("OAUTHBEARER", b"n,a=gateway=2Ca=3Db@our.test,\1host=smarthost.test\1"
                                             b"auth=Bearer token-1\1\1", True)})
    equal(issuer.requests, [("POST", "/token", {
        "grant_type": "refresh_token", "refresh_token": "the refresh/token", "scope": "mail send",
        "client_id": "msad", "client_secret": "client&secret"})], "one request for all")
    told = w.status()["token"]
    equal((told["user"], told["issuer"], told["last_error"], 0 < told["seconds_left"] <= 6),
          (USER, "https://127.0.0.1:8443/token", "", True), "status")
    time.sleep(6)
    host.good = {"token-2"}
    w.submit("late@else.test")
    w.wait_empty()
    equal((len(host.messages), len(issuer.requests)), (4, 2), "renewed before it was used")
    equal(host.answers, [], "no login was refused")
    nowhere(w, "token-1", "token-2", "the refresh/token", "client&secret")


@test()
def token_in_our_own_name(w):
    """Client credentials; XOAUTH2; and a token that is too long for a command line."""
    token = "x" * 1500 + "-._~+/=="
    issuer = Issuer(Tokens(access_token=token, expires_in="3600"), 8443, certificate_of(w))
    host = Host(w, mechanisms="PLAIN XOAUTH2", good=[token])
    start(w, [route(w, client_secret_file=secret_file(w, "client", "s3cret"))])
    w.submit("bob@else.test")
    w.wait_empty()
    equal(forms(issuer), [{"grant_type": "client_credentials", "client_id": "msad",
                           "client_secret": "s3cret"}])
    equal(host.logins, [("XOAUTH2", f"user={USER}\1auth=Bearer {token}\1\1".encode(), False)])
    equal(len(host.messages), 1)


def renewed_where_refused(w, told):
    issuer = Issuer(Tokens(), 8443, certificate_of(w))
    host = Host(w, good=["token-1"], told=told)
    start(w, [route(w, refresh_token_file=secret_file(w, "refresh", "refresh me"))])
    w.submit("bob@else.test")
    w.wait_empty()
    time.sleep(AGAIN_S)
    host.good = {"token-2"}
    w.submit("bob@else.test")
    w.wait_empty()
    equal((len(host.messages), len(issuer.requests), host.connections), (2, 2, 2))
    equal([re.search(rb"token-\d", m)[0] for _, m, _ in host.logins],
          [b"token-1", b"token-1", b"token-2"], "once more, on the same connection")
    equal(host.answers, [b"AQ=="] if told else [], "a lone ^A (RFC 7628 3.2.3)")
    equal("token-refused: a smarthost did not take our token: invalid_token" in w.log(), told)


@test()
def token_that_is_refused_in_a_challenge(w):
    renewed_where_refused(w, True)


@test()
def token_that_is_refused_at_once(w):
    renewed_where_refused(w, False)


@test()
def token_that_nobody_takes(w):
    issuer = Issuer(Tokens(), 8443, certificate_of(w))
    host = Host(w, mechanisms="XOAUTH2")
    other = Host(w, SECOND, good=["token-1", "token-2"])
    start(w, [route(w, ["smtp://smarthost.test", "smtp://other.test"],
                    refresh_token_file=secret_file(w, "refresh", "refresh me"))
              | {"tls": "require"}])
    queue_id = w.submit("bob@else.test")
    w.wait_empty()
    w.wait_event(queue_id, "delivered")
    equal((len(host.logins), host.answers, len(other.messages)), (2, [b"", b""], 1),
          "twice, then the next host")
    equal(len(issuer.requests), 1, "a token of this moment is not renewed")
    other.good = set()
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "deferred")
    w.wait_log("535 5.7.8 not this one")
    equal([q["id"] for q in w.queue()], [queue_id])


@test()
def refresh_token_that_changes(w):
    tokens = Tokens(expires_in=1, refresh_token=lambda n: f"rotated-{n}")
    issuer = Issuer(tokens, 8443, certificate_of(w))
    host = Host(w, good=[f"token-{n}" for n in range(9)])
    configured = secret_file(w, "refresh", "configured")
    start(w, [route(w, refresh_token_file=configured)])

    def submit(count):
        w.submit(f"bob{count}@else.test")
        eventually(lambda: len(host.messages) == count, "delivered", 60)
        w.wait_empty()
        time.sleep(1)
        return forms(issuer)[-1]["refresh_token"]

    equal(submit(1), "configured")
    equal(submit(2), "rotated-1", "from memory")
    kept = glob.glob(os.path.join(w.state, "auth", "token-*"))
    equal([(os.stat(p).st_mode & 0o777) for p in kept], [0o600])
    w.stop()
    w.launch()
    w.wait_ready()
    equal(submit(3), "rotated-2", "kept over a restart")
    secret_file(w, "refresh", "configured anew")
    w.ctl("reload")
    equal(submit(4), "configured anew", "another file")
    equal(submit(5), "rotated-4")
    nowhere(w, "rotated-", "configured anew")


@test()
def refresh_token_that_changes_for_two_routes(w):
    """One refresh token, two scopes: each takes what came for the other, and none comes twice."""
    live = ["configured"]

    def answer(path, form, authorization):
        if form["refresh_token"] != live[0]:
            return 400, b'{"error": "invalid_grant"}'
        status, body = tokens(path, form, authorization)
        live[0] = json.loads(body)["refresh_token"]
        return status, body

    tokens = Tokens(expires_in=1, refresh_token=lambda n: f"rotated-{n}")
    issuer = Issuer(answer, 8443, certificate_of(w))
    host = Host(w, good=[f"token-{n}" for n in range(99)])
    configured = secret_file(w, "refresh", "configured")
    start(w, [{**route(w, refresh_token_file=configured, scope="one"), "domain": "one.test"},
              route(w, refresh_token_file=configured, scope="two")])
    for i in range(4):
        w.submit(["bob@one.test", "bob@two.test"])
        w.wait_empty()
        time.sleep(1)
    equal(len(host.messages), 8)
    equal(sorted(set(form["scope"] for form in forms(issuer))), ["one", "two"])
    asked = [form["refresh_token"] for form in forms(issuer)]
    equal(len(set(asked)), len(asked), "each was asked by once")
    check("token-issuer" not in w.log(), "the issuer never refused")


@test(timeout=240)
def issuer_that_gives_no_token(w):
    """Mail waits, the log says why, and it goes on by itself."""
    hold = threading.Event()
    refusal = json.dumps({"error": "invalid_grant", "error_description": "it was withdrawn"})
    echo = json.dumps({"error": "invalid_client", "error_description": "no: refresh-echo"})
    faults = {
        "e500": ((500, b"oops"), "the answer's status is 500"),
        "garbage": ((200, b"<html>"), "its answer is no token: it is no JSON object"),
        "empty": ((200, b"{}"), "it has no access_token"),
        "forged": ((200, b'{"access_token":"a\\u0001b"}'), "characters that a token may not have"),
        "mac": ((200, b'{"access_token":"a","token_type":"mac"}'), "its token_type is not Bearer"),
        "long": ((200, b" " * 100000), "the answer is too long"),
        "huge": ((200, json.dumps({"access_token": "a" * 9000}).encode()), "its token is too long"),
        "moved": ((302, b""), "the answer's status is 302"),
        "slow": (lambda: (hold.wait(20), (200, b"{}"))[1], "no answer in time"),
        "grant": ((400, refusal.encode()), "invalid_grant (it was withdrawn)"),
        "echo": ((401, echo.encode()), "the answer's status is 401: invalid_client\n"),
    }
    tokens = Tokens()
    tokens.instead = {name: answer for name, (answer, _) in faults.items()}
    issuer = Issuer(tokens, 8443, certificate_of(w))
    host = Host(w, good=[f"token-{n}" for n in range(30)])
    down = {"token_url": "https://127.0.0.1:8444/token"}
    stranger = {"ca": w.certificate[0]}
    extra = {"down": (down, "onnect"), "stranger": (stranger, "certificate")}
    words = {name: text for name, (_, text) in faults.items()}
    words |= {name: text for name, (_, text) in extra.items()}
    start(w, [route(w, refresh_token_file=secret_file(w, "r-" + name, "refresh-" + name),
                    client_id=name, **(extra[name][0] if name in extra else {}))
              | {"domain": name + ".test"} for name in words])
    ids = {name: w.submit(f"bob@{name}.test") for name in words}
    for name in words:
        w.wait_event(ids[name], "deferred")
    lines = w.log().split("\n")
    for name, text in words.items():
        said = [x + "\n" for x in lines if "token-issuer" in x]
        check(any(text in x for x in said), name, text)
        reason = [x for x in lines if ids[name] in x and "the issuer gave no token" in x]
        check(reason and "status=4.7.0" in reason[0], name, reason)
    equal(sorted(q["id"] for q in w.queue()), sorted(ids.values()), "all of it waits")
    equal((host.logins, host.messages), ([], []))
    nowhere(w, "refresh-")
    asked = len(issuer.requests)
    check(asked <= 2 * len(faults), asked, "an issuer that fails is left alone for a while")
    told = {x["last_error"] for x in w.ask("status")[1] if x["process"] == "token"}
    check("the answer's status is 400: invalid_grant" in told, told)
    hold.set()
    tokens.instead = {}
    late = Issuer(tokens, 8444, (w.path("issuer.pem"), w.path("issuer.key")))
    w.retried_until(lambda: len(host.messages) >= len(words) - 1, "delivered", 100)
    equal([q["id"] for q in w.queue()], [ids["stranger"]], "an issuer whom nobody vouches for")
    late.close()


# --- several next hops, and TLS ---

def plain(w, to, **more):
    return {"domain": "*", "to": to, "user": "gateway",
            "password_file": secret_file(w, "password", "the password"), **more}


class PlainHost(Receiver):
    def __init__(self, w, address, greeting=None, login=None, certificate=True):
        super().__init__(address, extensions=EXTENSIONS + ["AUTH PLAIN"],
                         certificate=w.certificate if certificate else None,
                         script=lambda verb, *_: {"CONNECT": greeting, "AUTH": login}.get(verb))


@test()
def failover_between_smarthosts(w):
    to = ["smtp://smarthost.test", "smtp://other.test:2525"]
    start(w, [plain(w, to, tls="require")])
    second = Receiver(SECOND, 2525, extensions=EXTENSIONS + ["AUTH PLAIN"],
                      certificate=w.certificate)

    def goes_to_second(count, what):
        queue_id = w.submit("bob@else.test")
        w.wait_event(queue_id, "delivered")
        equal(len(second.messages), count, what)
        check(second.messages[-1].tls and second.messages[-1].login, what)

    goes_to_second(1, "the first refuses the connection")
    for i, (what, reply) in enumerate((("greets 421", {"greeting": "421 4.3.2 not now"}),
                                       ("greets 554", {"greeting": "554 5.3.2 never"}),
                                       ("refuses our login", {"login": "535 5.7.8 no"}),
                                       ("cannot check it", {"login": "454 4.7.0 later"}),
                                       ("has no TLS", {"certificate": False}))):
        first = PlainHost(w, FIRST, **reply)
        goes_to_second(i + 2, what)
        check(first.connections >= 1 and not first.messages, what, first.connections)
        equal(sum(x.startswith("AUTH") for x in first.commands), int("login" in reply),
              "a password is tried once, and never in clear")
        first.close()
    # nobody is left: the mail waits
    second.close()
    first = PlainHost(w, FIRST, login="535 5.7.8 no")
    queue_id = w.submit("bob@else.test")
    w.wait_event(queue_id, "deferred")
    equal([q["id"] for q in w.queue()], [queue_id])
    first.close()
    first = PlainHost(w, FIRST)
    w.retried_until(lambda: first.messages, "delivered by the first", 60)
    w.wait_empty()
    nowhere(w, "the password")


@test()
def routes_swapped_before_the_login(w):
    """While a host does not greet, a reload gives its route's place to another host's: the delivery
    under way goes on with the password that is meant for that host, the next one by the new rows."""
    def row(name):
        return {"domain": f"{name}.test", "to": f"smtp://{name}.test", "tls": "require",
                "user": name, "password_file": secret_file(w, name, f"only for {name}")}

    rows = [row("smarthost"), row("other")]
    start(w, rows)
    asked, greets = threading.Event(), threading.Event()

    def late(_session, usual):
        asked.set()
        greets.wait(30)
        return usual

    first, second = PlainHost(w, FIRST, greeting=late), PlainHost(w, SECOND)
    w.submit("bob@smarthost.test")
    check(asked.wait(30), "connected")
    w.write({"queue": RETRY, "relay": {"tls": {"ca": w.certificate[0]}, "sites": ONE_EACH,
                                       "routes": rows[::-1]}})
    w.ctl("reload")
    greets.set()
    eventually(lambda: len(first.messages) == 1, "delivered", 60)
    for name in ("smarthost", "other"):
        w.submit(f"bob@{name}.test")
    w.wait_empty()
    for host, name, count in ((first, "smarthost", 2), (second, "other", 1)):
        login = base64.b64encode(f"\0{name}\0only for {name}".encode()).decode()
        equal([m.login for m in host.messages], [f"PLAIN {login}"] * count, name)


@test()
def smarthost_without_tls_gets_nothing(w):
    """Required but not offered; refused; a certificate for another name, or of nobody's authority."""
    start(w, [plain(w, "smtp://smarthost.test", tls="require", domain="require.test"),
              plain(w, "smtp://smarthost.test", domain="auto.test"),
              plain(w, "smtp://alias.test", domain="name.test")],
          f"smarthost.test. A {FIRST}\nalias.test. A {SECOND}\n")
    first = PlainHost(w, FIRST, certificate=False)
    second = PlainHost(w, SECOND)
    for domain, words in (("require", "TLS is required here, but the server does not offer it"),
                          ("auto", "TLS is required here, but the server does not offer it"),
                          ("name", "certificate")):
        queue_id = w.submit(f"bob@{domain}.test")
        w.wait_event(queue_id, "deferred")
        lines = [x for x in w.log().split("\n") if queue_id in x and "4.7." in x]
        check(any(words in x for x in lines), domain, lines)
    equal(len(w.queue()), 3)
    for host in (first, second):
        check(host.connections, "was asked")
        equal([x for x in host.commands if x.split(" ")[0] not in ("EHLO", "STARTTLS", "QUIT")], [],
              "nothing of the mail, nothing of the login")
    first.close()
    good = PlainHost(w, FIRST)
    w.retried_until(lambda: len(good.messages) == 2, "delivered under TLS", 60)
    check(all(m.tls and m.login for m in good.messages), "TLS and login")
    equal(second.messages, [])
