#!/usr/bin/env python3
"""The dialogues in our texts can be carried out: BDAT counts the octets of the lines below it."""

import glob
import os
import re
import sys

ROOT = os.path.abspath(sys.argv[1])
SAID = re.compile(r" +([CS]):(?: (.*))?$")


def said(path):
    """(number, "C" or "S", line) of each line that somebody says."""
    with open(path, encoding="ascii") as f:
        for number, line in enumerate(f, 1):
            found = SAID.match(line.rstrip("\n"))
            if found:
                yield number, found.group(1), found.group(2) or ""


def chunks(path):
    """(number, octets announced, octets that follow) of each chunk."""
    open_chunk = None
    for number, who, line in said(path):
        command = re.match(r"BDAT (\d+)", line) if who == "C" else None
        if open_chunk and (command or who == "S"):
            yield open_chunk
            open_chunk = None
        if command:
            open_chunk = (number, int(command.group(1)), 0)
        elif open_chunk:
            open_chunk = (*open_chunk[:2], open_chunk[2] + len(line) + len("\r\n"))
    if open_chunk:
        yield open_chunk


def main():
    seen, faults = 0, []
    for path in sorted(glob.glob(os.path.join(ROOT, "etc", "*.txt"))):
        for number, announced, there in chunks(path):
            seen += 1
            if announced != there:
                faults.append(f"{os.path.relpath(path, ROOT)}:{number}: BDAT {announced}, but "
                              f"{there} octets follow")
    if not seen:
        faults.append("no example has a chunk: is this test of any use?")
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
