"""etc/quickstart does what the README promises, in a folder and on a machine of its own."""

import os
import re
import shlex
import shutil
import subprocess

from harness.case import check, equal, test
from harness.client import session

HERE = os.path.dirname(os.path.abspath(__file__))
QUICKSTART = os.path.join(HERE, "..", "..", "etc", "quickstart")


def run(w, *words):
    done = subprocess.run([QUICKSTART, "--no-install", *words], capture_output=True, text=True,
                          env=dict(os.environ, MSA_BUILD_DIR=w.build), check=False, timeout=100,
                          stdin=subprocess.DEVNULL)
    equal(done.returncode, 0, f"quickstart: {done.stdout}{done.stderr}")
    return done.stdout


def ready(said):
    """User, password and the ready command lines out of what was printed."""
    found = re.search(r"^user +(\S+)\npassword +(\S+)$", said, re.M)
    check(found, said)
    commands = [line for line in said.splitlines() if line.startswith(("curl ", "swaks "))]
    equal(len(commands), 2, said)
    return found[1], found[2], commands


def try_commands(w, commands):
    """What is printed can be pasted."""
    with open(w.path("FILE"), "w", encoding="ascii") as f:
        f.write("Subject: by hand\n\nhello\n")
    for command in commands:
        done = subprocess.run(shlex.split(command), cwd=w.dir, capture_output=True, text=True,
                              check=False, timeout=60)
        equal(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")


@test(build="release", timeout=240)
def in_a_folder(w):
    folder = w.path("trial")
    said = run(w, "--dir", folder, "--port", "12587", "--domain", "trial.test")
    user, password, commands = ready(said)
    equal(user, "me@trial.test")
    check("Captured in " in said and "Subject: It works" in said, said)
    equal(session(user, password, 12587).say("NOOP")[0], 250)
    try_commands(w, commands)
    # again: a new password, the old one is gone, the rest stays
    again = run(w, "--dir", folder, "--port", "12587", "--domain", "trial.test")
    check(ready(again)[1] != password, "a new password")
    s = session(port=12587)
    equal(s.plain(user, password)[0], 535)
    equal(s.plain(user, ready(again)[1])[0], 235)
    subprocess.run([f"{w.build}/msactl", "-c", f"{folder}/msa.conf", "stop"], check=True)


@test(build="release", timeout=240)
def on_a_machine(w):
    """The whole system mode, on an overlay of /etc, /usr/local and /var that goes with the test."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], check=True)
    # no service manager here, whatever the machine has
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    with open("/etc/passwd", encoding="utf-8") as f:
        passwd = f.read()
    for name in ("etc", "usr/local", "var"):
        upper, work = f"/mnt/{name}/upper", f"/mnt/{name}/work"
        os.makedirs(upper)
        os.makedirs(work)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir=/{name},upperdir={upper},workdir={work}", f"/{name}"], check=True)
    with open("/etc/passwd", "w", encoding="utf-8") as f:
        f.write(passwd)
    for old in ("/etc/msa", "/var/lib/msa"):  # where quickstart was run for real
        shutil.rmtree(old, ignore_errors=True)
    said = run(w, "--domain", "machine.test")
    user, password, commands = ready(said)
    check("Captured in " in said and "Subject: It works" in said, said)
    for port in (587, 465):
        equal(session(user, password, port).say("NOOP")[0], 250)
    try_commands(w, commands)
    effective = [line for line in open("/etc/msa/msa.conf", encoding="utf-8")
                 if not line.startswith("#")]
    equal(len(effective), 4, "three lines, and relay.capture")
    for page in ("man8/msad.8", "man8/msactl.8", "man5/msa.conf.5"):
        check(os.path.exists(f"/usr/local/share/man/{page}"), page)
    run(w, "--domain", "machine.test", "--live")
    check("capture" not in open("/etc/msa/msa.conf", encoding="utf-8").read(), "--live")
    subprocess.run(["/usr/local/sbin/msactl", "stop"], check=True)


@test(build="release")
def unit_file_is_sound(w):
    done = subprocess.run(["cmake", "--install", w.build, "--prefix", w.path("root")],
                          capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
    files = [f for _, _, names in os.walk(w.path("root")) for f in names]
    for name in ("msad", "msactl", "msad.service", "msad.8", "msactl.8", "msa.conf.5",
                 "msa.conf.sample"):
        check(any(f == name or f == name + ".gz" for f in files), f"{name} in {files}")


@test()
def msactl_help_and_manual_page_agree(w):
    said = subprocess.run([f"{w.build}/msactl", "--help"], capture_output=True, text=True,
                          check=True).stdout
    with open(os.path.join(HERE, "..", "..", "etc", "msactl.8"), encoding="utf-8") as f:
        page = f.read().replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
    for line in said.splitlines():
        words = re.match(r"  msactl (\w+)(?: (add|passwd|delete|list|show|summary|retry|hold|release)\b)?",
                         line)
        if words:
            command = " ".join(x for x in words.groups() if x)
            check(command in page, f"{command} is not in msactl.8")
    for option in ("--json", "--dry-run", "--password-stdin", "--older", "--message-id", "--since"):
        check(option in page, f"{option} is not in msactl.8")
