"""OAUTHBEARER and XOAUTH2: keys of a file, keys that an issuer publishes, and introspection."""

import base64
import json
import subprocess
import threading
import time

from harness.case import check, equal, eventually, test
from harness.client import session, without_id
from harness.issuer import Issuer
from harness.world import PASSWORD, USER

ISSUER = "https://issuer.test"
DENIED = (535, "5.7.8 Authentication credentials invalid: check name and password")
UNKNOWN = (454, "4.7.0 Temporary authentication failure, try again later")


def b64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Key:
    """An RSA key of the issuer, made and used by openssl."""

    def __init__(self, w, kid):
        self.kid, self.path = kid, w.path(f"issuer-{kid}.key")
        subprocess.run(["openssl", "genrsa", "-out", self.path, "2048"], check=True,
                       capture_output=True)
        text = subprocess.run(["openssl", "rsa", "-in", self.path, "-noout", "-modulus"],
                              check=True, capture_output=True, text=True).stdout
        self.modulus = bytes.fromhex(text.strip().split("=")[1])

    def jwk(self):
        return {"kty": "RSA", "kid": self.kid, "use": "sig", "n": b64url(self.modulus),
                "e": b64url(b"\1\0\1")}

    def token(self, header=None, **claims):
        head = {"alg": "RS256", "kid": self.kid, **(header or {})}
        body = {"iss": ISSUER, "aud": "mail", "exp": int(time.time()) + 300, "email": USER}
        body.update(claims)
        text = ".".join(b64url(json.dumps(x).encode()) for x in (head, body))
        signature = b""
        if head["alg"] != "none":
            signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path],
                                       input=text.encode(), check=True,
                                       capture_output=True).stdout
        return f"{text}.{b64url(signature)}"


def jwks(*keys):
    return json.dumps({"keys": [k.jwk() for k in keys]}).encode()


def said(mechanism, token, name=""):
    first = f"user={name}" if mechanism == "XOAUTH2" else f"n,{'a=' + name if name else ''},"
    return base64.b64encode(f"{first}\1auth=Bearer {token}\1\1".encode()).decode()


def bearer(token, mechanism="OAUTHBEARER", name="", initial=True, wire=None):
    """The last reply, and the reason that came before it."""
    s = wire or session()
    if initial:
        got = s.say(f"AUTH {mechanism} {said(mechanism, token, name)}")
    else:
        equal(s.say(f"AUTH {mechanism}"), (334, ""), "an empty challenge")
        got = s.say(said(mechanism, token, name))
    reason = None
    if got[0] == 334:
        reason = json.loads(base64.b64decode(got[1]))
        got = s.say("AQ==")
    if not wire:
        s.close()
    return without_id(got), reason


def start(w, **oauth):
    w.start({"auth": {"oauth": dict({"issuer": ISSUER, "audience": ["mail"]}, **oauth)}})


