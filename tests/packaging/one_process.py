# SPDX-License-Identifier: MIT
"""Programs and plugins with builds of tpark of several kinds, in one process: each calls its own."""
from common import CC, HERE, check, run, werror

SOURCES = HERE / "one-process"


def compile_user(scratch, source, name, install, is_static, *options):
    """A plugin or a program whose tpark is in itself, or in the shared library."""
    output = scratch / name
    where = name if is_static else install.soname().split(".so")[0]
    library = [install.library("a")] if is_static else \
        ["-L", install.prefix / "lib", f"-l{install.name}", f"-Wl,-rpath,{install.prefix / 'lib'}"]
    run(*CC, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", *werror(CC), *options, "-pthread",
        f'-DTPARK_IS_IN="{where}"', *install.flags("--cflags"), SOURCES / source, *library, "-ldl",
        "-o", output)
    return output


def try_all(scratch, installs, other_abi):
    kinds = [(f"{kind}-{backend}", install, kind == "static")
             for backend, install in installs.items() for kind in ("static", "shared")]
    plugins = [compile_user(scratch, "plugin.c", f"plugin-{name}.so", install, is_static,
                            "-shared", "-fPIC")
               for name, install, is_static in [*kinds, ("other-abi", other_abi, False)]]
    for plugin in plugins:
        symbols = run("nm", "-D", "--defined-only", plugin).split()
        check("plugin" in symbols and not any(s.startswith("tpark_") for s in symbols),
              f"{plugin.name} shows {symbols}")
    for name, install, is_static in kinds:
        program = compile_user(scratch, "program.c", f"program-{name}", install, is_static,
                               "-fPIE", "-pie", "-rdynamic")
        for order in (plugins, plugins[::-1]):
            run(program, *order)
