#!/usr/bin/env python3
"""Python's email package and GMime read every form of every message of the corpus as they read the
message itself: the same structure, the same contents, the same text in header fields. What has gone
through every action on header fields has the same structure and contents, too, and python3-dkim
verifies its signatures.

Usage: test_peers.py FORMS, the program that runs the invariants and writes the forms.
"""

import email
import email.header
import email.policy
import os
import re
import subprocess
import sys
import tempfile

import dkim
import gi

gi.require_version("GMime", "3.0")
from gi.repository import GMime  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
FORMS = ("7bit", "lines", "ascii")
# what each form cannot be made of, and why: nothing else may be refused
UNFIT = {
    "pgp_signed_8bit": "signed", "smime_signed_8bit": "signed", "smime_signed_long_line": "signed",
    "signed_8bit_in_mixed": "signed", "pgp_encrypted_8bit": "encrypted",
    "pgp_inline_signed_8bit": "OpenPGP", "partial_8bit": "message type", "external_body": "message type", "receipt": "message type",
    "report_8bit": "message type",
    "x_uuencode_8bit": "encoded twice", "deep_110": "nested", "encoding_label_7_bit": None,
    "header_from_local_ascii": "before its @", "header_from_local_utf8": "before its @",
    "header_from_local_quoted_ascii": "before its @",
    "header_from_local_quoted_utf8": "before its @",
}
# a multipart that nobody can read becomes text, and this is seen
RETYPED = {"multipart_no_delimiters", "multipart_only_close", "boundary_none", "boundary_empty", "boundary_long", "boundary_percent",
           "multipart_8bit_boundary"}
# what one of the readers does not know: comments in Content-Type, an open one too, space before a colon, encodings of
# message/global-delivery-status (RFC 6533 4)
PYTHON_CANNOT = {"boundary_comment", "type_comment_open", "file_name_09", "header_obsolete_space", "report_global"}
GMIME_CANNOT = {"report_global"}
# space before a colon
DKIM_CANNOT = {"header_obsolete_space"}
# contents that were damaged before: readers guess, each in its way
DAMAGED = {"base64_footer", "base64_8bit_noise", "qp_broken", "encoding_twice_other",
           "delimiter_without_header_end", "fold_first", "part_garbage_header", "type_twice",
           # GMime and Python differ from each other here, and see other entities than we do
           "boundary_same", "mixed_base64_label", "mixed_qp_label"}

faults = []


def fault(name, form, words):
    faults.append("%s.%s: %s" % (name, form, words))


def read(path):
    with open(path, "rb") as f:
        return f.read()


# ---- Python ----

def python_tree(data):
    def walk(m):
        if m.is_multipart():
            return (m.get_content_type(), [walk(p) for p in m.get_payload()])
        content = m.get_payload(decode=True)
        return (m.get_content_type(), content)
    return walk(email.message_from_bytes(data))


def shown(value):
    """What a reader shows of a field: decoded, in one line."""
    value = re.sub(r"(=\?[^?\s]+\?[^?\s]+\?[^?\s]*\?=)\s+(?==\?)", r"\1", value)

    def decode(match):
        raw, charset = email.header.decode_header(match.group(0))[0]
        return raw.decode(charset)
    try:
        text = re.sub(r"=\?[^?\s]+\?[^?\s]+\?[^?\s]*\?=", decode, value)
    except (LookupError, UnicodeError):
        text = value
    return re.sub(r"\s+", " ", text).strip()


def python_fields(data):
    """Text of the fields that a person reads; raw UTF-8 and encoded words are the same."""
    policy = email.policy.SMTPUTF8
    message = email.message_from_bytes(data, policy=policy)
    out = {}
    for name in ("Subject", "From", "To", "Keywords", "Organization", "Comments", "X-Mailer"):
        raw = [v for k, v in message.raw_items() if k.lower() == name.lower()]
        if raw:
            value = raw[0]
            if isinstance(value, str):
                value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            text = re.sub(r"\r?\n", "", value)
            out[name] = shown(text) if "=?" in text else re.sub(r"\s+", " ", text).strip()
    names = []
    for p in message.walk():
        try:
            names.append(p.get_filename())
        except Exception:  # a parser of headers that gives up on some
            names.append(None)
    return out, names


# ---- GMime ----

def gmime_tree(data):
    stream = GMime.StreamMem.new_with_buffer(data)
    parser = GMime.Parser.new_with_stream(stream)
    message = parser.construct_message(None)
    if message is None:
        return None

    def walk(part):
        if part is None:
            return None
        kind = part.get_content_type()
        kind = kind.get_mime_type().lower() if kind else None
        if isinstance(part, GMime.Multipart):
            return (kind, [walk(part.get_part(i)) for i in range(part.get_count())])
        if isinstance(part, GMime.MessagePart):
            inner = part.get_message()
            return (kind, [walk(inner.get_mime_part())] if inner else [])
        content = part.get_content() if isinstance(part, GMime.Part) else None
        if content is None:
            return (kind, None)
        out = GMime.StreamMem.new()
        content.write_to_stream(out)
        array = out.get_byte_array()
        return (kind, bytes(array))
    return walk(message.get_mime_part())


