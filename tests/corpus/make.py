#!/usr/bin/env python3
"""Writes the corpus: small messages of our own in the shapes that real mail has.

Usage: make.py [FOLDER]. Without a folder the files beside this script are renewed. Every message is
written here by hand or put together from parts that are; nothing is random, so that the same files
come out each time. Lines end with CRLF unless a shape is about other line ends (names with "bare").
"""

import base64
import os
import quopri
import sys

CRLF = b"\r\n"
FILES = {}


def add(name, data):
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    assert name not in FILES, name
    FILES[name] = data


def lines(text):
    """Text with LF as bytes with CRLF."""
    if isinstance(text, bytes):
        return text.replace(b"\n", CRLF)
    return text.encode("utf-8", "surrogateescape").replace(b"\n", CRLF)


def header(subject="A test", sender="Alice <alice@example.org>", to="bob@example.net", **more):
    fields = [("From", sender), ("To", to), ("Subject", subject),
              ("Date", "Mon, 6 Jul 2026 10:00:00 +0200"), ("Message-ID", "<1@example.org>")]
    fields += [(k.replace("_", "-"), v) for k, v in more.items()]
    return b"".join(b(k) + b": " + b(v) + CRLF for k, v in fields)


def b(value):
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def part(content_type, body, encoding=None, extra=""):
    out = b""
    if content_type is not None:
        out += b"Content-Type: " + b(content_type) + CRLF
    if encoding:
        out += b"Content-Transfer-Encoding: " + b(encoding) + CRLF
    return out + lines(extra) + CRLF + (body if isinstance(body, bytes) else lines(body))


def multi(kind, parts, boundary="=_b1", params="", preamble=b"", epilogue=b"", encoding=None,
          extra=""):
    out = b"Content-Type: multipart/%s; boundary=\"%s\"%s" % (b(kind), b(boundary), b(params))
    out += CRLF
    if encoding:
        out += b"Content-Transfer-Encoding: " + b(encoding) + CRLF
    out += lines(extra) + CRLF + preamble
    for p in parts:
        out += b"--" + b(boundary) + CRLF + p + CRLF
    return out + b"--" + b(boundary) + b"--" + CRLF + epilogue


def mime(entity, **kw):
    return header(MIME_Version="1.0", **kw) + entity


def b64(data):
    return lines(base64.encodebytes(data).decode())


def qp(data):
    return lines(quopri.encodestring(data.replace(CRLF, b"\n")).decode())


GERMAN = "Grüße aus Köln,\nübermorgen fällt das Treffen aus.\nSchöne Grüße\nJürgen\n"
RUSSIAN = "Здравствуйте,\nдоговор во вложении.\nС уважением\n"
JAPANESE = "お世話になっております。\n資料を添付いたします。\n"
ARABIC = "مرحبا\nهذه رسالة تجريبية\n"
ASCII = "Hello,\n\nthis is plain text.\n.\n..\nFrom here on it is boring.\n-- \nAlice\n"
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000") + bytes(range(256))
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
LONG = "word " * 300
LONG_WORD = "x" * 1500
HTML = "<html><body><p>Grüße &amp; <b>Küsse</b></p></body></html>\n"