@test()
def oauth_by_keys_of_a_file(w):
    key, other = Key(w, "one"), Key(w, "two")
    path = w.path("issuer.jwks")
    with open(path, "wb") as f:
        f.write(jwks(key))
    discovery = ISSUER + "/.well-known/openid-configuration"
    start(w, keys=path, discovery_url=discovery)
    w.ctl("user", "add", "bob", "--password-stdin", stdin="bobs\n")
    s = session()
    check("OAUTHBEARER XOAUTH2" in s.ehlo(), "offered")
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        for initial in (True, False):
            s = session()
            equal(bearer(key.token(), mechanism, USER, initial, s), ((235, "2.7.0 Authenticated"),
                                                                     None), mechanism)
            w.submit("bob@else.test", wire=s)
            s.close()
    equal(bearer(key.token())[0][0], 235, "without a name")
    now = int(time.time())
    bad = {"expired": key.token(exp=now - 100), "early": key.token(nbf=now + 1000),
           "for another service": key.token(aud="web"), "another issuer": key.token(iss="x"),
           "alg none": key.token({"alg": "none"}), "another key": other.token(),
           "another key by our kid": other.token({"kid": "one"}), "no login": key.token(email=None),
           "a foreign login": key.token(email="alice@other.test"),
           "a login without user": key.token(email="nobody@our.test"), "junk": "abc"}
    for what, token in bad.items():
        for mechanism, status in (("OAUTHBEARER", "invalid_token"), ("XOAUTH2", "401")):
            got, reason = bearer(token, mechanism)
            equal(got, DENIED, what)
            equal((reason["status"], reason["openid-configuration"]), (status, discovery), what)
    got, reason = bearer(key.token(), name="bob@our.test")
    equal(got, DENIED, "another name than the token's")
    for message in (b"n,,\1\1", b"n,,\1auth=Basic x\1\1", b"", b"\xff\0"):
        s = session()
        code, text = s.say("AUTH OAUTHBEARER " + (base64.b64encode(message).decode() or "="))
        equal((code, json.loads(base64.b64decode(text))["status"]), (334, "invalid_request"),
              repr(message))
        equal(without_id(s.say("*")), (501, "5.7.0 Authentication cancelled"), "cancelled")
        equal(bearer(key.token(), wire=s)[0][0], 235, "a fresh exchange after it")
        s.close()
    for reason in ("the token has expired", "is for another service", "is another issuer's",
                   "algorithm is none of ours", "no key has the token's kid", "signature is wrong",
                   "is not valid yet", "another name than the token"):
        check(reason in w.log(), "in the log:", reason)
    check(bad["expired"] not in w.log() and key.token() not in w.log(), "no token in the log")
    # bad tokens are no guesses: the address is not blocked
    equal(w.ask("block", "list")[1], [], "blocks")
    w.ctl("user", "disable", "alice")
    equal(bearer(key.token())[0], DENIED, "a disabled user")
    w.ctl("user", "enable", "alice")
    equal(bearer(key.token())[0][0], 235, "enabled again")


@test(timeout=180)
def oauth_by_published_keys(w):
    one, two = Key(w, "one"), Key(w, "two")
    state = {"body": jwks(one), "status": 200, "wait": 0}

    def answer(path, form, authorization):
        time.sleep(state["wait"])
        return state["status"], state["body"]
    start(w, keys_url="http://127.0.0.1:8080/certs")
    equal(bearer(one.token())[0], UNKNOWN, "while nobody publishes keys")
    w.wait_log("oauth-issuer: http://127.0.0.1:8080/certs: ")
    issuer = Issuer(answer)
    time.sleep(1.1)
    equal(bearer(one.token())[0][0], 235, "as soon as somebody does")
    for _ in range(20):
        equal(bearer(one.token())[0][0], 235, "by the keys at hand")
        equal(bearer(two.token())[0], DENIED, "an unknown key")
    equal(len(issuer.requests), 1, "questions to the issuer")
    # another key; the issuer is asked again, but not for each token
    state["body"] = jwks(one, two)
    eventually(lambda: bearer(two.token())[0][0] == 235, "the new key counts", 20)
    equal(len(issuer.requests), 2, "questions to the issuer")
    # what the issuer says is bad from now on: the keys at hand go on
    for body, status, words in ((b" " * 300000, 200, "too long"), (b"{}", 200, "no JSON Web Key"),
                                (b"x", 500, "status is 500"), (b"", 302, "status is 302")):
        state.update(body=body, status=status)
        time.sleep(10.1)
        equal(bearer(one.token({"kid": "x"}))[0], DENIED, words)
        w.wait_log(words)
        equal(bearer(two.token())[0][0], 235, "by the keys at hand")
    # an issuer that does not answer holds up nobody with a password
    state.update(body=jwks(one), status=200, wait=8)
    w.ctl("reload")
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(bearer(one.token())[0]))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begun = time.monotonic()
    s = session()
    equal(s.plain(USER, PASSWORD)[0], 235, "by password")
    check(time.monotonic() - begun < 1, "at once")
    for thread in threads:
        thread.join()
    equal(replies, [UNKNOWN] * 8, "by token")
    w.wait_log("no answer in time")
    state["wait"] = 0
    eventually(lambda: bearer(one.token())[0][0] == 235, "afterwards", 10)
    # nor do tokens of a key that nobody knows hold up those whose keys are known
    state["wait"] = 3
    time.sleep(10.1)
    strange = one.token({"kid": "strange"})
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(bearer(strange)[0]))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begun = time.monotonic()
    for _ in range(5):
        equal(bearer(one.token())[0][0], 235, "by a known key")
    check(time.monotonic() - begun < 2, "at once", time.monotonic() - begun)
    for thread in threads:
        thread.join()
    equal(sorted(replies), [UNKNOWN] * 5 + [DENIED] * 3, "by an unknown key")


