#!/usr/bin/env python3
"""Every source file has its test: tests/unit/<folder with _>/test_<file>.c; and the top level has
nothing but what belongs there.

A part of an object, name_part.c, is tested through the object: test_name.c. What is tested
elsewhere stands in ELSEWHERE with the place; an entry that is not needed any more is a fault, too.
"""

import os
import sys

ROOT = os.path.abspath(sys.argv[1])
FOLDERS = ("msa", "auth", "rewrite", "relay")
TOP = {*FOLDERS, "tests", "etc", "CMakeLists.txt", "README.md", "LICENSE"}

# test below tests/: the source files that only it runs; the programs as a whole are in e2e/
PLACES = {
    "unit/auth/test_keeper.c": [
        "auth/asker.c", "auth/asker_answer.c", "auth/asker_run.c", "auth/blocks.c",
        "auth/generation.c", "auth/work.c",
    ],
    "unit/auth/test_sasl.c": [
        "auth/cyrus.c", "auth/login.c", "auth/nobody.c",
    ],
    "unit/auth/test_users.c": [
        "auth/lock.c", "auth/salt.c", "auth/userdb.c",
    ],
    "unit/auth/test_auxprop.c": [
        "auth/ldap_answer.c",
    ],
    "unit/auth/test_accounts.c": [
        "auth/uses.c",
    ],
    "unit/auth_tls/test_stream.c": [
        "auth/tls/fault.c",
    ],
    "unit/auth_tls/test_ctx.c": [
        "auth/tls/sessions.c", "auth/tls/tickets.c",
    ],
    "unit/msa_base/test_conf_read.c": [
        "msa/base/conf_faults.c", "msa/base/conf_nearest.c", "msa/base/conf_scan.c",
        "msa/base/conf_value.c", "msa/base/conf_walk.c",
    ],
    "unit/msa_loop/test_thread.c": [
        "msa/loop/batch.c", "msa/loop/pool.c", "msa/loop/start.c",
    ],
    "unit/msa_loop/test_loop.c": [
        "msa/loop/mailbox.c", "msa/loop/timers.c", "msa/loop/wake.c",
    ],
    "unit/msa_loop/test_stream.c": [
        "msa/loop/addr.c", "msa/loop/listener.c",
    ],
    "unit/msa_server/test_conn.c": [
        "msa/server/server.c", "msa/server/server_config.c", "msa/server/server_facts.c",
        "msa/server/service.c", "msa/server/submission.c",
        "msa/server/submission_end.c", "msa/server/submission_envelope.c",
        "msa/server/submission_log.c", "msa/server/submission_return.c",
        "msa/server/worker.c",
    ],
    "unit/msa_server/test_options.c": [
        "auth/options.c", "relay/dns/options.c", "relay/options.c", "relay/queue/options.c",
        "relay/tls/options.c",
        "rewrite/options.c", "rewrite/smime_options.c",
    ],
    "lint/test_docs.c": [
        "msa/server/docs.c",
    ],
    "unit/msa_server/test_protect.c": [
        "msa/server/smime.c",
    ],
    "unit/msa_server/test_dkim.c": [
        "relay/signing.c",
    ],
    "unit/msa_ctl/test_users.c": [
        "msa/ctl/state.c",
    ],
    "e2e/test_dkim.py": [
        "msa/ctl/dkim.c",
    ],
    "e2e/test_sign.py": [
        "msa/ctl/explain.c", "msa/ctl/session.c",
    ],
    "e2e/test_route.py": [
        "msa/ctl/check.c",
    ],
    "unit/msa_ctl/test_main.c": [
        "msa/ctl/ask.c", "msa/ctl/confirm.c", "msa/ctl/show.c",
    ],
    "e2e/test_control.py": [
        "msa/daemon/main.c",
    ],
    "e2e/test_oauth.py": [
        "auth/fetch.c", "auth/oauth.c",
    ],
    "e2e/test_smarthost.py": [
        "auth/grant.c",
    ],
    "unit/auth/test_jwt.c": [
        "auth/jwks.c",
    ],
    "e2e/test_guard.py": [
        "msa/ctl/blocks.c",
    ],
    "unit/msa_admin/test_admin.c": [
        "msa/admin/pause.c", "msa/admin/queue.c", "msa/admin/rights.c", "msa/admin/route.c",
        "msa/admin/site.c", "msa/admin/stats.c", "msa/admin/status.c", "msa/admin/trace.c",
    ],
    "e2e/test_process.py": [
        "msa/base/crashring.c", "msa/daemon/keeper_process.c", "msa/daemon/master.c",
        "msa/daemon/master_child.c", "msa/daemon/master_control.c",
        "msa/daemon/master_generation.c", "msa/daemon/server_process.c",
    ],
    "e2e/test_rights.py": [
        "msa/daemon/master_files.c",
    ],
    "sim/test_world_day.c": [
        "relay/core_smtp.c", "relay/job.c", "relay/job_attempts.c", "relay/job_transaction.c",
        "relay/result.c", "relay/settings.c", "relay/worker.c",
    ],
    "e2e/test_sts.py": [
        "relay/report_mail.c", "relay/tell_tls.c", "relay/tls/event.c",
    ],
    "unit/relay_tls/test_sts.c": [
        "relay/tls/fetch.c",
    ],
    "e2e/test_qmtp.py": [
        "relay/core_qmtp.c",
    ],
    "e2e/test_delivery.py": [
        "relay/body.c",
    ],
}
ELSEWHERE = {source: test for test, sources in PLACES.items() for source in sources}


def sources():
    for top in FOLDERS:
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in files:
                if name.endswith(".c"):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def test_of(source):
    """The test of the file, or of the object that it is a part of; None if there is none."""
    folder, name = os.path.split(source)
    parts = name[:-2].split("_")
    for n in range(len(parts), 0, -1):
        test = os.path.join("tests", "unit", folder.replace("/", "_"),
                            "test_" + "_".join(parts[:n]) + ".c")
        if os.path.exists(os.path.join(ROOT, test)):
            return test
    return None


def strangers():
    """At the top level, but for dot files and what is built there (build*, ignored by git)."""
    return sorted(name for name in os.listdir(ROOT)
                  if name not in TOP and not name.startswith((".", "build")))


def main():
    faults = [f"{name}: does not belong to the top level" for name in strangers()]
    found = set(sources())
    for source in sorted(found):
        test = test_of(source)
        elsewhere = ELSEWHERE.get(source)
        if test and elsewhere:
            faults.append(f"{source}: has {test}; take it off the list")
        elif not test and not elsewhere:
            faults.append(f"{source}: has no test")
        elif elsewhere and not os.path.exists(os.path.join(ROOT, "tests", elsewhere)):
            faults.append(f"{source}: tests/{elsewhere} does not exist")
    for source in sorted(set(ELSEWHERE) - found):
        faults.append(f"{source}: is on the list and does not exist")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
