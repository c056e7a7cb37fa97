//! Holds the rooms to the table of imports, so that the data flow of `lib.rs` stays the only one.
//!
//! It reads tokens, not lines: braces, paths in expressions, macros and `super::` chains count; comments and strings
//! do not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What each room may import. `cli` puts the rooms together and may import all; nobody may import it.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("base", &[]),
    ("config", &["base"]),
    ("telemetry", &["base", "config"]),
    ("store", &["base"]),
    ("policy", &["base"]),
    ("intake", &["base", "config", "store"]),
    ("metainfo", &["base", "config", "store"]),
    ("seed", &["base", "config", "store", "policy"]),
    ("tracker", &["base", "config", "store", "policy"]),
    ("publish", &["base", "store"]),
    ("device", &["base", "config"]),
    ("admin", &["base", "config", "telemetry", "store", "app"]),
    (
        "app",
        &[
            "base", "config", "store", "policy", "intake", "metainfo", "seed", "tracker", "device",
        ],
    ),
];

/// The rooms whose work a release passes through; none of them knows another.
const STATIONS: [&str; 5] = ["intake", "metainfo", "seed", "tracker", "device"];

/// What `admin` may see of `app`: the handle, the picture that comes through it, the receiver of uploads it hands on, and how a
/// network share is.
const HANDLE: [&str; 14] = [
    "uploads",
    "shares",
    "system",
    "Handle",
    "handle",
    "overview",
    "HistoryView",
    "LimitedBy",
    "Overview",
    "PiecesView",
    "RelayView",
    "ReleaseView",
    "SourceView",
    "UpstreamView",
];

/// One import: the first two segments after the crate's root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    room: String,
    then: Option<String>,
}

/// Every import from the crate's root in `tokens`, which stand `depth` modules below it.
fn imports(tokens: TokenStream, depth: usize, found: &mut BTreeSet<Import>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(rest) = rooted(&tokens, at, depth) {
            tree(&tokens[rest..], &mut Vec::new(), found);
            at = rest;
            continue;
        }
        if is_word(&tokens, at, "mod")
            && let (Some(TokenTree::Ident(_)), Some(TokenTree::Group(body))) =
                (tokens.get(at + 1), tokens.get(at + 2))
        {
            imports(body.stream(), depth + 1, found);
            at += 3;
            continue;
        }
        if let TokenTree::Group(group) = &tokens[at] {
            imports(group.stream(), depth, found);
        }
        at += 1;
    }
}

/// Where the path goes on below the crate's root, when one that starts there starts at `at`: `crate::`,
/// `semoir::`, or as many `super::` as lead up to it.
fn rooted(tokens: &[TokenTree], at: usize, depth: usize) -> Option<usize> {
    if at >= 2 && is_path_separator(tokens, at - 2) {
        return None;
    }
    if (is_word(tokens, at, "crate") || is_word(tokens, at, "semoir"))
        && is_path_separator(tokens, at + 1)
    {
        return Some(at + 3);
    }
    let mut end = at;
    while is_word(tokens, end, "super") && is_path_separator(tokens, end + 1) {
        end += 3;
    }
    ((end - at) / 3 == depth && depth > 0).then_some(end)
}

/// Reads what follows a root: `room`, `room::Thing`, `{room::{self, Thing}, other}`, `*`.
fn tree(tokens: &[TokenTree], path: &mut Vec<String>, found: &mut BTreeSet<Import>) {
    let record = |path: &[String], found: &mut BTreeSet<Import>| {
        if let Some(room) = path.first() {
            found.insert(Import {
                room: room.clone(),
                then: path.get(1).cloned(),
            });
        }
    };
    match tokens.first() {
        Some(TokenTree::Ident(word)) => {
            path.push(word.to_string());
            if is_path_separator(tokens, 1) && path.len() < 2 {
                tree(&tokens[3..], path, found);
            } else {
                record(path, found);
            }
            path.pop();
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let comma =
                |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
            for branch in inner.split(comma) {
                tree(branch, path, found);
            }
        }
        Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
            path.push("*".to_owned());
            record(path, found);
            path.pop();
        }
        _ => {}
    }
}