def plain_texts():
    texts = {"german": GERMAN, "russian": RUSSIAN, "japanese": JAPANESE, "arabic": ARABIC,
             "ascii": ASCII}
    sets = {"german": ["utf-8", "iso-8859-1", "windows-1252"],
            "russian": ["utf-8", "koi8-r", "windows-1251"],
            "japanese": ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp"],
            "arabic": ["utf-8", "windows-1256"], "ascii": ["us-ascii", "utf-8"]}
    for name, text in texts.items():
        for charset in sets[name]:
            raw = lines(text.encode(charset))
            for encoding, body in (("8bit", raw), ("quoted-printable", qp(raw)),
                                   ("base64", b64(raw)), (None, raw)):
                add("plain_%s_%s_%s" % (name, charset, encoding or "none"),
                    mime(part("text/plain; charset=" + charset, body, encoding)))
    for name in ("german", "russian"):
        add("nomime_" + name, header() + CRLF + lines(texts[name]))
    add("nomime_latin1", header() + CRLF + lines(GERMAN.encode("latin-1")))
    add("nomime_ascii", header() + CRLF + lines(ASCII))
    add("nomime_long_line", header() + CRLF + lines(LONG + "\n"))
    add("nomime_long_8bit", header() + CRLF + lines("Grüße " * 300 + "\n"))
    add("nomime_no_body", header())
    add("nomime_empty_body", header() + CRLF)
    add("nomime_no_last_line_end", header() + CRLF + b"ends here")
    add("nomime_8bit_no_last_line_end", header() + CRLF + "endet früh".encode())
    add("no_header", CRLF + lines(ASCII))
    add("no_header_8bit", CRLF + lines(GERMAN))
    add("type_without_version", header(Content_Type="text/plain; charset=utf-8") + CRLF +
        lines(GERMAN))
    add("version_without_type", header(MIME_Version="1.0") + CRLF + lines(GERMAN))
    add("version_commented", header(MIME_Version="1.0 (Apple Message framework v1283)") +
        part("text/plain; charset=utf-8", GERMAN, "8bit"))
    add("long_word", mime(part("text/plain; charset=us-ascii", LONG_WORD + "\n", "7bit")))
    add("long_line_998", mime(part("text/plain", "y" * 998 + "\n")))
    add("long_line_999", mime(part("text/plain", "y" * 999 + "\n")))
    add("only_8bit_bytes", mime(part("text/plain; charset=iso-8859-1", bytes(range(128, 256)) +
                                     CRLF, "8bit")))
    add("trailing_space", mime(part("text/plain; charset=utf-8", "ü   \nb\t\n \n", "8bit")))
    add("dots_and_dashes", mime(part("text/plain; charset=utf-8", "ü\n.\n..\n--\n-- \n---\n.x\n",
                                     "8bit")))
    add("equal_signs", mime(part("text/plain; charset=utf-8", "a=b=ü\n=\n==\n=3D\n", "8bit")))
    add("flowed", mime(part("text/plain; charset=utf-8; format=flowed; delsp=yes",
                            "Das ist ein langer Absatz, der \nüber zwei Zeilen geht.\n> zitiert \n"
                            "> weiter\n", "8bit")))
    add("flowed_7bit", mime(part("text/plain; charset=us-ascii; format=flowed", "one \ntwo\n",
                                 "7bit")))
    add("charset_unknown", mime(part("text/plain; charset=x-unknown", GERMAN, "8bit")))
    add("charset_quoted", mime(part('text/plain; charset="utf-8"', GERMAN, "8bit")))
    add("utf16", mime(part("text/plain; charset=utf-16", b64(GERMAN.encode("utf-16")), "base64")))
    add("bom", mime(part("text/plain; charset=utf-8", "\ufeff" + GERMAN, "8bit")))


