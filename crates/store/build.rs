//! New migrations make the crate build again.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
