"""Postfix as receiver, with its own configuration and queue; mail goes into a Maildir."""

import os
import pwd
import shutil
import subprocess

from .case import equal, eventually

MAIN = """compatibility_level = 3.7
queue_directory = {dir}/queue
data_directory = {dir}/data
myhostname = postfix.test
mydestination =
mynetworks = 192.0.2.1/32
inet_interfaces = all
inet_protocols = ipv4
alias_maps =
alias_database =
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {dir}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
message_size_limit = 300000000
maillog_file = {dir}/log/maillog
maillog_file_prefixes = /var, /dev/stdout, {dir}
"""

MASTER = """{address}:25 inet n - n - 50 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - 10 smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """discarding: {address: EHLO keywords} of further listeners that do not offer these. main: further
    lines of main.cf."""

    def __init__(self, folder, address, domain, certificate, discarding=None, main=""):
        self.dir = os.path.join(folder, "postfix")
        user = pwd.getpwnam("postfix")
        for name in ("", "queue", "data", "log", "mail"):
            os.mkdir(os.path.join(self.dir, name))
        shutil.copytree("/etc/postfix", os.path.join(self.dir, "conf"), symlinks=True)
        for name in ("data", "mail"):
            os.chown(os.path.join(self.dir, name), user.pw_uid, user.pw_gid)
        fill = {"dir": self.dir, "address": address, "domain": domain, "cert": certificate[0],
                "key": certificate[1], "uid": user.pw_uid, "gid": user.pw_gid}
        more = "".join(f"{a}:25 inet n - n - 50 smtpd -o smtpd_discard_ehlo_keywords={words}\n"
                       for a, words in (discarding or {}).items())
        for name, text in (("main.cf", MAIN + main), ("master.cf", MASTER + more)):
            with open(os.path.join(self.dir, "conf", name), "w", encoding="ascii") as f:
                f.write(text.format(**fill))
        # the test has a mount namespace of its own
        subprocess.run(["mount", "--bind", os.path.join(self.dir, "conf"), "/etc/postfix"],
                       check=True)
        self.run("start")

    def run(self, command):
        done = subprocess.run(["postfix", command], capture_output=True, text=True, check=False)
        equal(done.returncode, 0, f"postfix {command}: {done.stdout}{done.stderr}")

    def messages(self):
        """All messages delivered so far, with CRLF line ends as they came over the wire."""
        folder = os.path.join(self.dir, "mail", "box", "new")
        out = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), "rb") as f:
                out.append(f.read().replace(b"\n", b"\r\n"))
        return out

    def wait(self, count):
        return eventually(lambda: len(self.messages()) >= count and self.messages(),
                          f"Postfix has {count} messages", 60)

    def close(self):
        self.run("stop")