fn is_word(tokens: &[TokenTree], at: usize, word: &str) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Ident(ident)) if ident == word)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// Why `room` may not import this; none when it may.
fn objection(room: &str, import: &Import) -> Option<String> {
    let other = import.room.as_str();
    if other == room || room == "cli" || room == "main" {
        return None;
    }
    if other == "cli" {
        return Some("`cli` puts the rooms together; nothing may import it".to_owned());
    }
    if other == "*" {
        return Some("a glob of the crate's root hides what is imported".to_owned());
    }
    if STATIONS.contains(&room) && STATIONS.contains(&other) {
        return Some(format!(
            "stations never import one another: let `app` hand `{room}` what it needs of `{other}`"
        ));
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
        return Some(format!(
            "`{room}` is a room that the table of imports does not know"
        ));
    };
    if !allowed.contains(&other) {
        return Some(format!("`{room}` may import only {allowed:?}"));
    }
    let then = import.then.as_deref();
    if room == "admin" && other == "app" && !then.is_some_and(|then| HANDLE.contains(&then)) {
        return Some(
            "`admin` may see of `app` only its handle and what comes through it".to_owned(),
        );
    }
    None
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn imports_of(text: &str, depth: usize) -> BTreeSet<Import> {
    let tokens: TokenStream = text
        .parse()
        .unwrap_or_else(|error| panic!("not Rust ({error}): {text}"));
    let mut found = BTreeSet::new();
    imports(tokens, depth, &mut found);
    found
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let mut sentences = Vec::new();
    for file in files {
        let relative = file
            .strip_prefix(source())
            .expect("below src")
            .with_extension("");
        let modules: Vec<String> = relative
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if modules[0] == "lib" {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source file can be read");
        for import in imports_of(&text, modules.len()) {
            if let Some(why) = objection(&modules[0], &import) {
                let then = import
                    .then
                    .map(|then| format!("::{then}"))
                    .unwrap_or_default();
                sentences.push(format!(
                    "src/{}.rs imports `{}{then}`: {why}.",
                    modules.join("/"),
                    import.room
                ));
            }
        }
    }
    assert!(sentences.is_empty(), "\n{}\n", sentences.join("\n"));
}

#[test]
fn the_layout_names_every_room_and_no_other() {
    let lib = std::fs::read_to_string(source().join("lib.rs")).expect("lib.rs can be read");
    let declared: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let layout = lib
        .split_once("# Layout")
        .expect("lib.rs opens with \"# Layout\"")
        .1;
    let named: BTreeSet<&str> = layout
        .lines()
        .filter_map(|line| {
            line.strip_prefix("//! - [`")?
                .split_once("`]: ")
                .map(|(room, _)| room)
        })
        .collect();
    assert_eq!(
        named, declared,
        "lib.rs's Layout has one line for each room"
    );
    let known: BTreeSet<&str> = MAY_IMPORT
        .iter()
        .map(|(room, _)| *room)
        .chain(["cli"])
        .collect();
    assert_eq!(
        known, declared,
        "the table of imports has one line for each room"
    );
}

#[test]
fn no_way_of_writing_an_import_escapes() {
    let found = |text: &str, depth| -> Vec<String> {
        imports_of(text, depth)
            .into_iter()
            .map(|import| {
                import.then.map_or(import.room.clone(), |then| {
                    format!("{}::{then}", import.room)
                })
            })
            .collect()
    };
    for (text, depth, expected) in [
        ("use crate::store::Store;", 1, vec!["store::Store"]),
        (
            "use crate::{base, seed::{self, swarm::Swarm}, tracker as t};",
            1,
            vec!["base", "seed::self", "seed::swarm", "tracker"],
        ),
        (
            "use crate::{\n  // crate::admin\n  base::*,\n};",
            2,
            vec!["base::*"],
        ),
        ("fn f() { crate::intake::scan(); }", 1, vec!["intake::scan"]),
        (
            "fn f() { println!(\"crate::admin {}\", crate::seed::N); }",
            1,
            vec!["seed::N"],
        ),
        (
            "use super::super::tracker::Tracker; use super::sibling;",
            2,
            vec!["tracker::Tracker"],
        ),
        ("use super::tracker;", 1, vec!["tracker"]),
        (
            "mod tests { use super::super::device; use super::*; }",
            1,
            vec!["device"],
        ),
        ("use crate::*;", 1, vec!["*"]),
        (
            "pub(crate) fn f() -> Result<crate::base::Size, ()> { Err(()) }",
            1,
            vec!["base::Size"],
        ),
        ("use semoir::cli;", 1, vec!["cli"]),
        (
            "/// crate::admin\nuse tokio::net; use other::crate_::admin;",
            1,
            vec![],
        ),
    ] {
        assert_eq!(found(text, depth), expected, "{text}");
    }
}

#[test]
fn what_is_forbidden_is_refused_in_a_sentence() {
    let refused = |room: &str, text: &str| {
        imports_of(text, 1)
            .iter()
            .filter_map(|import| objection(room, import))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(
        refused("seed", "use crate::{base::Size, tracker::Tracker};")
            .contains("stations never import")
    );
    assert!(refused("base", "use crate::config::Paths;").contains("may import only []"));
    assert!(refused("store", "use crate::cli::run;").contains("nothing may import it"));
    assert!(refused("admin", "use crate::app::conductor::Conductor;").contains("only its handle"));
    assert!(refused("garage", "use crate::base::Size;").contains("does not know"));
    assert_eq!(
        refused(
            "admin",
            "use crate::app::{Handle, overview::Overview}; use crate::store::Store;"
        ),
        ""
    );
    assert_eq!(refused("cli", "use crate::{app, admin, publish};"), "");
}
