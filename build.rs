//! Makes the folder of the built page where there is none yet, so that the daemon builds without node, and builds
//! again when the page was.

fn main() {
    // A source tree that cannot be written to has the folder already, or builds without the page.
    let _ = std::fs::create_dir_all("web/dist");
    println!("cargo:rerun-if-changed=web/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
