#!/usr/bin/python3
"""Runs the end-to-end tests, each in network, mount and process namespaces of its own.

run.py --sanitizers DIR --release DIR [--full] [--jobs N] [--keep] [NAME...]

A NAME is (part of) the name of a test or of its file. The last line is "N passed, N failed".
"""

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


def load(wanted):
    """All tests whose name or file matches, as (module, test)."""
    from harness import case
    out = []
    for file in sorted(os.listdir(HERE)):
        if not file.startswith("test_") or not file.endswith(".py"):
            continue
        before = len(case.TESTS)
        importlib.import_module(file[:-3])
        for t in case.TESTS[before:]:
            if not wanted or any(w in t["name"] or w in file for w in wanted):
                out.append((file[:-3], t))
    return out


def prepare_namespaces(folder):
    """Inside the new namespaces: lo with the receivers' addresses, and the two users."""
    for command in (["ip", "link", "set", "lo", "up"],
                    ["ip", "address", "add", "198.51.100.1/24", "dev", "lo"]):
        subprocess.run(command, check=True)
    for path, kind in (("/etc/passwd", ":x:{n}:{n}::/nonexistent:/usr/sbin/nologin\n"),
                       ("/etc/group", ":x:{n}:\n")):
        with open(path, encoding="utf-8") as f:
            lines = [x for x in f if x.split(":")[0] not in ("msa", "msa-auth")]
        lines += [name + kind.format(n=n) for name, n in (("msa", 64901), ("msa-auth", 64902))]
        copy = os.path.join(folder, os.path.basename(path))
        with open(copy, "w", encoding="utf-8") as f:
            f.writelines(lines)
        subprocess.run(["mount", "--bind", copy, path], check=True)


def run_inside(module, name, folder):
    """The test itself; this process is the first one of its namespace."""
    from harness import case
    from harness.world import World
    prepare_namespaces(folder)
    importlib.import_module(module)
    t = next(t for t in case.TESTS if t["name"] == name)
    world = World(folder, os.environ["E2E_BUILD"])
    try:
        t["run"](world)
        world.finish()
    except BaseException:
        traceback.print_exc()
        if os.path.exists(world.path("log")):
            print("--- last lines of msad's log ---", file=sys.stderr)
            print("".join(world.log().splitlines(True)[-40:]), file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


class Runner:
    def __init__(self, args, base):
        self.args, self.base = args, base
        self.lock = threading.Lock()
        self.passed = self.failed = 0

    def run(self, module, t):
        folder = os.path.join(self.base, t["name"])
        os.mkdir(folder, 0o755)
        build = self.args.release if t["build"] == "release" else self.args.sanitizers
        start = time.monotonic()
        output = os.path.join(folder, "output")
        with open(output, "wb") as out:
            done = subprocess.Popen(
                ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "--kill-child", sys.executable,
                 os.path.abspath(__file__), "--inside", module, t["name"], folder],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env=dict(os.environ, E2E_BUILD=os.path.abspath(build)))
            limit = t["timeout"] * (10 if self.args.full else 1)
            try:
                good = done.wait(limit) == 0
            except subprocess.TimeoutExpired:
                done.kill()
                done.wait()
                good = False
                out.write(f"did not end within {limit} s\n".encode())
        with self.lock:
            if good:
                self.passed += 1
            else:
                self.failed += 1
            print(f"{'ok  ' if good else 'FAIL'} {module} {t['name']} "
                  f"({time.monotonic() - start:.1f} s)", flush=True)
            with open(output, encoding="utf-8", errors="replace") as f:
                said = f.read()
            if not good:
                log = os.path.join(folder, "log")
                if "last lines of msad's log" not in said and os.path.exists(log):
                    with open(log, encoding="utf-8", errors="replace") as f:
                        said += "".join(f.readlines()[-40:])
            if said:
                print("".join("     " + line for line in said.splitlines(True)), flush=True)
        if good and not self.args.keep:
            shutil.rmtree(folder, ignore_errors=True)

    def run_all(self, tests):
        pending = [x for x in tests if not x[1]["alone"]]

        def work():
            while True:
                with self.lock:
                    if not pending:
                        return
                    item = pending.pop(0)
                self.run(*item)
        threads = [threading.Thread(target=work) for _ in range(self.args.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for item in tests:
            if item[1]["alone"]:
                self.run(*item)


def make_certificate(base):
    cert, key = os.path.join(base, "cert.pem"), os.path.join(base, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650", "-sha256",
                    "-subj", "/CN=mail.our.test", "-addext",
                    "subjectAltName=DNS:mail.our.test,DNS:smarthost.test", "-keyout", key,
                    "-out", cert], check=True, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    os.environ.update(E2E_CERT=cert, E2E_KEY=key)


def fetch_peers(tests, folder):
    """Out here, where there is a network."""
    from harness import mtas
    os.environ["E2E_PEERS"] = folder
    mtas.fetch(sorted({p for _, t in tests for p in t["peers"]}), folder)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--inside":
        run_inside(*sys.argv[2:5])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sanitizers", required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the folders of good tests too")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("run.py: the namespaces need root")
    if args.full:
        os.environ["E2E_FULL"] = "1"
    base = tempfile.mkdtemp(prefix="msa-e2e-")
    os.chmod(base, 0o755)
    make_certificate(base)
    runner = Runner(args, base)
    tests = load(args.names)
    fetch_peers(tests, os.path.join(os.path.abspath(args.sanitizers), "peers"))
    runner.run_all(tests)
    if runner.failed or args.keep:
        print(f"folders are kept under {base}")
    else:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{runner.passed} passed, {runner.failed} failed")
    sys.exit(1 if runner.failed or not runner.passed else 0)


if __name__ == "__main__":
    main()