@test()
def oauth_by_introspection(w):
    def answer(path, form, authorization):
        if authorization != "Basic " + base64.b64encode(b"msad:se:cret%").decode():
            return 401, b""
        known = {"opaque+/=": {"active": True, "email": USER, "aud": "mail"},
                 "old": {"active": False}, "web": {"active": True, "email": USER, "aud": "web"}}
        if form["token"] == "broken":
            return 200, b"<html>"
        return 200, json.dumps(known.get(form["token"], {"active": False})).encode()
    with open(w.path("secret"), "w", encoding="ascii") as f:
        f.write("se:cret%\n")
    issuer = Issuer(answer)
    start(w, introspection_url="http://127.0.0.1:8080/introspect", client_id="msad",
          client_secret_file=w.path("secret"))
    equal(bearer("opaque+/=")[0][0], 235, "an active token")
    equal(issuer.requests[0][:2], ("POST", "/introspect"), "the question")
    equal(bearer("opaque+/=", "XOAUTH2", USER)[0][0], 235, "an active token")
    for token in ("old", "web", "unknown"):
        equal(bearer(token)[0], DENIED, token)
    equal(bearer("broken")[0], UNKNOWN, "an answer that is none")
    w.wait_log("the answer is not that of RFC 7662")
    issuer.close()
    equal(bearer("opaque+/=")[0], UNKNOWN, "an issuer who is gone")
    check("se:cret" not in w.ctl("config", "show"), "the secret is not shown")


@test()
def oauth_faults_of_the_configuration(w):
    key = Key(w, "one")
    path = w.path("issuer.jwks")
    with open(path, "wb") as f:
        f.write(jwks(key))
    base = {"issuer": ISSUER, "audience": ["mail"], "keys": path}
    w.write({"auth": {"oauth": base}})
    w.ctl("check")
    rows = [({"audience": None}, "auth.oauth.audience: is missing"),
            ({"keys": None}, "there is no way to check tokens"),
            ({"keys_url": "https://i.test/x"}, "several ways to check tokens are set"),
            ({"keys": None, "keys_url": "http://i.test/x"}, "is no URL that may be asked"),
            ({"keys": None, "keys_url": "ftp://127.0.0.1/x"}, "is no URL that may be asked"),
            ({"keys": None, "keys_url": "https://u:p@i.test/"}, "is no URL that may be asked"),
            ({"keys": w.path("none")}, "cannot read"),
            ({"keys": key.path}, "no RSA (2048 bits or more)")]
    for over, fault in rows:
        oauth = {k: v for k, v in {**base, **over}.items() if v is not None}
        w.write({"auth": {"oauth": oauth}})
        check(fault in w.ctl("check", code=1), fault, w.ctl("check", code=1))
    w.write({"auth": {"mechanisms": ["OAUTHBEARER"]}})
    check("need an issuer of tokens" in w.ctl("check", code=1), "no issuer")
