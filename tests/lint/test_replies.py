#!/usr/bin/env python3
"""Every refusal that stands in a table or a literal of the server: its form, and its setting.

A reply says in words what is wrong; the option that an operator would change stands in its setting,
which only clients that are logged in are told. Here: code and enhanced status agree, the words are
words and name no option, and the option exists in the manual. --list prints them all.
"""

import glob
import os
import re
import sys

ROOT = os.path.abspath(sys.argv[1])
SOURCES = ("msa/smtp/server*.c", "msa/smtp/ext*.c", "msa/smtp/path.c", "msa/server/*.c")
# said to a next hop's account in reports, not to clients: their words go into the middle of a line
REPORTS = re.compile(r"refuse_(mail|rcpt)\(|refuse\(const struct smtp_hop")

STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
LITERAL = re.compile(
    r"SMTP_REPLY(_SETTING)?\(\s*(\d{3}),\s*(\d),\s*(\d+),\s*(\d+),\s*" + STRING +
    r"(?:,\s*" + STRING + r")?\)")
ROW = re.compile(
    r'XX\((\w+), (\d{3}), "(\d)\.(\d+)\.(\d+)",\s*' + STRING + r",\s*(NULL|" + STRING +
    r"),\s*" + STRING + r"\)")
OPTION = re.compile(r"\b[a-z_]+(\[\])?\.[a-z_]+\b")


def text(literal):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal or ""))


def options():
    with open(os.path.join(ROOT, "etc/msa.conf.5"), encoding="ascii") as f:
        return {line[3:].strip() for line in f if line.startswith(".B ")}


def literals():
    """(place, code, status, words, setting) of each refusal."""
    for pattern in SOURCES:
        for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
            with open(path, encoding="utf-8") as f:
                source = f.read()
            for m in LITERAL.finditer(source):
                function = source.rfind("\n{", 0, m.start())
                head = source[source.rfind("\n\n", 0, function):function]
                if int(m[2]) >= 400 and not REPORTS.search(head):
                    line = source.count("\n", 0, m.start()) + 1
                    yield (f"{os.path.relpath(path, ROOT)}:{line}", m[2], m.group(3, 4, 5),
                           text(m[6]), text(m[7]))
    path = os.path.join(ROOT, "rewrite/refusal.h")
    with open(path, encoding="utf-8") as f:
        source = f.read().replace("\\\n", " ")
    for m in ROW.finditer(source):
        yield (f"rewrite/refusal.h {m[1]}", m[2], m.group(3, 4, 5), text(m[6]) + text(m[7]),
               text(m[9]))


def faults_of(reply, known):
    place, code, status, words, setting = reply
    if code[0] not in "45":
        yield "is no refusal"
    if status[0] != code[0]:
        yield "code and enhanced status are of different classes"
    if words and not re.match(r"[A-Z0-9][^\n]*[^\s.]$", words.strip()):
        yield "words begin with a capital and end without a full stop"
    if words and len(words.split()) < 2:
        yield "one word says nothing"
    if OPTION.search(words) or "may_send" in words:
        yield "the words name an option: it goes into the setting"
    if setting and setting not in known:
        yield f"there is no option {setting}"


def main():
    known = options()
    replies = list(literals())
    faults = [f"{reply[0]}: {fault}: {reply[3]}"
              for reply in replies for fault in faults_of(reply, known)]
    if "--list" in sys.argv:
        for place, code, status, words, setting in replies:
            print(f"{code} {'.'.join(status):7} {words}{f' ({setting})' if setting else ''}"
                  f"    {place}")
    # the patterns above must not go blind: so many there were when this was written
    if len(replies) < 80:
        faults.append(f"only {len(replies)} replies were found")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
