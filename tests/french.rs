//! Holds the errors in the code and their French together: every text that can reach the owner's page stands in
//! `src/admin/french/sentences.txt`, and nothing else does.
//!
//! It reads tokens, not lines, as `tests/architecture.rs` does. What is found: the text of each `#[error("…")]`, the
//! literal of each `Problem::new` and `Problem::retry`, and what is handed to the functions of `SAYING`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Files, and folders of files, whose errors no page can show, and why.
const ELSEWHERE: [(&str, &str); 23] = [
    ("app.rs", "before the page is there"),
    (
        "app/shelf.rs",
        "of a torrent that is taken from the database again: to the log",
    ),
    (
        "base/bencode.rs",
        "of what peers and trackers send, and within the errors of a torrent",
    ),
    ("base/bits.rs", "of what peers send"),
    (
        "base/id.rs",
        "of the command line, and of addresses that no page makes",
    ),
    (
        "base/stage.rs",
        "of a row in the database that this program did not write",
    ),
    ("base/units.rs", "of the command line and the configuration"),
    ("cli", "to a terminal"),
    ("config.rs", "to a terminal"),
    (
        "device/first_boot",
        "of files on the card: to the log, and to a file beside them",
    ),
    ("device/system/helper.rs", "before the system helper serves"),
    (
        "device/system/request.rs",
        "between the box and its system helper; what it refuses is in fault.rs",
    ),
    ("intake/drives/number.rs", "of what the kernel tells"),
    ("intake/mount/helper.rs", "before the mount helper serves"),
    (
        "intake/mount/request.rs",
        "between the box and its mount helper; what it refuses is among the predicates",
    ),
    ("metainfo/content.rs", "of `semoir seed` with a torrent"),
    ("metainfo/parse.rs", "of torrents given on the command line"),
    ("metainfo/piece_length.rs", "of the command line"),
    ("metainfo/verify.rs", "of `semoir seed` with a torrent"),
    ("seed/announce", "of trackers: to the log"),
    ("seed/discovery", "of routers and the network: to the log"),
    ("seed", "of peers: to the log"),
    ("tracker", "to clients"),
];

/// Files within those folders whose errors are shown.
const BUT: [&str; 2] = ["seed/reader.rs", "device/first_boot/wish.rs"];

/// Functions that are handed a sentence, or return one: their file, their name, and whether it is their own literals
/// (`true`) or those of their callers in that file that count.
const SAYING: [(&str, &str, bool); 2] = [
    ("app/orders.rs", "wrong_stage", false),
    ("store/setting.rs", "check_window", true),
];

/// Files that say of a drive or a share what it is or does: each literal that begins like a predicate is one, and is
/// shown after "it".
const OF_IT: [&str; 11] = [
    "app/format.rs",
    "app/places.rs",
    "app/sources.rs",
    "intake/shares/task.rs",
    "intake/drives/judge.rs",
    "intake/drives/watch.rs",
    "intake/mount/condition.rs",
    "intake/mount/drive.rs",
    "intake/mount/format.rs",
    "intake/mount/guard.rs",
    "intake/mount/point.rs",
];

/// Macros whose text goes to the log.
const LOGGED: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// How predicates begin.
const PREDICATES: [&str; 8] = [
    "is ", "was ", "has ", "holds ", "belongs ", "cannot ", "can be ", "does ",
];

/// What an error is filled with, of its own kind: what can be in it is data, and a sentence is not.
const DATA: [&str; 18] = [
    "String",
    "PathBuf",
    "OsString",
    "u8",
    "u16",
    "u32",
    "u64",
    "usize",
    "i32",
    "i64",
    "f64",
    "bool",
    "ReleaseId",
    "SourceId",
    "InfoHash",
    "Url",
    "SocketAddr",
    "Duration",
];

/// Holes of these names are sentences, whatever their type.
const SENTENCES: [&str; 7] = [
    "error", "source", "why", "reason", "what", "doing", "detail",
];

/// One text, as the table has it.
#[derive(Debug, Default)]
struct Said {
    /// Where.
    files: BTreeSet<String>,
    /// Holes that are sentences of their own.
    sentences: BTreeSet<String>,
}

type Texts = BTreeMap<String, Said>;

fn root() -> PathBuf {
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

fn is_shown(file: &str) -> bool {
    let within = |place: &str| file == place || file.starts_with(&format!("{place}/"));
    let elsewhere = ELSEWHERE
        .iter()
        .any(|(place, _)| within(place) || file == format!("{place}.rs"));
    let is_test =
        file.ends_with("tests.rs") || file.contains("/tests/") || file.ends_with("testing.rs");
    !is_test && (!elsewhere || BUT.contains(&file))
}

fn literal(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let text = literal.to_string();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    // A line that goes on: the break and what the next one begins with are no part of it.
    let mut lines = inner.split("\\\n");
    let mut whole = lines.next().unwrap_or_default().to_owned();
    lines.for_each(|line| whole.push_str(line.trim_start()));
    Some(whole.replace("\\\"", "\"").replace("\\n", "\n"))
}

fn literals(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match &token {
            TokenTree::Group(group) => literals(group.stream(), found),
            other => found.extend(literal(other)),
        }
    }
}

