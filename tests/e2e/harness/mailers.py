"""The submitting side as people have it: mail programs and libraries with their own defaults.

Each function sends a Letter by one program and returns (exit code, what it printed). The server's
certificate is checked wherever the program can do it: its name is in the test's own /etc/hosts.
"""

import email
import email.message
import email.policy
import email.utils
import json
import os
import random
import smtplib
import ssl
import subprocess
import traceback
import urllib.parse

from .case import check, equal
from .world import PASSWORD, USER

HOST = "mail.our.test"
SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "clients")

# dots wherever a line begins, empty lines, UTF-8, no trailing white space, one final line end
TEXT = """Grüße aus der Zeile eins
.
..
.leading dot
...
middle . dot .

.
a line of some length, so that encoders have something to fold, wrap, and break at the end: ä
QUIT
.
"""


class Letter:
    """What the person wants to send, and how."""

    def __init__(self, w, port, password=PASSWORD, sender=USER, to=("bob@else.test",), cc=(),
                 bcc=(), size=300 * 1024):
        self.folder, self.ca = w.dir, w.certificate[0]
        self.port, self.implicit, self.password, self.sender = port, port == 465, password, sender
        self.to, self.cc, self.bcc = list(to), list(cc), list(bcc)
        self.subject = f"Prüfung der Anhänge – Port {port}, ein längerer Betreff mit ☃ darin"
        self.text, self.attached = TEXT, random.Random(port).randbytes(size)
        self.file = self.keep("attached.bin", self.attached)
        self.finished = self.mime()

    def keep(self, name, octets):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(octets)
        return path

    def everybody(self):
        return self.to + self.cc + self.bcc

    def mime(self):
        """As Python's email package writes it, for programs that take a finished message."""
        m = email.message.EmailMessage(policy=email.policy.SMTP)
        m["Date"], m["Message-ID"] = "Mon, 01 Jun 2026 10:00:00 +0000", email.utils.make_msgid()
        m["From"], m["Subject"], m["To"] = self.sender, self.subject, ", ".join(self.to)
        for name, addresses in (("Cc", self.cc), ("Bcc", self.bcc)):
            if addresses:
                m[name] = ", ".join(addresses)
        m.set_content(self.text, cte="8bit")
        m.add_attachment(self.attached, maintype="application", subtype="octet-stream",
                         filename="attached.bin")
        m.set_boundary("=_between_=")
        return m

    def json(self):
        return json.dumps({
            "host": HOST, "port": self.port, "implicit": self.implicit, "ca": self.ca,
            "user": USER, "password": self.password, "sender": self.sender, "to": self.to,
            "cc": self.cc, "bcc": self.bcc, "subject": self.subject, "text": self.text,
            "file": self.file}).encode()

    def expect_in(self, octets):
        """What arrived (with CRLF) holds all of the letter."""
        check(b"\n" not in octets.replace(b"\r\n", b"") and b"\r" not in
              octets.replace(b"\r\n", b""), "bare CR or LF")
        m = email.message_from_bytes(octets, policy=email.policy.default)
        equal(str(m["Subject"]), self.subject, "subject")
        check(m["Bcc"] is None, "Bcc was disclosed:", m["Bcc"])
        parts = [p for p in m.walk() if not p.is_multipart()]
        equal([p.get_content_disposition() == "attachment" for p in parts], [False, True], "parts")
        charset = parts[0].get_content_charset("utf-8")
        text = parts[0].get_payload(decode=True).decode(charset).replace("\r\n", "\n")
        # some programs end the last line once more
        equal(text.rstrip("\n"), self.text.rstrip("\n"), "text")
        check(parts[1].get_payload(decode=True) == self.attached, "the attachment differs")


def run(letter, words, stdin=b"", **environment):
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=letter.folder, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], "HOME": letter.folder,
                               "LC_ALL": "C.UTF-8", **environment})
    return done.returncode, done.stdout.decode("utf-8", "replace")


def swaks(letter):
    return run(letter, [
        "swaks", "--server", HOST, "--port", str(letter.port),
        "--tls-on-connect" if letter.implicit else "--tls", "--tls-verify",
        "--tls-ca-path", letter.ca, "--auth", "--auth-user", USER,
        "--auth-password", letter.password, "--from", letter.sender,
        "--to", ",".join(letter.everybody()), "--header", f"Subject: {letter.subject}",
        "--body", "@" + letter.keep("text", letter.text.encode()),
        "--attach-type", "application/octet-stream", "--attach-name", "attached.bin",
        "--attach", "@" + letter.file])


