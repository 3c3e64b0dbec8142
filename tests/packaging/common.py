# SPDX-License-Identifier: MIT
"""What the packaging tests share. Meson tells them in the environment which tools it uses."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
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


def werror(*compilers):
    """The option that makes warnings errors, if all of these are compilers whose warnings we know."""
    return run(ROOT / "tests" / "werror", *(shlex.join(c) for c in compilers)).split()


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


def setup(source, build, *options, **variables):
    """meson setup and build, without a warning of a compiler that is known."""
    tools = {**os.environ, **variables}
    is_known = bool(werror(*(shlex.split(tools[name]) for name in ("CC", "CXX") if name in tools)))
    output = run("meson", "setup", build, source, *(["-Dwerror=true"] if is_known else []),
                 *options, **variables)
    output += run("meson", "compile", "-C", build)
    check(not is_known or not re.search("warning|deprecat", output, re.I), f"warnings:\n{output}")


def copy_of_project(target):
    """What a host has in its subprojects directory."""
    shutil.copytree(ROOT, target, symlinks=True, ignore=shutil.ignore_patterns(".git", "build*"))


def files_below(directory):
    return {str(p.relative_to(directory)) for p in Path(directory).rglob("*") if not p.is_dir()}


def libraries_below(directory):
    """Where shared libraries are, for LD_LIBRARY_PATH."""
    return ":".join(sorted({str(p.parent) for p in Path(directory).rglob("*.so*")}))


class Install:
    """One backend's library in a prefix, or with None the plain one."""

    def __init__(self, prefix, backend):
        self.prefix = prefix
        self.backend = backend
        self.name = f"tpark-{backend}" if backend else "tpark"

    @classmethod
    def make(cls, scratch, backend, library, source=ROOT, name=None):
        name = name or f"{backend}-{library}"
        prefix = scratch / name
        build = scratch / f"build-{name}-{backend}"
        setup(source, build, f"--prefix={prefix}", "--libdir=lib", "-Dtests=disabled",
              f"-Ddefault_library={library}", f"-Dtpark_backend={backend}")
        run("meson", "install", "-C", build, "--no-rebuild")
        return cls(prefix, backend)

    def library(self, suffix):
        return self.prefix / "lib" / f"lib{self.name}.{suffix}"

    def pkg_config(self, *arguments):
        return run("pkg-config", *arguments, self.name,
                   PKG_CONFIG_LIBDIR=str(self.prefix / "lib" / "pkgconfig"),
                   # It leaves out directories that it takes for the compiler's own.
                   PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1").strip()

    def flags(self, *arguments):
        return self.pkg_config(*arguments).split()

    def build(self, compiler, source, is_static=False, fails=False):
        """A program of one source; or what the compiler says, if it must fail."""
        program = self.prefix / f"{source.stem}-{self.name}"
        libraries = self.flags("--libs", *(["--static"] if is_static else []))
        if is_static:
            libraries = ["-Wl,-Bstatic", *libraries, "-Wl,-Bdynamic"]
        output = run(*compiler, "-Wall", "-Wextra", *werror(compiler), "-pthread", source,
                     *self.flags("--cflags"), "-o", program, *libraries, fails=fails)
        return output if fails else program

    def dynamic(self, path, tag):
        return re.findall(rf"\({tag}\).*\[(.*)\]", run("readelf", "-d", path))

    def soname(self):
        return self.dynamic(self.library("so"), "SONAME")[0]

    def size(self):
        """sizeof(struct tpark), as the header has it."""
        text = "#include <tpark.h>\nchar size[sizeof(struct tpark)];\n"
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "size.c"
            source.write_text(text)
            run(*CC, "-c", source, *self.flags("--cflags"), "-o", source.with_suffix(".o"))
            symbols = run("nm", "-S", source.with_suffix(".o"))
        return int(re.search(r"^\w+ (\w+) \w size$", symbols, re.M)[1], 16)
