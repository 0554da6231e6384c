#!/usr/bin/env python3
"""Who may include whom, and where SMTP reply codes may stand.

Includes are written from the root, and go only from a folder to those that it is allowed to use;
uv.h is msa/loop's alone, and each other library belongs to the folders named. Numbers of replies
stand where protocol is spoken and in the tables that decide on one.
"""

import os
import re
import sys

ROOT = os.path.abspath(sys.argv[1])

# folder: what it may include besides itself. Options are plain tables that folders above may read.
ALLOWED = {
    "msa/base": [],
    "msa/loop": ["msa/base"],
    "msa/sql": ["msa/base"],
    "msa/smtp": ["msa/base"],
    "msa/policy": ["msa/base"],
    "rewrite": ["msa/base", "msa/smtp"],
    "auth/tls": ["msa/base", "msa/loop", "auth/client/wire.h", "auth/client/channel.h"],
    "auth/client": ["msa/base", "msa/loop"],
    "auth": ["msa/base", "msa/loop", "msa/sql", "auth/tls", "auth/client"],
    "relay/route": ["msa/base", "relay/options.h", "relay/dns/answer.h",
                    "relay/tls/sts_policy.h", "auth/tls/tlsa.h"],
    "relay/https": ["msa/base", "msa/loop", "auth/tls"],
    "relay/tls": ["msa/base", "msa/loop", "msa/sql", "auth/tls", "relay/dns", "relay/https",
                  "relay/options.h"],
    "relay/dns": ["msa/base", "msa/loop"],
    "relay/qmtp": ["msa/base", "msa/smtp"],
    "relay/queue": ["msa/base", "msa/loop", "msa/smtp", "msa/sql"],
    "relay": ["msa/base", "msa/loop", "msa/smtp", "rewrite", "auth/tls", "auth/client",
              "relay/queue", "relay/dns", "relay/qmtp", "relay/route", "relay/tls"],
    "msa/server": ["msa/base", "msa/loop", "msa/smtp", "rewrite", "auth/tls", "auth/client",
                   "auth/options.h", "msa/policy", "relay"],
    "msa/admin": ["msa/base", "msa/loop", "msa/smtp", "rewrite", "relay", "msa/server"],
    "msa/daemon": ["msa", "auth", "rewrite", "relay"],
    "msa/ctl": ["msa/base", "auth", "rewrite", "relay/options.h", "msa/server", "msa/daemon",
                "msa/smtp/ext.h", "msa/smtp/path.h"],
}

# header of a library: the folders that may use it
LIBRARIES = {
    r"uv\.h": ["msa/loop"],
    r"sasl/.*": ["auth"],
    r"openssl/.*": ["auth", "rewrite", "auth/tls", "msa/daemon/server_process.c"],
    r"sqlite3\.h": ["msa/sql", "auth", "relay/queue", "msa/daemon/load_aliases.c"],
    r"unbound\.h": ["relay/dns"],
    r"libconfig\.h": ["msa/base"],
    r"curl/.*": ["auth", "relay/https"],
    r"zlib\.h": ["relay/tls"],
    r"jansson\.h": ["auth", "relay/tls", "msa/admin", "msa/daemon", "msa/ctl"],
    r"seccomp\.h": ["msa/daemon"],
    r"systemd/.*": ["msa/daemon"],
    r"sys/socket\.h": ["msa/loop", "msa/daemon", "msa/ctl", "auth"],
}

# these write or judge reply codes
CODES = ["msa/smtp", "rewrite/stream.h", "msa/server/reject.c", "msa/server/policy.c",
         "msa/server/filter_reply.c", "msa/server/submission.c", "msa/server/rights.c",
         "msa/server/rights_header.c", "msa/ctl/session.c", "relay/outcome.c",
         "relay/qmtp/response.c"]

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
REPLY = re.compile(r"SMTP_REPLY\(\s*[245]\d\d|\bcode\b\s*[=!<>]=?\s*[245]\d\d\b"
                   r"|\.code\s*=\s*[245]\d\d\b|case [245]\d\d:")


def files():
    for top in ("msa", "auth", "rewrite", "relay"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def is_in(path, places):
    return any(path == p or path.startswith(p + "/") for p in places)


def folder_of(path):
    """The longest folder of the table that holds the file."""
    folder = os.path.dirname(path)
    while folder and folder not in ALLOWED:
        folder = os.path.dirname(folder)
    return folder


def check_own(path, folder, target):
    if not os.path.exists(os.path.join(ROOT, target)):
        return f'"{target}" is not written from the root'
    if os.path.dirname(target) == os.path.dirname(path) or folder_of(target) == folder:
        return None
    if is_in(target, ALLOWED[folder]):
        return None
    return f'{folder} may not include "{target}"'


def check_library(path, target):
    for pattern, places in LIBRARIES.items():
        if re.fullmatch(pattern, target) and not is_in(path, places):
            return f"<{target}> belongs to {', '.join(places)}"
    return None


def check(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    folder = folder_of(path)
    if not folder:
        yield "in a folder that the table of includes does not name"
        return
    for own, library in INCLUDE.findall(text):
        fault = check_own(path, folder, own) if own else check_library(path, library)
        if fault:
            yield fault
    bare = STRING.sub('""', COMMENT.sub(" ", text))
    if not is_in(path, CODES):
        for code in sorted(set(REPLY.findall(bare))):
            yield f"numeric reply code: {code}"


def main():
    faults = [f"{path}: {fault}" for path in files() for fault in check(path)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
