#!/usr/bin/env python3
"""Every C file is as .clang-format has it, which is what clang-format of this one version makes.

Usage: test_format.py ROOT CLANG_FORMAT
"""

import glob
import os
import subprocess
import sys

ROOT, CLANG_FORMAT = os.path.abspath(sys.argv[1]), sys.argv[2]
FOLDERS = ("msa", "auth", "rewrite", "relay", "tests")


def main():
    files = [path for folder in FOLDERS for end in "ch"
             for path in glob.glob(os.path.join(ROOT, folder, "**", "*." + end), recursive=True)]
    done = subprocess.run([CLANG_FORMAT, "--dry-run", "--Werror", *sorted(files)],
                          stderr=subprocess.PIPE, text=True, check=False)
    print(done.stderr, end="")
    return 1 if done.returncode or len(files) < 500 else 0


sys.exit(main())