/// As the table has it: no full stop, no capital, no `:?` in holes.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    let mut rest = text.strip_suffix('.').unwrap_or(text);
    while let Some((before, after)) = rest.split_once('{') {
        let (hole, after) = after.split_once('}').expect("a hole ends");
        let name = hole.split(':').next().unwrap_or_default();
        bare.push_str(&format!("{before}{{{name}}}"));
        rest = after;
    }
    bare.push_str(rest);
    let mut chars = bare.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string());
    match chars.clone().next() {
        Some(second) if second.is_uppercase() => bare,
        _ => first.unwrap_or_default() + chars.as_str(),
    }
}

fn holes(text: &str) -> Vec<String> {
    let after = text.split('{').skip(1);
    after
        .filter_map(|hole| hole.split_once('}'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// Whether what a variant holds, by the place or the name it has there, is a sentence of its own.
fn is_sentence(hole: &str, fields: Option<&Group>) -> bool {
    if SENTENCES.contains(&hole) {
        return true;
    }
    let (Ok(at), Some(fields)) = (hole.parse::<usize>(), fields) else {
        return false;
    };
    let tokens: Vec<TokenTree> = fields.stream().into_iter().collect();
    let comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
    let field = tokens.split(comma).nth(at).unwrap_or_default();
    let of_type = field.iter().rev().find_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    });
    of_type.is_some_and(|name| !DATA.contains(&name.as_str()))
}

/// What the code says.
#[derive(Debug, Default)]
struct Reader {
    texts: Texts,
    /// Problems whose text cannot be seen.
    unseen: Vec<String>,
}

impl Reader {
    fn say(&mut self, file: &str, text: &str, fields: Option<&Group>) {
        let text = bare(text);
        let sentences = holes(&text)
            .into_iter()
            .filter(|hole| is_sentence(hole, fields))
            .collect();
        let said = self.texts.entry(text).or_default();
        said.files.insert(file.to_owned());
        said.sentences = sentences;
    }

    fn read(&mut self, file: &str, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            // What a file tests is no part of what it says.
            if is_word(tokens.get(at), "mod") && is_word(tokens.get(at + 1), "tests") {
                at += 3;
                continue;
            }
            self.read_error(file, &tokens, at);
            self.read_problem(file, &tokens, at);
            self.read_saying(file, &tokens, at);
            if OF_IT.contains(&file) {
                self.read_predicate(file, &tokens, at);
            }
            // What is logged stays English.
            let is_logged = matches!(tokens.get(at), Some(TokenTree::Ident(name)) if LOGGED.contains(&name.to_string().as_str()))
                && matches!(tokens.get(at + 1), Some(TokenTree::Punct(mark)) if mark.as_char() == '!');
            if is_logged {
                at += 3;
                continue;
            }
            if let TokenTree::Group(group) = &tokens[at] {
                self.read(file, group.stream());
            }
            at += 1;
        }
    }

    /// `#[error("…", …)]`, and the variant or type that it stands before.
    fn read_error(&mut self, file: &str, tokens: &[TokenTree], at: usize) {
        let Some(attribute) = group(tokens.get(at), Delimiter::Bracket) else {
            return;
        };
        let inner: Vec<TokenTree> = attribute.stream().into_iter().collect();
        let (true, Some(TokenTree::Group(arguments))) =
            (is_word(inner.first(), "error"), inner.get(1))
        else {
            return;
        };
        let first = arguments.stream().into_iter().next();
        if let Some(text) = first.as_ref().and_then(literal) {
            let fields = group(tokens.get(at + 2), Delimiter::Parenthesis);
            self.say(file, &text, fields);
        }
    }

    /// `Problem::new(…)` and `Problem::retry(…)`.
    fn read_problem(&mut self, file: &str, tokens: &[TokenTree], at: usize) {
        let is_made = is_word(tokens.get(at), "Problem")
            && (is_word(tokens.get(at + 3), "new") || is_word(tokens.get(at + 3), "retry"));
        let Some(arguments) = group(tokens.get(at + 4), Delimiter::Parenthesis).filter(|_| is_made)
        else {
            return;
        };
        let mut found = Vec::new();
        literals(arguments.stream(), &mut found);
        if found.is_empty() {
            self.unseen
                .push(format!("{file}: Problem::new({})", arguments.stream()));
        }
        found.iter().for_each(|text| self.say(file, text, None));
    }

    /// What is said of "it": the literal itself, outside of documentation.
    fn read_predicate(&mut self, file: &str, tokens: &[TokenTree], at: usize) {
        let is_documentation = at >= 2 && is_word(tokens.get(at - 2), "doc");
        let Some(text) = literal(&tokens[at]).filter(|_| !is_documentation) else {
            return;
        };
        let whole = text.strip_prefix("it ").unwrap_or(&text);
        if PREDICATES.iter().any(|begins| whole.starts_with(begins)) {
            self.say(file, &format!("it {whole}"), None);
        }
    }

    fn read_saying(&mut self, file: &str, tokens: &[TokenTree], at: usize) {
        for (place, function, own) in SAYING {
            let is_it = place == file && is_word(tokens.get(at), function);
            let is_defined = at > 0 && is_word(tokens.get(at - 1), "fn");
            if !is_it || is_defined != own {
                continue;
            }
            let delimiter = if own {
                Delimiter::Brace
            } else {
                Delimiter::Parenthesis
            };
            let after = tokens[at + 1..].iter();
            let body = after
                .filter_map(|token| group(Some(token), delimiter))
                .next();
            let mut found = Vec::new();
            literals(body.expect("it has one").stream(), &mut found);
            found.iter().for_each(|text| self.say(file, text, None));
        }
    }
}