def encodings():
    text = lines(GERMAN)
    for label in ("8-bit", "8BIT", "7-bit", "none", "utf-8", "", "8bit (as sent)", "binary",
                  "8Bit; charset=utf-8"):
        name = "".join(c if c.isalnum() else "_" for c in label) or "empty"
        if label == "8BIT":
            name = "upper"
        add("encoding_label_" + name, header(MIME_Version="1.0", Content_Transfer_Encoding=label,
                                             Content_Type="text/plain; charset=utf-8") + CRLF +
            text)
    add("encoding_twice_same", header(MIME_Version="1.0", Content_Type="text/plain; charset=utf-8")
        + b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text)
    add("encoding_twice_other", header(MIME_Version="1.0", Content_Type="text/plain; charset=utf-8")
        + b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n\r\n" + text)
    add("type_twice", header(MIME_Version="1.0") + b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Type: text/html\r\n\r\n" + text)
    add("qp_with_8bit", mime(part("text/plain; charset=utf-8", "Gr=C3=BC=C3=9Fe und Grüße =\nhier\n",
                                  "quoted-printable")))
    add("qp_long_line", mime(part("text/plain; charset=utf-8", "=C3=BC" * 400 + "\n",
                                  "quoted-printable")))
    add("qp_broken", mime(part("text/plain; charset=utf-8", "a=ZZ b= c=\n=C3\n=\n", 
                               "quoted-printable")))
    add("qp_lower_case", mime(part("text/plain; charset=utf-8", "Gr=c3=bc=c3=9fe\n",
                                   "quoted-printable")))
    add("base64_one_line", mime(part("application/octet-stream", base64.b64encode(PNG * 6) + CRLF,
                                     "base64")))
    add("base64_footer", mime(part("text/plain; charset=utf-8", b64(lines(GERMAN)) +
                                   "___\nListe für alle\n".encode().replace(b"\n", CRLF),
                                   "base64")))
    add("base64_8bit_noise", mime(part("application/octet-stream", b"AAEC\xa0\xa0\r\nAwQF\r\n",
                                       "base64")))
    add("base64_no_padding", mime(part("text/plain", b"SGFsbG8\r\n", "base64")))
    add("base64_empty", mime(part("application/octet-stream", b"", "base64")))
    add("x_uuencode_label", mime(part("application/octet-stream",
                                      "begin 644 a.bin\n#86)C\n`\nend\n", "x-uuencode")))
    add("x_uuencode_8bit", mime(part("application/octet-stream",
                                     "begin 644 a\xfcb.bin\n#86)C\n`\nend\n", "x-uuencode")))
    add("uuencode_inline", mime(part("text/plain", "See below.\n\nbegin 644 a.txt\n#86)C\n`\nend\n",
                                     "7bit")))
    ydata = bytes((c + 42) % 256 for c in range(60, 190)).replace(b"\r", b"=M").replace(b"\n", b"=J")
    add("yenc_inline", header() + CRLF + b"=ybegin line=128 size=130 name=a.bin\r\n" + ydata +
        b"\r\n=yend size=130\r\n")
    add("binhex", mime(part("application/mac-binhex40",
                            "(This file must be converted with BinHex 4.0)\n:$f*TEQKPH#jdCA0d,!0\n",
                            "7bit")))


def attachments():
    text = part("text/plain; charset=utf-8", GERMAN, "8bit")
    atext = part("text/plain; charset=us-ascii", ASCII, "7bit")
    html = part("text/html; charset=utf-8", HTML, "8bit")
    pdf = part('application/pdf; name="a.pdf"', b64(PDF), "base64",
               'Content-Disposition: attachment; filename="a.pdf"\n')
    png = part("image/png", b64(PNG), "base64", "Content-ID: <img1@example.org>\n")
    add("mixed_text_pdf", mime(multi("mixed", [text, pdf])))
    add("mixed_ascii_pdf", mime(multi("mixed", [atext, pdf])))
    add("alternative", mime(multi("alternative", [text, html])))
    add("alternative_8bit_label", mime(multi("alternative", [text, html], encoding="8bit")))
    add("mixed_binary_label", mime(multi("mixed", [text, pdf], encoding="binary")))
    add("mixed_qp_label", mime(multi("mixed", [text, pdf], encoding="quoted-printable")))
    add("mixed_base64_label", mime(multi("mixed", [text, pdf], encoding="base64")))
    add("related", mime(multi("related", [html, png], params='; type="text/html"')))
    add("mixed_alternative", mime(multi("mixed", [multi("alternative", [text, html], "=_in"), pdf])))
    add("mixed_related_alternative", mime(multi("mixed", [multi("alternative", [
        text, multi("related", [html, png], "=_rel")], "=_alt"), pdf], "=_mix")))
    add("parallel", mime(multi("parallel", [atext, png])))
    add("unknown_multipart", mime(multi("x-unknown", [text, atext])))
    add("form_data", mime(multi("form-data", [part(None, "wert\n", None,
                                                   'Content-Disposition: form-data; name="a"\n')])))
    add("one_part", mime(multi("mixed", [text])))
    add("no_parts", mime(multi("mixed", [])))
    add("empty_part", mime(multi("mixed", [b"", CRLF, text])))
    add("part_without_header", mime(multi("mixed", [CRLF + lines(GERMAN), CRLF + lines(ASCII)])))
    add("part_header_only", mime(multi("mixed", [b"Content-Type: text/plain"])))
    add("part_garbage_header", mime(multi("mixed", [lines("kein Kopf, früher Text\n\nmehr\n")])))
    add("preamble_8bit", mime(multi("mixed", [text], preamble=lines("Dies ist für MIME.\n"),
                                    epilogue=lines("Fußzeile\n"))))
    add("preamble_ascii", mime(multi("mixed", [atext],
                                     preamble=lines("This is a multi-part message.\n"))))
    add("preamble_long", mime(multi("mixed", [text], preamble=lines(LONG_WORD + "\n"),
                                    epilogue=lines(LONG + "\n"))))
    add("csv_8bit", mime(multi("mixed", [atext, part('text/csv; charset=iso-8859-1; name="a.csv"',
                                                     lines("Größe;Maß\n1;2\n".encode("latin-1")),
                                                     "8bit")])))
    add("json_8bit", mime(part("application/json", '{"name": "Jürgen"}\n', "8bit")))
    add("xml_long_line", mime(multi("mixed", [atext, part("application/xml", "<a>" + "<b/>" * 400 +
                                                          "</a>\n", "7bit")])))
    add("html_one_line", mime(part("text/html; charset=utf-8", HTML.strip() * 30 + "\n", "8bit")))
    add("vcard", mime(multi("mixed", [atext, part(
        'text/x-vcard; charset=utf-8; name="a.vcf"',
        "BEGIN:VCARD\nVERSION:3.0\nFN:Jürgen Groß\nEND:VCARD\n", "8bit")])))
    for i, boundary in enumerate(("----=_Part_1_2.3", "=_?:'()+,-./", "a", "x" * 70, "y" * 120,
                                  "B_3456 78", "==", "--", "0016e6d")):
        add("boundary_%d" % i, mime(multi("mixed", [text, pdf], boundary)))
    raw = multi("mixed", [text, pdf], "unquoted=_1")
    add("boundary_unquoted", mime(raw.replace(b'"unquoted=_1"', b"unquoted=_1")))
    add("boundary_long", mime(multi("mixed", [text], "z" * 300)))
    add("boundary_none", mime(multi("mixed", [text]).replace(b'; boundary="=_b1"', b"")))
    add("boundary_empty", mime(multi("mixed", [text]).replace(b'"=_b1"', b'""')))
    add("boundary_2231", mime(multi("mixed", [text], "abcdef").replace(
        b'boundary="abcdef"', b'boundary*0="abc"; boundary*1=def')))
    add("boundary_percent", mime(multi("mixed", [text], "abc").replace(
        b'boundary="abc"', b"boundary*=us-ascii''abc")))
    add("boundary_folded", mime(multi("mixed", [text], "abc").replace(b"; bound", b";\r\n\tbound")))
    add("boundary_comment", mime(multi("mixed", [text], "abc").replace(
        b"; bound", b" (a comment; boundary=no) ; bound")))
    add("boundary_prefix", mime(multi("mixed", [multi("alternative", [text, html], "out1"), pdf],
                                      "out")))
    add("boundary_same", mime(multi("mixed", [multi("alternative", [text, html], "same"), pdf],
                                    "same")))
    add("boundary_padded", mime(multi("mixed", [text, pdf]).replace(b"--=_b1\r\n", b"--=_b1 \t\r\n")))
    add("boundary_in_text", mime(multi("mixed", [part("text/plain; charset=utf-8",
                                                      "ü\n--=_b1x\n --=_b1\nx--=_b1\n", "8bit")])))
    add("not_closed", mime(multi("mixed", [text, atext])[:-10]))
    add("cut_in_base64", mime(multi("mixed", [text, pdf])[:-60]))
    add("closed_twice", mime(multi("mixed", [text]) + b"--=_b1--\r\n" + lines(GERMAN)))
    add("inner_not_closed", mime(multi("mixed", [multi("alternative", [text, html], "=_in")[:-10],
                                                 pdf])))
    deep = text
    for i in range(30):
        deep = multi("mixed", [deep], "=_deep%d" % i)
    add("deep_30", mime(deep))
    for i in range(30, 110):
        deep = multi("mixed", [deep], "=_deep%d" % i)
    add("deep_110", mime(deep))
    add("deep_110_ascii", mime(deep.replace(lines(GERMAN), lines(ASCII))))
    add("many_parts", mime(multi("mixed", [CRLF + b"p%d" % i + CRLF for i in range(300)] + [text])))


def file_names():
    body = b64(PDF)
    disp = "Content-Disposition: attachment; "
    for i, (ctype, extra) in enumerate((
            ('application/pdf; name="Übersicht.pdf"', disp + 'filename="Übersicht.pdf"\n'),
            ("application/pdf; name=Übersicht.pdf", disp + "filename=Übersicht.pdf\n"),
            ("application/pdf", disp + 'filename="Grüße und mehr.pdf"; size=10\n'),
            ("application/pdf", disp + "filename*=utf-8''%C3%9Cbersicht.pdf\n"),
            ("application/pdf", disp + 'filename="Ü.pdf"; filename*=utf-8\'\'%C3%9C.pdf\n'),
            ("application/pdf", disp + "filename*0=\"sehr langer \";\n filename*1=\"Name.pdf\"\n"),
            ("application/pdf", disp + 'filename="' + "ß" * 80 + '.pdf"\n'),
            ("application/pdf", disp + 'filename="=?utf-8?Q?=C3=9Cber?= sicht.pdf"\n'),
            ("application/pdf", "Content-Description: Übersicht über alles\n"),
            ("application/pdf (für Sie)", ""),
            ('application/pdf; name="' + "資料" * 12 + '.pdf"', ""),
            ("application/pdf", disp + 'filename="a\\"ü\\\\.pdf"\n'),
            ("application/pdf", disp + 'filename*0="sehr ";\n filename*1="große Übersicht.pdf"\n'))):
        add("file_name_%02d" % i, mime(multi("mixed", [part("text/plain", ASCII),
                                                       part(ctype, body, "base64", extra)])))
    add("file_name_latin1", mime(multi("mixed", [part(
        b'application/pdf; name="\xdcbersicht.pdf"', body, "base64")])))
    add("file_name_long_line", mime(multi("mixed", [part(
        'application/pdf; name="' + "a b " * 280 + '.pdf"', body, "base64")])))


def headers():
    bodies = {"ascii": lines(ASCII), "utf8": lines(GERMAN)}
    rows = {
        "subject": dict(subject="Grüße aus Köln"),
        "subject_long": dict(subject="Ein sehr langer Betreff über Größe, Maß und Übermut " * 4),
        "subject_japanese": dict(subject="お世話になっております、資料を添付いたします" * 3),
        "subject_emoji": dict(subject="Party 🎉 tonight 🎂!"),
        "subject_mixed": dict(subject="=?utf-8?Q?Gr=C3=BC=C3=9Fe?= schöne =?utf-8?B?V2VsdA==?="),
        "subject_latin1": dict(subject=b"Gr\xfc\xdfe"),
        "subject_folded": dict(subject=b"Ein Betreff\r\n \xc3\xbcber zwei\r\n\tZeilen"),
        "from_name": dict(sender="Jürgen Groß <j@example.org>"),
        "from_quoted": dict(sender='"Groß, Jürgen" <j@example.org>'),
        "from_comment": dict(sender="j@example.org (Jürgen (der Große) Groß)"),
        "from_latin1": dict(sender=b"J\xfcrgen <j@example.org>"),
        "from_tight": dict(sender="Jürgen<j@example.org>"),
        "from_idn": dict(sender="j@bücher.example"),
        "from_idn_name": dict(sender="Jürgen <j@bücher.example>"),
        "from_local": dict(sender="jürgen@example.org"),
        "from_local_quoted": dict(sender='"jürgen groß"@example.org'),
        "to_list": dict(to="Ünal <u@example.net>, plain@example.net, \"Ö, P\" <o@example.net>,\r\n"
                           " Ä <a@bücher.example>"),
        "to_group": dict(to="Gäste: a@example.net, Ü <b@example.net>;"),
        "to_undisclosed": dict(to="undisclosed-recipients:;"),
        "keywords": dict(Keywords="Größe, Maß"),
        "list_id": dict(List_Id="Liste für alle <l.example.org>"),
        "x_field": dict(X_Mailer="Schöne Post 1.0"),
        "references": dict(References="<ü@example.org> <2@example.org>"),
        "disposition": dict(Disposition_Notification_To="Jürgen <j@example.org>"),
        "organization": dict(Organization="Gesellschaft für Müßiggang mbH"),
        "received": dict(Received="from a.example (ü [192.0.2.1]) by b.example; "
                                  "Mon, 6 Jul 2026 10:00:00 +0200"),
        "comments": dict(Comments="früher\r\n (später)"),
    }
    for name, fields in rows.items():
        for body in ("ascii", "utf8"):
            add("header_%s_%s" % (name, body), header(MIME_Version="1.0", **fields) + part(
                "text/plain; charset=utf-8", bodies[body], "8bit"))
    add("header_references_long", header(References=" ".join(
        "<%d.abcdefghijklmnop@mail.example.org>" % i for i in range(22))) + CRLF + lines(ASCII))
    add("header_many_fields", header(**{"X_F%d" % i: "ü%d" % i for i in range(60)}) + CRLF + b"x\r\n")
    add("header_no_space", header().replace(b"Subject: A test", "Subject:ü".encode()) + CRLF + b"x\r\n")
    add("header_empty_fields", header(X_Empty="", Keywords="") + CRLF + lines(GERMAN))
    add("header_obsolete_space", header().replace(b"Subject:", b"Subject :") + CRLF + lines(GERMAN))


def signed():
    text = part("text/plain; charset=utf-8", GERMAN, "8bit")
    qtext = part("text/plain; charset=utf-8", qp(lines(GERMAN)), "quoted-printable")
    sig = part('application/pgp-signature; name="signature.asc"',
               "-----BEGIN PGP SIGNATURE-----\n\niHUEARYIAB0WIQ==\n=abcd\n-----END PGP SIGNATURE-----\n")
    smime = part('application/pkcs7-signature; name="smime.p7s"', b64(PNG), "base64",
                 'Content-Disposition: attachment; filename="smime.p7s"\n')
    pgp_params = '; micalg=pgp-sha256; protocol="application/pgp-signature"'
    smime_params = '; micalg=sha-256; protocol="application/pkcs7-signature"'
    add("pgp_signed_7bit", mime(multi("signed", [qtext, sig], params=pgp_params)))
    add("pgp_signed_8bit", mime(multi("signed", [text, sig], params=pgp_params)))
    add("smime_signed_7bit", mime(multi("signed", [qtext, smime], params=smime_params)))
    add("smime_signed_8bit", mime(multi("signed", [text, smime], params=smime_params)))
    add("smime_signed_long_line", mime(multi("signed", [part("text/plain", LONG_WORD + "\n"), smime],
                                             params=smime_params)))
    add("signed_in_mixed_8bit_beside", mime(multi("mixed", [
        multi("signed", [qtext, sig], "=_sig", params=pgp_params), text])))
    add("signed_8bit_in_mixed", mime(multi("mixed", [
        multi("signed", [text, sig], "=_sig", params=pgp_params), qtext])))
    add("signed_subject_8bit", mime(multi("signed", [qtext, sig], params=pgp_params),
                                    subject="Schöne Grüße"))
    add("pgp_encrypted", mime(multi("encrypted", [
        part("application/pgp-encrypted", "Version: 1\n"),
        part("application/octet-stream", "-----BEGIN PGP MESSAGE-----\n\nhQ==\n=ab\n"
                                         "-----END PGP MESSAGE-----\n")],
        params='; protocol="application/pgp-encrypted"')))
    add("pgp_encrypted_8bit", mime(multi("encrypted", [
        part("application/pgp-encrypted", "Version: 1\n"),
        part("application/octet-stream", bytes(range(128, 250)) + CRLF)],
        params='; protocol="application/pgp-encrypted"')))
    add("pkcs7_mime", mime(part('application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m',
                                b64(PNG), "base64")))
    add("pkcs7_mime_8bit", mime(part("application/pkcs7-mime; smime-type=signed-data",
                                     bytes(range(128, 256)) + CRLF, "8bit")))
    add("pgp_inline_signed_8bit", header() + CRLF + lines(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + GERMAN +
        "-----BEGIN PGP SIGNATURE-----\n\niHU=\n-----END PGP SIGNATURE-----\n"))
    add("pgp_inline_signed_ascii", header() + CRLF + lines(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nplain\n"
        "-----BEGIN PGP SIGNATURE-----\n\niHU=\n-----END PGP SIGNATURE-----\n"))
    add("pgp_inline_quoted", header() + CRLF + lines(
        "> -----BEGIN PGP SIGNED MESSAGE-----\n> " + GERMAN))
    add("pgp_inline_message", header() + CRLF + lines(
        "Grüße\n-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n"))
    add("dkim_signed", b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=a; h=From;\r\n"
        b" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n" +
        mime(part("text/plain; charset=utf-8", GERMAN, "8bit")))


def messages_inside():
    inner = mime(part("text/plain; charset=utf-8", GERMAN, "8bit"), subject="innen")
    inner8 = mime(part("text/plain; charset=utf-8", GERMAN, "8bit"), subject="Größe",
                  sender="Jürgen <jürgen@example.org>")
    plain = header(subject="plain") + CRLF + lines(ASCII)
    raw = header(subject="raw") + CRLF + lines(GERMAN)
    add("forward_inline", mime(multi("mixed", [part("text/plain", ASCII),
                                               part("message/rfc822", inner)])))
    add("forward_8bit_header", mime(multi("mixed", [part("text/plain", ASCII),
                                                    part("message/rfc822", inner8, "8bit")])))
    add("forward_plain", mime(part("message/rfc822", plain)))
    add("forward_nomime_8bit", mime(part("message/rfc822", raw, "8bit")))
    add("forward_binary_label", mime(part("message/rfc822", inner, "binary")))
    add("forward_base64", mime(part("message/rfc822", b64(inner), "base64")))
    add("forward_attachment_qp", mime(part("message/rfc822", qp(inner), "quoted-printable")))
    add("forward_twice", mime(part("message/rfc822", mime(part("message/rfc822", inner8)))))
    add("forward_empty", mime(part("message/rfc822", b"")))
    add("forward_in_multipart_no_body", mime(multi("mixed", [part("message/rfc822", b"")])))
    add("forward_mbox_line", mime(part("message/rfc822", lines("From a Mon Jul  6 10:00:00 2026\n") +
                                       inner)))
    add("digest", mime(multi("digest", [CRLF + inner, CRLF + plain, CRLF + raw])))
    add("digest_in_mixed", mime(multi("mixed", [part("text/plain; charset=utf-8", GERMAN, "8bit"),
                                                multi("digest", [CRLF + inner, CRLF + inner8],
                                                      "=_dig"),
                                                part("text/plain", "_____\nfooter\n")],
                                      extra="", encoding="8bit")))
    add("digest_explicit", mime(multi("digest", [part("message/rfc822", inner),
                                                 part("text/plain", ASCII)])))
    status = "Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; b@example.net\n" \
             "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 %s\n"
    for name, words in (("ascii", "no such user"), ("8bit", "Empfänger unbekannt")):
        add("report_" + name, mime(multi("report", [
            part("text/plain; charset=utf-8", GERMAN, "8bit"),
            part("message/delivery-status", status % words),
            part("message/rfc822", inner)], params="; report-type=delivery-status")))
    add("report_headers_only", mime(multi("report", [
        part("text/plain", ASCII), part("message/delivery-status", status % "no"),
        part("text/rfc822-headers", header(subject="Größe"))],
        params="; report-type=delivery-status")))
    add("report_global", mime(multi("report", [
        part("text/plain; charset=utf-8", GERMAN, "8bit"),
        part("message/global-delivery-status", status % "nö", "8bit"),
        part("message/global", inner8, "8bit")], params="; report-type=delivery-status")))
    add("receipt", mime(multi("report", [
        part("text/plain", ASCII),
        part("message/disposition-notification",
             "Reporting-UA: mail.example; Große Post\nFinal-Recipient: rfc822;b@example.net\n"
             "Disposition: manual-action/MDN-sent-manually; displayed\n")],
        params="; report-type=disposition-notification")))
    add("feedback", mime(multi("report", [
        part("text/plain", ASCII),
        part("message/feedback-report", "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"),
        part("message/rfc822", inner)], params="; report-type=feedback-report")))
    add("partial", mime(part('message/partial; id="a@b"; number=1; total=2', plain)))
    add("partial_8bit", mime(part('message/partial; id="a@b"; number=1; total=2', inner)))
    add("external_body", mime(part('message/external-body; access-type=URL; URL="http://a.example/"',
                                   "Content-Type: text/plain\n\nphantom für alle\n")))


def calendars():
    ics = ("BEGIN:VCALENDAR\nMETHOD:REQUEST\nVERSION:2.0\nBEGIN:VEVENT\nUID:1@example.org\n"
           "DTSTART:20260706T100000Z\nSUMMARY:%s\nORGANIZER;CN=%s:mailto:a@example.org\n"
           "END:VEVENT\nEND:VCALENDAR\n")
    for name, words in (("ascii", ("Meeting", "Alice")), ("8bit", ("Große Runde", "Jürgen"))):
        cal = ics % words
        add("calendar_" + name, mime(part('text/calendar; charset=utf-8; method=REQUEST', cal,
                                          "8bit")))
        add("calendar_outlook_" + name, mime(multi("alternative", [
            part("text/plain; charset=utf-8", GERMAN, "8bit"),
            part("text/calendar; charset=utf-8; method=REQUEST", b64(lines(cal)), "base64")],
            "_000_AM0PR01MB_"), X_MS_Has_Attach="", Thread_Topic="Termin über Mittag"))
        add("calendar_google_" + name, mime(multi("mixed", [
            multi("alternative", [
                part("text/plain; charset=UTF-8; format=flowed; delsp=yes", GERMAN, "base64"
                     if False else "8bit"),
                part("text/html; charset=UTF-8", HTML, "8bit"),
                part("text/calendar; charset=UTF-8; method=REQUEST", cal, "8bit")],
                "000000000000a1b2"),
            part('application/ics; name="invite.ics"', b64(lines(cal)), "base64",
                 'Content-Disposition: attachment; filename="invite.ics"\n')],
            "000000000000c3d4")))


def programs():
    text = part("text/plain; charset=utf-8", GERMAN, "8bit")
    html = part("text/html; charset=utf-8", HTML, "8bit")
    png = part('image/png; name="image.png"', b64(PNG), "base64",
               "Content-ID: <a@b>\nContent-Disposition: inline; filename=image.png\n")
    add("apple", mime(multi("alternative", [
        part("text/plain;\r\n\tcharset=utf-8", qp(lines(GERMAN)), "quoted-printable"),
        multi("related", [part("text/html;\r\n\tcharset=utf-8", HTML, "8bit"),
                          part('image/png;\r\n\tname="Bildschirmfoto für Jörg.png";'
                               "\r\n\tx-unix-mode=0644", b64(PNG), "base64")],
              "Apple-Mail=_B2", params=";\r\n\ttype=\"text/html\"")], "Apple-Mail=_A1"),
        X_Mailer="Apple Mail (2.3445.104.11)"))
    add("outlook", mime(multi("related", [multi("alternative", [text, html],
                                                "----=_NextPart_001_0001_01D0"), png],
                              "----=_NextPart_000_0000_01D0",
                              preamble=lines("This is a multipart message in MIME format.\n\n")),
                        X_Mailer="Microsoft Outlook 16.0", Thread_Index="AdEx",
                        Content_Language="de"))
    add("outlook_tnef", mime(multi("mixed", [text, part('application/ms-tnef; name="winmail.dat"',
                                                        b64(PNG), "base64")])))
    add("outlook_rtf_8bit", mime(multi("mixed", [text, part("application/rtf", b"{\\rtf1 \xfc}\r\n",
                                                            "8bit")])))
    add("gmail", mime(multi("alternative", [
        part('text/plain; charset="UTF-8"', b64(lines(GERMAN)), "base64"),
        part('text/html; charset="UTF-8"', qp(lines(HTML)), "quoted-printable")],
        "000000000000f0e1d2"), X_Gm_Message_State="AOJu0Yx"))
    add("thunderbird", mime(multi("mixed", [
        multi("alternative", [text, html], "------------inner"), png], "------------outer",
        preamble=lines("This is a multi-part message in MIME format.\n")),
        User_Agent="Mozilla Thunderbird", Content_Language="de-DE"))
    add("mutt", mime(part("text/plain; charset=utf-8", GERMAN, "8bit",
                          "Content-Disposition: inline\n"), User_Agent="Mutt/2.2"))
    add("php_mail", header(X_PHP_Originating_Script="33:kontakt.php") + CRLF + lines(
        "Name: Jürgen\nNachricht: Grüße\n"))
    add("cron", header(subject="Cron <root@host> /usr/bin/backup", sender="root (Cron Daemon) "
                       "<root@example.org>", X_Cron_Env="<SHELL=/bin/sh>") + CRLF +
        lines("tar: Entferne führendes '/'\n"))
    add("git_patch", header(subject="[PATCH 1/2] Größe prüfen") + CRLF + lines(
        "Signed-off-by: Jürgen <j@example.org>\n---\n a.c | 2 +-\n\ndiff --git a/a.c b/a.c\n"
        "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-/* groß */\n+/* Größe */\n-- \n2.40.1\n"))
    add("mailman", mime(multi("mixed", [text, part("text/plain; charset=us-ascii",
                                                   "_____\nListe mailing list\n", "7bit",
                                                   "Content-Disposition: inline\n")],
                              "===============12=="),
                        List_Id="Liste <liste.example.org>", Sender="liste-bounces@example.org"))
    add("mms", mime(multi("related", [part("application/smil", "<smil/>\n"), text],
                          params='; start="<s>"; type="application/smil"')))
    add("fax", mime(multi("mixed", [part("text/plain", ASCII), part("image/tiff", b64(PNG),
                                                                    "base64")])))
    add("voice", mime(multi("voice-message", [part("audio/32KADPCM", b64(PNG), "base64")],
                            params="; version=2.0")))
    add("apple_double", mime(multi("appledouble", [part("application/applefile", b64(PNG), "base64"),
                                                   part("image/png", b64(PNG), "base64")])))
    add("amp", mime(multi("alternative", [text, part("text/x-amp-html; charset=utf-8",
                                                     "<html ⚡4email></html>\n", "8bit"), html])))


def broken():
    text = part("text/plain; charset=utf-8", GERMAN, "8bit")
    add("type_nonsense", mime(part("text", GERMAN, "8bit")))
    add("type_empty", mime(part("", GERMAN, "8bit")))
    add("type_8bit", mime(part("text/plain; charset=utf-8; Größe", GERMAN, "8bit")))
    add("type_quotes_open", mime(part('text/plain; charset="utf-8', GERMAN, "8bit")))
    add("type_comment_open", mime(part("text/plain (open; charset=utf-8", GERMAN, "8bit")))
    add("type_semicolons", mime(part(";;;", GERMAN)))
    add("multipart_no_delimiters", mime(multi("mixed", []).replace(b"--=_b1--\r\n", lines(GERMAN))))
    add("multipart_only_close", mime(multi("mixed", [], preamble=lines(GERMAN))))
    add("multipart_8bit_boundary", mime(multi("mixed", [text], "grün")))
    add("delimiter_without_header_end", mime(multi("mixed", [b"Content-Type: text/plain\r\n--=_b1"])))
    add("fold_first", mime(multi("mixed", [b" folded: yes\r\n\r\nx\r\n"])))
    add("nul_bytes_bare", mime(part("application/octet-stream", b"a\0b\0\xff\r\n", "binary")))
    add("lf_only_bare", mime(part("text/plain; charset=utf-8", b(GERMAN), "binary")))
    add("lf_parts_bare", mime(multi("mixed", [text])).replace(CRLF, b"\n").replace(
        b"\n", CRLF, 9))
    add("cr_only_bare", mime(part("text/plain; charset=utf-8", b(GERMAN).replace(b"\n", b"\r"),
                                  "binary")))
    add("image_binary_bare", mime(multi("mixed", [text, part("image/png", PNG, "binary")],
                                        encoding="binary")))
    add("control_bytes", mime(part("text/plain", b"a\x01\x07\x1b[0m\x7f\r\n")))


def main():
    for make in (plain_texts, encodings, attachments, file_names, headers, signed, messages_inside,
                 calendars, programs, broken):
        make()
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for old in os.listdir(folder):
        if old.endswith(".eml") and old[:-4] not in FILES:
            os.unlink(os.path.join(folder, old))
    for name, data in FILES.items():
        with open(os.path.join(folder, name + ".eml"), "wb") as f:
            f.write(data)
    print("%d files, %d bytes" % (len(FILES), sum(map(len, FILES.values()))))


if __name__ == "__main__":
    main()
