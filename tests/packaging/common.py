# SPDX-License-Identifier: MIT
"""What the packaging tests share. Meson tells them in the environment which tools it uses."""
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BACKENDS = ("futex", "pthread")
CC = shlex.split(os.environ["CC"])
CXX = shlex.split(os.environ.get("CXX", ""))
VERSION = os.environ["TPARK_VERSION"]

passed = 0
skipped = 0


def fail(message):
    sys.exit(f"failed: {message}")


def check(condition, message):
    global passed
    if not condition:
        fail(message)
    passed += 1


def skip(reason):
    global skipped
    print(f"skipped: {reason}")
    skipped += 1


def finish():
    print(f"{passed} passed, 0 failed, {skipped} skipped")


def run(*command, cwd=None, fails=False, **variables):
    """Runs a command that must succeed, or must fail; returns its output."""
    command = [str(c) for c in command]
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **variables}, timeout=200,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    check((done.returncode != 0) == fails,
          f"{' '.join(command)}\n{done.stdout}exit {done.returncode}, "
          f"expected {'a failure' if fails else 'success'}")
    return done.stdout


def setup(source, build, *options):
    """meson setup and build, without a warning."""
    output = run("meson", "setup", build, source, *options)
    output += run("meson", "compile", "-C", build)
    check(not re.search("warning|deprecat", output, re.I), f"warnings:\n{output}")


def copy_of_project(target):
    """What a host has in its subprojects directory."""
    shutil.copytree(ROOT, target, symlinks=True, ignore=shutil.ignore_patterns(".git", "build*"))


def files_below(directory):
    return {str(p.relative_to(directory)) for p in Path(directory).rglob("*") if not p.is_dir()}


def libraries_below(directory):
    """Where shared libraries are, for LD_LIBRARY_PATH."""
    return ":".join(sorted({str(p.parent) for p in Path(directory).rglob("*.so*")}))