# ---- comparing ----

def same(a, b, path=()):
    """None, or where two trees differ."""
    if a is None or b is None or isinstance(a, (bytes, str)) or isinstance(b, (bytes, str)):
        return None if a == b else path
    if a[0] != b[0]:
        return path + ("%s became %s" % (a[0], b[0]),)
    if isinstance(a[1], list) != isinstance(b[1], list):
        return path + ("parts of " + a[0],)
    if isinstance(a[1], list):
        if len(a[1]) != len(b[1]):
            return path + ("number of parts",)
        for i, (x, y) in enumerate(zip(a[1], b[1])):
            where = same(x, y, path + (a[0], i))
            if where is not None:
                return where
        return None
    x, y = a[1], b[1]
    if x is not None and y is not None and x.rstrip(b"\r\n") == y.rstrip(b"\r\n"):
        return None
    return None if x == y else path + (a[0], "content %r became %r" % (x[:300] if x else x,
                                                                       y[:300] if y else y))


def structure(name, form, before, after):
    for reader, tree, cannot in (("Python", python_tree, PYTHON_CANNOT),
                                 ("GMime", gmime_tree, GMIME_CANNOT)):
        if name in cannot or name in RETYPED:
            continue
        where = same(tree(before), tree(after))
        if where is not None:
            fault(name, form, "%s: %s" % (reader, " / ".join(map(str, where))))


def check(name, form, before, after):
    if before == after:
        return
    if name in DAMAGED:
        return
    structure(name, form, before, after)
    fields, names = python_fields(before)
    new_fields, new_names = python_fields(after)
    for key, text in fields.items():
        if "\ufffd" in text or "xn--" in new_fields[key]:
            continue  # not UTF-8 before; or domains, which are compared elsewhere
        strip = text.replace('"', "").replace("\\", "").replace(" ", "")
        if strip != new_fields[key].replace('"', "").replace("\\", "").replace(" ", ""):
            fault(name, form, "%s: %r became %r" % (key, text, new_fields[key]))
    if form != "lines" and len(names) == len(new_names):
        for old, new in zip(names, new_names):
            if old and old != new:
                fault(name, form, "file name %r became %r" % (old, new))


# ---- DKIM ----

def is_lines(data):
    """Whether a verifier of mail reads these bytes as they are."""
    return b"\0" not in data and not re.search(rb"\r(?!\n)|(?<!\r)\n", data)


def check_signed(name, data, keys):
    """How many of its two signatures hold."""
    if name in DKIM_CANNOT:
        return 0
    d, held = dkim.DKIM(data), 0
    for i in range(2):
        try:
            held += bool(d.verify(idx=i, dnsfunc=lambda name, **_: keys[name.split(b"._domainkey.")[0]]))
        except (dkim.DKIMException, IndexError, KeyError) as e:
            fault(name, "actions", "DKIM signature %d: %r" % (i, e))
    if held < 2:
        fault(name, "actions", "%d DKIM signatures hold" % held)
    return held


def read_keys(path):
    out = {}
    for line in read(path).decode().splitlines():
        selector, kind, public = line.split(" ")
        out[selector.encode()] = ("v=DKIM1; %s; %s" % (kind, public)).encode()
    return out


def main():
    GMime.init()
    held = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], HERE, folder], check=True, stdout=subprocess.DEVNULL)
        keys = read_keys(os.path.join(folder, "keys"))
        changed = 0
        for file in sorted(os.listdir(HERE)):
            if not file.endswith(".eml"):
                continue
            name = file[:-4]
            before = read(os.path.join(HERE, file))
            why = os.path.join(folder, name + ".why")
            if os.path.exists(why) != (UNFIT.get(name) is not None):
                fault(name, "why", read(why).decode() if os.path.exists(why) else "is no fault")
            elif os.path.exists(why) and UNFIT[name] not in read(why).decode():
                fault(name, "why", read(why).decode())
            for form in FORMS:
                path = os.path.join(folder, name + "." + form)
                if os.path.exists(path):
                    after = read(path)
                    changed += after != before
                    check(name, form, before, after)
            after = read(os.path.join(folder, name + ".actions"))
            if name not in DAMAGED:
                structure(name, "actions", before, after)
            if is_lines(after) and re.search(rb"^From:[^\r]*@author\.test", after.split(b"\r\n\r\n")[0], re.M):
                held += check_signed(name, after, keys)
    print("\n".join(faults) if faults else "%d forms are read as their messages are, %d signatures hold" %
          (changed, held))
    sys.exit(bool(faults) or changed < 200 or held < 2 * 300)


if __name__ == "__main__":
    main()