def msmtp(letter):
    """A finished message with LF line ends on standard input; msmtp takes Bcc out of it."""
    return run(letter, [
        "msmtp", f"--host={HOST}", f"--port={letter.port}", "--auth=on", "--tls=on",
        f"--tls-starttls={'off' if letter.implicit else 'on'}", f"--tls-trust-file={letter.ca}",
        f"--user={USER}", f"--passwordeval=echo '{letter.password}'", f"--from={letter.sender}",
        "--read-recipients"], letter.finished.as_bytes().replace(b"\r\n", b"\n"))


def curl(letter):
    """The message is put together by curl."""
    subject = email.message.EmailMessage()
    subject["Subject"] = letter.subject
    text = letter.keep("text", letter.text.replace("\n", "\r\n").encode())
    return run_curl(letter, [
        "-H", subject.as_string().strip().replace("\n", "\r\n"), "-H", f"From: {letter.sender}",
        "-F", f"=<{text};type=text/plain;charset=utf-8;encoder=8bit",
        "-F", f"=@{letter.file};encoder=base64;filename=attached.bin"])


def curl_upload(letter):
    """A finished message."""
    return run_curl(letter, ["-T", letter.keep("mail.eml", letter.finished.as_bytes())])


def run_curl(letter, content):
    words = ["curl", "-sS", "--cacert", letter.ca, "--user", f"{USER}:{letter.password}",
             "--mail-from", letter.sender]
    words += [f"smtps://{HOST}:465"] if letter.implicit else ["--ssl-reqd", f"smtp://{HOST}:587"]
    for address in letter.everybody():
        words += ["--mail-rcpt", address]
    return run(letter, words + content)


def s_nail(letter):
    login = urllib.parse.quote(USER, safe="")
    password = urllib.parse.quote(letter.password, safe="")
    words = ["s-nail", "-:/", "-S", "v15-compat", "-S", f"tls-ca-file={letter.ca}",
             "-S", "mta=" + ("smtps" if letter.implicit else "submission") +
             f"://{login}:{password}@{HOST}:{letter.port}"]
    words += [] if letter.implicit else ["-S", "smtp-use-starttls"]
    words += ["-S", "sendwait", "-r", letter.sender, "-s", letter.subject, "-a", letter.file]
    for option, addresses in (("-c", letter.cc), ("-b", letter.bcc)):
        for address in addresses:
            words += [option, address]
    return run(letter, words + letter.to, letter.text.encode())


def mutt(letter):
    login = urllib.parse.quote(USER, safe="")
    password = urllib.parse.quote(letter.password, safe="")
    scheme = "smtps" if letter.implicit else "smtp"
    rc = letter.keep("muttrc", "".join(f"set {line}\n" for line in (
        f"smtp_url={scheme}://{login}:{password}@{HOST}:{letter.port}/", f"from={letter.sender}",
        "ssl_starttls=yes", f"ssl_ca_certificates_file={letter.ca}", "ssl_force_tls=yes"))
                     .encode())
    words = ["mutt", "-F", rc, "-s", letter.subject, "-a", letter.file]
    for option, addresses in (("-c", letter.cc), ("-b", letter.bcc)):
        for address in addresses:
            words += [option, address]
    return run(letter, words + ["--"] + letter.to, letter.text.encode())


def python_smtplib(letter):
    context = ssl.create_default_context(cafile=letter.ca)
    try:
        if letter.implicit:
            s = smtplib.SMTP_SSL(HOST, letter.port, context=context, timeout=60)
        else:
            s = smtplib.SMTP(HOST, letter.port, timeout=60)
            s.starttls(context=context)
        with s:
            s.login(USER, letter.password)
            s.send_message(letter.finished, from_addr=letter.sender)
    except smtplib.SMTPException:
        return 1, traceback.format_exc()
    return 0, ""


def net_smtp(letter):
    return run(letter, ["perl", os.path.join(SCRIPTS, "net_smtp.pl")], letter.json())


def nodemailer(letter):
    # where Debian keeps modules, for a node that comes from elsewhere
    return run(letter, ["node", os.path.join(SCRIPTS, "nodemailer.js")], letter.json(),
               NODE_PATH="/usr/share/nodejs")


def name_the_server(folder):
    """The test has a mount namespace of its own: our name is in its /etc/hosts."""
    path = os.path.join(folder, "hosts")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"127.0.0.1 localhost\n127.0.0.1 {HOST}\n")
    subprocess.run(["mount", "--bind", path, "/etc/hosts"], check=True)
