"""Sections 3 to 6 of the submission draft (today RFC 6409), clause by clause.

Each test bears the number of its section; what a clause only allows, and this server does not do,
has none.
"""

import time

from harness.case import check, equal, eventually, test
from harness.client import Wire, session
from harness.receiver import Receiver
from harness.world import NETWORK, PASSWORD, USER, message

ZONE = f"""our.test. MX 10 mx.our.test.
mx.our.test. A {NETWORK}20
else.test. MX 10 mx.else.test.
mx.else.test. A {NETWORK}10
nomail.test. MX 0 .
sales.our.test. A {NETWORK}30
"""
TRUSTED = {"listen": [{"port": 587, "tls": "starttls"},
                      {"address": "127.0.0.1", "port": 2525, "tls": "none", "auth": "trusted"}],
           "auth": {"require_tls": False, "trusted_networks": ["127.0.0.0/8"]}}


def start(w, over=None):
    w.serve_dns(ZONE)
    w.start(over)


def enhanced(reply, code):
    check(reply.startswith(code + " "), f"{code} in {reply!r}")


def header(*lines):
    return "\r\n".join(lines + ("", "body", "")).encode()


@test()
def draft_3_1_submission_is_esmtp_on_587_and_465(w):
    start(w)
    for port in (587, 465):
        s = session(port=port)
        check(s.greeting[1].startswith("mail.our.test ESMTP"), "the greeting names ESMTP")
        check("AUTH" in s.ehlo(), "AUTH is offered")


@test()
def draft_3_2_no_return_path_is_550_at_mail(w):
    """Nobody could be told at such an address: refused at MAIL, not after the content."""
    start(w, TRUSTED)
    s = Wire(2525)
    s.ehlo()
    enhanced(s.want(550, "MAIL FROM:<a@nowhere.test>"), "5.1.8")
    enhanced(s.want(550, "MAIL FROM:<a@nomail.test>"), "5.7.27")
    s.want(250, "MAIL FROM:<a@else.test>")


@test()
def draft_3_2_null_return_path_is_no_reason(w):
    start(w)
    receiver = Receiver(NETWORK + "10")
    w.submit("bob@else.test", sender="")
    eventually(lambda: receiver.messages, "it arrives")
    equal(receiver.messages[0].mail.split()[0], "FROM:<>")


@test()
def draft_3_2_refused_at_once_and_never_bounced(w):
    """What is refused leaves nothing in the queue and causes no report."""
    start(w)
    author = Receiver(NETWORK + "20")
    s = w.session()
    s.want(550, "MAIL FROM:<somebody@our.test>")
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@else.test>")
    equal(s.data(header(f"From: <{USER}>", "To: a@@b"))[0], 554)
    equal(w.queue(), [])
    time.sleep(1)
    equal(author.messages, [])


@test()
def draft_4_1_554_for_what_is_improper(w):
    """The general refusal at MAIL, RCPT and DATA where no other code is more precise."""
    start(w)
    s = w.session()
    enhanced(s.want(554, "MAIL FROM:<alice@sales>"), "5.1.8")
    s.want(250, f"MAIL FROM:<{USER}>")
    enhanced(s.want(554, "RCPT TO:<bob@sales>"), "5.1.2")
    enhanced(s.want(554, "DATA"), "5.5.1")
    s.want(250, "RCPT TO:<bob@else.test>")
    code, text = s.data(header(f"From: <{USER}>", "Subject: a\0b"))
    equal(code, 554)
    enhanced(text, "5.6.0")


@test()
def draft_4_2_envelope_domains_are_fully_qualified(w):
    start(w)
    s = w.session()
    enhanced(s.want(554, "MAIL FROM:<alice@our>"), "5.1.8")
    s.want(250, f"MAIL FROM:<{USER}>")
    for domain in ("sales", "example.123", "localhost"):
        enhanced(s.want(554, f"RCPT TO:<bob@{domain}>"), "5.1.2")
    s.want(250, "RCPT TO:<bob@else.test>")


@test()
def draft_4_2_header_domains_are_fully_qualified(w):
    start(w)
    s = w.session()
    for field in ("From: <alice@sales>", "Sender: alice@sales", "Reply-To: a@sales",
                  "To: Bob <bob@sales>", "Cc: x@else.test, y@sales", "Resent-To: a@sales"):
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        own = "" if field.startswith("From") else f"From: <{USER}>"
        code, text = s.data(header(*filter(None, (own, field))))
        equal(code, 554, field)
        enhanced(text, "5.6.0")
        check(field.split(":")[0] in text and "sales" in text, "field and domain are named: ", text)


@test()
def draft_4_2_single_labels_are_completed_where_verified(w):
    """To a domain of ours, only if the name exists; incomplete multi-level ones are refused."""
    start(w, {"rewrite": {"complete_domains": True}})
    sales = Receiver(NETWORK + "30")
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@sales>")
    enhanced(s.want(554, "RCPT TO:<bob@nosuch>"), "5.1.2")
    code, text = s.data(header(f"From: <{USER}>", "To: Bob at sales <bob@sales>, (x) c@sales"))
    equal(code, 250, text)
    eventually(lambda: sales.messages, "it arrives at the completed domain")
    equal(sales.messages[0].rcpt, ["TO:<bob@sales.our.test>"])
    equal(sales.messages[0].header("To"),
          ["Bob at sales <bob@sales.our.test>, (x) c@sales.our.test"])
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@else.test>")
    code, text = s.data(header(f"From: <{USER}>", "To: <bob@nosuch>"))
    equal(code, 554)
    enhanced(text, "5.6.0")
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@squeaky.sales>")  # two labels: another top level, never completed
    s.want(250, "RSET")


