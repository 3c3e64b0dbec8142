# SPDX-License-Identifier: MIT
"""A CMake project finds an installed tpark, by its package and by pkg-config, and builds and runs
with it."""
import itertools
import shutil

from common import CC, HERE, VERSION, check, run, skip, werror

numbers = itertools.count()


def configure(scratch, host, prefix, *options, fails=False):
    build = scratch / f"cmake-{next(numbers)}"
    output = run("cmake", "-S", HERE / host, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
                 f"-DWERROR={';'.join(werror(CC))}", *options, fails=fails, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))
    return build, output


def try_host(scratch, host, prefix, needed, *options):
    build, _ = configure(scratch, host, prefix, *options)
    run("cmake", "--build", build)
    run(build / "host", LD_LIBRARY_PATH=str(prefix / "lib"))
    needs = run("readelf", "-d", build / "host")
    check("libtpark" in needs if needed is None else "libtpark" not in needs if needed == "" else
          f"[libtpark-{needed}.so" in needs, f"{host}, {options}: not {needed}:\n{needs}")


def try_all(scratch, both, static):
    """both: a prefix of all there is, where futex is the plain one; static: one of an archive."""
    if not shutil.which("cmake"):
        skip("CMake: there is none")
        return
    major, minor, _ = VERSION.split(".")
    try_host(scratch, "cmake-host", both, "futex", f"-DVERSION={VERSION}")
    try_host(scratch, "cmake-host", both, "pthread", f"-DVERSION={major}.{minor}",
             "-DCOMPONENT=pthread")
    try_host(scratch, "cmake-host", both, "", f"-DVERSION={VERSION};EXACT",
             "-Dtpark_USE_STATIC_LIBS=ON")
    try_host(scratch, "cmake-host", static, "")
    # It may be moved as a whole.
    moved = scratch / "moved"
    shutil.copytree(both, moved, symlinks=True)
    try_host(scratch, "cmake-host", moved, "futex")
    for asked, answer in ((("-DVERSION=99",), f"version: {VERSION}"),
                          ((f"-DVERSION={major}.{int(minor) - 1}",), f"version: {VERSION}"),
                          (("-DCOMPONENT=futex",), "has no library of this kind: futex")):
        _, output = configure(scratch, "cmake-host", static, *asked, fails=True)
        check(answer in " ".join(output.split()), f"CMake asked for {asked} says:\n{output}")

    _, output = configure(scratch, "cmake-host", both, f"-DVERSION={VERSION}",
                          "-DBESIDE=tpark::pthread", fails=True)
    check("TPARK_BACKEND" in output, f"both backends in one program:\n{output}")

    try_host(scratch, "cmake-pkg-config-host", both, "futex", f"-DVERSION={VERSION}")
    _, output = configure(scratch, "cmake-pkg-config-host", both, "-DVERSION=99", fails=True)
    check("tpark>=99" in output, f"it fails for another reason:\n{output}")
