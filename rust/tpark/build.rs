// SPDX-License-Identifier: MIT
//! Hands on which backend tpark-sys found.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("DEP_TPARK_BACKEND").as_deref() == Ok("futex") {
        println!("cargo:rustc-cfg=tpark_futex");
    }
}
