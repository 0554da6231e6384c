"""A server that demands MTEP, which is not done here: its recipients fail, and the author is told."""

from harness.case import check, equal, eventually, test
from harness.receiver import EXTENSIONS, Receiver
from harness.world import NETWORK


@test()
def mtep_is_named_in_the_report(w):
    author = Receiver(NETWORK + "20")
    server = Receiver(NETWORK + "30", extensions=EXTENSIONS + ["X-MTEP"])
    other = Receiver(NETWORK + "31")
    w.serve_dns("".join(f"{n}.test. 60 MX 10 mx.{n}.test.\nmx.{n}.test. 60 A {address}\n"
                        for n, address in (("asks", NETWORK + "30"), ("else", NETWORK + "31"))))
    w.start({"relay": {"routes": [{"domain": "our.test", "to": f"smtp://{NETWORK}20"}]}})
    w.submit(["ann@asks.test", "bob@asks.test", "cid@else.test"])
    w.wait_empty()
    report = eventually(lambda: author.messages, "the report")[0].content.decode()
    for wanted in ("Final-Recipient: rfc822;ann@asks.test", "Final-Recipient: rfc822;bob@asks.test",
                   "Status: 5.3.3", "MTEP", "Remote-MTA: dns;mx.asks.test"):
        check(wanted in report, wanted, report)
    check("cid@else.test" not in report, "the others are not meant")
    equal((len(author.messages), len(other.messages)), (1, 1))
    check(not any(c.upper().startswith("MAIL") for c in server.commands), server.commands)