@test()
def draft_4_3_530_without_authentication(w):
    start(w)
    s = session()
    enhanced(s.want(530, f"MAIL FROM:<{USER}>"), "5.7.0")
    equal(s.plain(USER, PASSWORD)[0], 235)
    s.want(250, f"MAIL FROM:<{USER}>")


@test()
def draft_4_3_trusted_networks_only_where_the_listener_says_so(w):
    start(w, TRUSTED)
    receiver = Receiver(NETWORK + "10")
    s = session()
    enhanced(s.want(530, "MAIL FROM:<a@else.test>"), "5.7.0")
    s = Wire(2525)
    s.ehlo()
    s.want(250, "MAIL FROM:<printer@our.test>")
    s.want(250, "RCPT TO:<bob@else.test>")
    equal(s.data(header("From: <printer@our.test>", "Subject: scan"))[0], 250)
    eventually(lambda: receiver.messages, "it arrives")


@test()
def draft_5_1_501_for_bad_addresses_in_the_envelope(w):
    start(w)
    s = w.session()
    for path in ("alice@our.test", "<alice>", "<alice@>", "<@our.test>", "<a b@our.test>",
                 "<alice@our..test>", "<alice@-our.test>", "<alice@our.test"):
        enhanced(s.want(501, f"MAIL FROM:{path}"), "5.1.7")
    s.want(250, f"MAIL FROM:<{USER}>")
    for path in ("<bob>", "<bob@>", "<bob@[300.1.1.1]>", "<bob@else_.test>", "<>"):
        enhanced(s.want(501, f"RCPT TO:{path}"), "5.1.3")


@test()
def draft_5_1_554_for_bad_addresses_in_the_header(w):
    start(w)
    s = w.session()
    for field in ("To: bob@", "To: a@@b.test", "Cc: just words", "Reply-To: <a@b.test", "From:",
                  "To: a@b.test; c@d.test"):
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        own = "" if field.startswith("From") else f"From: <{USER}>"
        code, text = s.data(header(*filter(None, (own, field))))
        equal(code, 554, field)
        enhanced(text, "5.6.0")


@test()
def draft_5_2_errors_are_logged_within_limits(w):
    start(w, {"log": {"per_client_per_minute": 5}})
    s = w.session()
    for _ in range(12):
        s.want(554, "MAIL FROM:<alice@sales>")
    w.wait_log(" reply ")
    told = w.log().count("554 5.1.8")
    check(0 < told <= 5, "five lines a minute at most: ", told)


@test()
def draft_6_1_550_without_the_right_to_the_address(w):
    start(w)
    s = w.session()
    text = s.want(550, "MAIL FROM:<boss@our.test>")
    enhanced(text, "5.7.1")
    check("boss@our.test" in text and USER in text,
          "the refusal names the address and what is allowed: ", text)


@test()
def draft_6_3_message_data_is_checked(w):
    """501 for the command itself, 554 for what the content is."""
    start(w)
    s = w.session()
    s.want(250, f"MAIL FROM:<{USER}>")
    s.want(250, "RCPT TO:<bob@else.test>")
    enhanced(s.want(501, "DATA now"), "5.5.4")
    for content in (header(" folded first line"), header("no colon here"), header("Bad name: x"),
                    header(f"From: <{USER}>", f"From: <{USER}>"),
                    header(f"From: <{USER}>", "X: " + "y" * 1000)):
        s.want(250, "RSET")
        s.want(250, f"MAIL FROM:<{USER}>")
        s.want(250, "RCPT TO:<bob@else.test>")
        code, text = s.data(content)
        equal(code, 554, content[:40])
        enhanced(text, "5.6.0")


@test()
def draft_6_4_postmaster_can_be_reached_without_a_login(w):
    start(w, {"auth": {"open_postmaster": True}})
    ours = Receiver(NETWORK + "20")
    s = session()
    s.want(250, "MAIL FROM:<traveller@else.test>")
    enhanced(s.want(530, "RCPT TO:<bob@else.test>"), "5.7.0")
    s.want(250, "RCPT TO:<Postmaster>")
    equal(s.data(header("From: <traveller@else.test>", "Subject: I cannot log in"))[0], 250)
    eventually(lambda: ours.messages, "postmaster gets it")
    equal(ours.messages[0].rcpt, ["TO:<postmaster@our.test>"])


@test()
def draft_6_4_is_off_by_default(w):
    start(w)
    s = session()
    s.want(530, "MAIL FROM:<traveller@else.test>")


@test()
def draft_7_what_is_spoken_and_what_never(w):
    """The table of section 7 against what EHLO offers and what is answered."""
    start(w)
    lines = w.session().ehlo().split("\n")[1:]
    offered = {line.split()[0] for line in lines}
    must_and_should = {"PIPELINING", "ENHANCEDSTATUSCODES", "DSN", "8BITMIME", "AUTH"}
    may = {"SIZE", "CHECKPOINT", "BINARYMIME", "CHUNKING", "NO-SOLICITING", "MTRK"}
    check(must_and_should <= offered, "what the draft wants is there: ", offered)
    check(may <= offered, "what the draft allows is there: ", offered)
    check(not {"ETRN", "ATRN", "BURL", "STARTTLS"} & offered, "what must not be is not: ", offered)
    s = w.session()
    for verb in ("ETRN else.test", "ATRN else.test"):
        enhanced(s.want(502, verb), "5.5.1")