fn read_code() -> Reader {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    let mut reader = Reader::default();
    for path in files {
        let file = path
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if !is_shown(&file) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let tokens = text
            .parse()
            .unwrap_or_else(|error| panic!("{file} is not Rust: {error}"));
        reader.read(&file, tokens);
    }
    reader
}

/// The table: English and French.
fn read_table() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("admin/french/sentences.txt")).unwrap();
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<&str> = lines.collect();
    assert!(
        lines.len().is_multiple_of(2),
        "a line of English without its French, or the other way"
    );
    let pair = |pair: &[&str]| (bare(pair[0]), pair[1].to_owned());
    lines.chunks(2).map(pair).collect()
}

/// What the table has that no error of ours begins with: words within others, of libraries, and of types that are shown
/// by a `Display` of their own.
const OTHERS: [&str; 23] = [
    "failed to deserialize the JSON body into the target type: {why}",
    "failed to parse the request body as JSON: {why}",
    "expected request with `Content-Type: application/json`",
    "failed to buffer the request body: length limit exceeded",
    "failed to buffer the request body: {why}",
    "failed to deserialize query string: {why}",
    "title",
    "description",
    "disk I/O error",
    "database or disk is full",
    "database is locked",
    "attempt to write a readonly database",
    "database disk image is malformed",
    "unable to open database file",
    "hidden",
    "left there by a system",
    "a symbolic link, which is not followed",
    "a pipe, socket or device, not a file",
    "unexpected end of file",
    "failed to fill whole buffer",
    "entity not found",
    "permission denied",
    "operation timed out",
];

#[test]
fn every_error_is_known_in_french() {
    let code = read_code();
    assert!(
        code.texts.len() > 80,
        "only {} texts were found",
        code.texts.len()
    );
    assert_eq!(
        code.unseen, [""; 0],
        "say it with a literal, so that its French is not forgotten"
    );
    let table: BTreeMap<String, String> = read_table().into_iter().collect();
    let missing: Vec<String> = code
        .texts
        .iter()
        .filter(|(text, _)| !table.contains_key(*text))
        .map(|(text, said)| format!("{text}\n    of {:?}", said.files))
        .collect();
    assert!(
        missing.is_empty(),
        "src/admin/french/sentences.txt has no French for:\n{}",
        missing.join("\n")
    );
}

#[test]
fn nothing_is_in_the_table_that_nobody_says() {
    let code = read_code();
    let mut seen = BTreeSet::new();
    for (english, _) in read_table() {
        let known = code.texts.contains_key(&english) || OTHERS.contains(&english.as_str());
        assert!(known, "nobody says {english:?} any more");
        assert!(seen.insert(english.clone()), "{english:?} is there twice");
    }
}

#[test]
fn errors_within_errors_are_looked_up_or_quoted() {
    let code = read_code();
    let table: BTreeMap<String, String> = read_table().into_iter().collect();
    for (text, said) in &code.texts {
        let Some(french) = table.get(text) else {
            continue;
        };
        for hole in &said.sentences {
            let plain = french.contains(&format!("{{{hole}}}"));
            let quoted = french.contains(&format!("« {{{hole}}} »"));
            assert!(
                !plain || quoted,
                "{hole} of {text:?} is a sentence: write {{{hole}!}}, or « {{{hole}}} » for the words of a program"
            );
        }
    }
}

#[test]
fn the_reader_sees_what_is_said() {
    let mut reader = Reader::default();
    let code = r##"
        enum E {
            #[error("{path} holds {0:?}: {1}", path.display())]
            A(String, io::Error),
            #[error(transparent)]
            B(#[from] Other),
            #[error("it goes \
                     on")]
            C { why: &'static str },
        }
        fn f() { Err(Problem::new(StatusCode::CONFLICT, format!("No {name}."))) }
        fn g() { Problem::new(status, why) }
        mod tests { fn h() { Problem::new(status, "In a test.") } }
    "##;
    reader.read("x.rs", code.parse().unwrap());
    let texts: Vec<&String> = reader.texts.keys().collect();
    assert_eq!(texts, ["it goes on", "no {name}", "{path} holds {0}: {1}"]);
    let sentences = &reader.texts["{path} holds {0}: {1}"].sentences;
    assert_eq!(sentences.iter().collect::<Vec<_>>(), ["1"]);
    assert_eq!(reader.unseen.len(), 1, "{:?}", reader.unseen);
}
