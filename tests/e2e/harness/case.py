"""Marks functions as tests, and says what each needs."""

import os
import time

TESTS = []
FULL = os.environ.get("E2E_FULL") == "1"


class Failure(AssertionError):
    """What was expected did not happen."""


def test(build="sanitizers", timeout=120, alone=False, peers=()):
    """A test. build: which of the two builds it runs; alone: nothing else runs meanwhile; peers:
    packages that have to be unpacked for it (mtas.py)."""
    def mark(function):
        TESTS.append({"name": function.__name__, "run": function, "build": build,
                      "timeout": timeout, "alone": alone, "peers": peers})
        return function
    return mark


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def equal(got, wanted, what=""):
    if got != wanted:
        raise Failure(f"{what}: got {got!r:.2000}, wanted {wanted!r:.2000}")


def eventually(look, what, timeout=30.0):
    """Polls look() until it gives something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        got = look()
        if got:
            return got
        if time.monotonic() > end:
            raise Failure(f"did not happen within {timeout} s: {what}")
        time.sleep(0.02)
