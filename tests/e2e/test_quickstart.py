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


# ---- msactl --help, msactl(8), and what the program reads ----

def plain(line):
    """A line of a manual page as it is read."""
    macro = re.match(r"\.([BI]|BI|BR|IR|RI) (.*)", line)
    if macro:  # one font: words; two fonts: pieces of words
        line = (" " if len(macro[1]) == 1 else "").join(shlex.split(macro[2].replace("\\", "\\\\")))
    return re.sub(r"\\f[BIR]", "", line).replace("\\-", "-")


def synopsis(text):
    """The command and its arguments up to the first option; the options."""
    return text.split("--")[0].rstrip(" ["), set(re.findall(r"--[a-z-]+", text))


def manual_entries(section):
    """Command and arguments: (options in its heading, options in its paragraphs)."""
    for entry in section.split("\n.TP\n")[1:]:
        heading, *body = (plain(line) for line in entry.splitlines())
        named = set(re.findall(r"--[a-z-]+", " ".join([heading, *body])))
        for item in heading.split(" | "):
            command, options = synopsis(item)
            yield command, (options, named)


@test()
def msactl_help_and_manual_page_agree(w):
    said = subprocess.run([f"{w.build}/msactl", "--help"], capture_output=True, text=True,
                          check=True).stdout
    with open(os.path.join(HERE, "..", "..", "etc", "msactl.8"), encoding="utf-8") as f:
        sections = dict(re.findall(r"(?ms)^\.SH ([A-Z ]+)\n(.*?)(?=^\.SH |\Z)", f.read()))
    manual = dict(manual_entries("\n" + sections["COMMANDS"]))
    helped = dict(synopsis(text) for text in re.findall(r"(?m)^  msactl (.*?)  ", said))
    equal(sorted(manual), sorted(helped), "commands with their arguments")
    for command, options in helped.items():
        heading, named = manual[command]
        check(options <= named, f"{command}: {options - named} is not in its paragraph")
        check(heading <= options, f"{command}: {heading - options} is not in --help")
    filters = re.search(r"\nF is an ID, or any of (.*\n?.*?)\.", said)[1]
    page = " ".join(plain(line) for line in sections["FILTERS"].splitlines())
    equal(synopsis(filters)[1], synopsis(page)[1], "what F may be")
    with open(os.path.join(HERE, "..", "..", "msa", "ctl", "main.c"), encoding="utf-8") as f:
        read = set(re.findall(r'"(--[a-z-]+)"', f.read()))
    check(len(read) > 10, read)
    everything = " ".join(plain(line) for text in sections.values() for line in text.splitlines())
    equal(read - synopsis(everything)[1], set(), "options that msactl(8) does not know")
    equal(read - {"--help"} - synopsis(said)[1], set(), "options that --help does not know")
    equal(synopsis(said)[1] - read, set(), "options that are not read")
