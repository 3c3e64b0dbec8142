// SPDX-License-Identifier: MIT
//! Makes or finds the library, as the crate's documentation says.
use std::path::{Path, PathBuf};
use std::process::{exit, Command};
use std::{env, fs};

/// A library without it is older than these bindings.
const NEWEST: &[u8] = b"tpark_current_borrow";

fn fail(why: String) -> ! {
    eprintln!("tpark-sys: {why}");
    exit(1)
}

/// What cargo sets for every build script.
fn from_cargo(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// What the user may set; cargo runs this again when it changes.
fn from_user(name: &str) -> Option<String> {
    println!("cargo:rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// For the target alone, `CC_x86_64_unknown_linux_gnu` say, or for all; as the crate cc does it.
fn from_user_for_target(name: &str) -> Option<String> {
    let target = from_cargo("TARGET");
    let of_target = from_user(&format!("{name}_{}", target.replace('-', "_")));
    let of_all = from_user(name).filter(|_| target == from_cargo("HOST"));
    of_target.or(of_all)
}

fn run(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(format!("{command:?}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr)))
    }
}

/// A relative path is meant from where cargo was started; this runs in the crate's directory.
fn absolute(path: &str) -> PathBuf {
    let start = fs::read_link(format!("/proc/{}/cwd", std::os::unix::process::parent_id()))
        .ok()
        .or_else(|| env::var_os("PWD").map(PathBuf::from))
        .unwrap_or_default();
    start.join(path)
}

/// The first library of these names: the shared one, unless the static one is asked for, or alone.
fn find(directories: &[PathBuf], names: &[String]) -> PathBuf {
    let kinds: &[&str] = if cfg!(feature = "static") { &["a"] } else { &["so", "a"] };
    for directory in directories {
        for name in names {
            for kind in kinds {
                let library = directory.join(format!("lib{name}.{kind}"));
                if library.exists() {
                    return library;
                }
            }
        }
    }
    let (names, kinds) = (names.join(" or lib"), kinds.join(" or ."));
    fail(format!("no lib{names}, .{kinds}, in {directories:?}"))
}

fn find_in(directory: PathBuf) -> PathBuf {
    let names: Vec<_> = match from_user("TPARK_BACKEND") {
        Some(backend) => vec![format!("tpark-{backend}")],
        None => ["tpark", "tpark-futex", "tpark-pthread"].map(String::from).into(),
    };
    find(&[directory], &names)
}

fn ask_pkg_config() -> PathBuf {
    for name in ["PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        from_user(name);
    }
    let pkg_config = from_user("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let package = from_user("TPARK_BACKEND").map_or("tpark".into(), |name| format!("tpark-{name}"));
    let answer = run(Command::new(pkg_config)
        .args(["--libs", &format!("{package} >= {}", from_cargo("CARGO_PKG_VERSION"))])
        .env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1"))
    .unwrap_or_else(|why| {
        fail(format!("{why}Set PKG_CONFIG_PATH, or TPARK_LIB_DIR, or leave out feature system."))
    });
    let words = |option| answer.split_whitespace().filter_map(move |w| w.strip_prefix(option));
    let directories: Vec<_> = words("-L").map(absolute).collect();
    let names: Vec<_> = words("-l").map(String::from).collect();
    find(&directories, &names)
}

fn compile(out: &Path) -> PathBuf {
    let here = PathBuf::from(from_cargo("CARGO_MANIFEST_DIR"));
    let [sources, headers] = ["csrc", "include"].map(|name| {
        let path = here.join(name);
        // It is a link in the source tree, whose own time tells nothing.
        let path = path.canonicalize().unwrap_or_else(|why| fail(format!("{path:?}: {why}")));
        println!("cargo:rerun-if-changed={}", path.display());
        path
    });
    println!("cargo:include={}", headers.display());
    let backend: &[_] = match from_user("TPARK_BACKEND").as_deref() {
        None | Some("futex") => &[],
        Some("pthread") => &["-DTPARK_BACKEND_PTHREAD"],
        Some(what) => fail(format!("TPARK_BACKEND is {what}, neither futex nor pthread")),
    };
    let files: Vec<_> = fs::read_dir(&sources)
        .unwrap_or_else(|why| fail(format!("{sources:?}: {why}")))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().map_or(false, |extension| extension == "c"))
        .collect();

    let compiler = from_user_for_target("CC").unwrap_or_else(|| {
        if from_cargo("TARGET") == from_cargo("HOST") {
            return "cc".into();
        }
        let variable = format!("CC_{}", from_cargo("TARGET").replace('-', "_"));
        env::var("RUSTC_LINKER").unwrap_or_else(|_| fail(format!("{variable} is not set")))
    });
    let mut compiler = compiler.split_whitespace();
    let flags = from_user_for_target("CFLAGS").unwrap_or_default();
    let compiled = run(Command::new(compiler.next().unwrap_or("cc"))
        .args(compiler)
        .args(["-std=c11", "-O2", "-fPIC", "-pthread"])
        .args((from_cargo("DEBUG") != "false").then_some("-g"))
        .args(backend)
        .args(flags.split_whitespace())
        .arg("-I")
        .arg(&headers)
        .arg("-c")
        .args(&files)
        .current_dir(out));
    compiled.unwrap_or_else(|why| fail(why));

    let library = out.join("libtpark.a");
    let _ = fs::remove_file(&library); // what an archiver would add to
    let objects =
        files.iter().filter_map(|path| Some(Path::new(path.file_stem()?).with_extension("o")));
    let archiver = from_user_for_target("AR").unwrap_or_else(|| "ar".into());
    run(Command::new(archiver).arg("crs").arg(&library).args(objects).current_dir(out))
        .unwrap_or_else(|why| fail(why));
    library
}

/// Links to a shared library under all of its names, in a directory where the loader looks when
/// cargo runs a program or a test: the loader may not know the library's own.
fn link_into(links: &Path, library: &Path) -> std::io::Result<()> {
    let _ = fs::remove_dir_all(links);
    fs::create_dir_all(links)?;
    let real = library.canonicalize()?;
    for entry in fs::read_dir(library.parent().unwrap_or(library))? {
        let path = entry?.path();
        if path.canonicalize().ok().as_ref() == Some(&real) {
            std::os::unix::fs::symlink(&path, links.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

fn main() {
    let out = PathBuf::from(from_cargo("OUT_DIR"));
    let library = match from_user("TPARK_LIB_DIR") {
        Some(directory) => find_in(absolute(&directory)),
        None if cfg!(feature = "system") => ask_pkg_config(),
        None => compile(&out),
    };
    let bytes = fs::read(&library).unwrap_or_else(|why| fail(format!("{library:?}: {why}")));
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    if !has(NEWEST) {
        fail(format!("{} is older than this crate", library.display()));
    }
    let (name, directory) =
        (library.file_stem().unwrap_or_default(), library.parent().unwrap_or(&out));
    let name = name.to_string_lossy();
    let name = name.trim_start_matches("lib");
    if directory != out {
        println!("cargo:rerun-if-changed={}", library.display());
    }
    if library.extension().map_or(false, |extension| extension == "a") {
        println!("cargo:rustc-link-lib=static={name}");
        println!("cargo:rustc-link-search=native={}", directory.display());
    } else {
        let links = out.join("lib");
        link_into(&links, &library).unwrap_or_else(|why| fail(format!("{links:?}: {why}")));
        println!("cargo:rustc-link-lib=dylib={name}");
        println!("cargo:rustc-link-search=native={}", links.display());
    }
    println!("cargo:lib_dir={}", directory.display());
    if has(b"tpark_futex_word") {
        println!("cargo:rustc-cfg=tpark_futex");
        println!("cargo:backend=futex");
    } else {
        println!("cargo:backend=pthread");
    }
}
