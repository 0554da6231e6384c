"""Dovecot's LMTP server as a mail store: the mailboxes of a list of users, and nobody else's."""

import glob
import os
import subprocess

from .case import eventually

CONF = """protocols = lmtp
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/log
ssl = no
mail_location = maildir:{dir}/mail/%u
lmtp_rcpt_check_quota = no
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = passwd-file
  args = {dir}/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = {address}
    port = {port}
  }}
}}
"""
UID = 65534  # nobody


class DovecotLmtp:
    def __init__(self, folder, address, users, port=24):
        self.dir = os.path.join(folder, "dovecot")
        for name in ("", "mail", "run"):
            os.makedirs(os.path.join(self.dir, name), exist_ok=True)
        os.chown(os.path.join(self.dir, "mail"), UID, UID)
        for path in (folder, self.dir):
            os.chmod(path, 0o755)
        with open(os.path.join(self.dir, "users"), "w", encoding="ascii") as f:
            f.writelines(f"{user}:{{PLAIN}}x:{UID}:{UID}::{self.dir}/mail/{user}::\n"
                         for user in users)
        conf = os.path.join(self.dir, "dovecot.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(CONF.format(dir=self.dir, address=address, port=port))
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", conf])
        eventually(lambda: "starting up" in self.log(), "dovecot starts")

    def log(self):
        try:
            with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def mails(self, user):
        """What lies in the user's mailbox."""
        out = []
        for path in glob.glob(os.path.join(self.dir, "mail", user, "new", "*")):
            with open(path, "rb") as f:
                out.append(f.read())
        return out
