// SPDX-License-Identifier: MIT
//! Finds the library: in TPARK_LIB_DIR (a build directory, say), or where pkg-config says.
use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=TPARK_LIB_DIR");
    let dir = env::var("TPARK_LIB_DIR").ok().or_else(|| {
        let asked =
            Command::new("pkg-config").args(["--variable=libdir", "tpark"]).output().ok()?;
        let dir = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
        (!dir.is_empty()).then_some(dir)
    });
    if let Some(dir) = dir {
        println!("cargo:rustc-link-search=native={dir}");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{dir}");
    }
}
