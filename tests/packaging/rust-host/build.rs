// SPDX-License-Identifier: MIT
//! As the documentation of tpark-sys says, for a shared library that is not installed.
fn main() {
    let directory = std::env::var("DEP_TPARK_LIB_DIR").unwrap();
    if std::env::var_os("HOST_WITHOUT_RPATH").is_none() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{directory}");
    }
    println!("cargo:rerun-if-env-changed=HOST_WITHOUT_RPATH");
    println!("cargo:rustc-env=BACKEND={}", std::env::var("DEP_TPARK_BACKEND").unwrap());
}
