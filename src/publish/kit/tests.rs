use std::io::Read;

use super::*;
use crate::base::{Authority, InfoHash, Language};

const HOSTILE: &str = "<script>alert('1')</script> \"& ../é\u{202e}gpj.mkv";

fn with<T>(name: &str, language: Language, use_it: impl FnOnce(&Handout<'_>) -> T) -> T {
    let public: Authority = "box.example:6880".parse().unwrap();
    let trackers = ["http://box.example:6880/announce".to_owned()];
    let files = [("sub/<i>.txt".into(), 5), ("b".into(), 6)];
    use_it(&Handout {
        raw_name: name.as_bytes(),
        name,
        info_hash: InfoHash([0xab; 20]),
        size: 1536,
        files: &files,
        total_files: 3,
        info: b"d1:xi1ee",
        trackers: &trackers,
        public: &public,
        contact: Some("me@box.example"),
        language,
    })
}

#[test]
fn a_snippet_can_be_pasted_anywhere() {
    let snippet = with(HOSTILE, Language::English, |h| Printer.snippet(h));
    let xml = snippet.replace("<br>", "<br/>");
    let document = roxmltree::Document::parse(&xml).unwrap();
    let named = |tag| {
        document
            .descendants()
            .filter(move |node| node.has_tag_name(tag))
    };
    assert_eq!(named("bdi").next().unwrap().text(), Some(HOSTILE));
    let links: Vec<_> = named("a").filter_map(|a| a.attribute("href")).collect();
    let hash = "ab".repeat(20);
    assert_eq!(links[0], format!("http://box.example:6880/r/{hash}"));
    assert_eq!(
        links[1],
        format!("http://box.example:6880/t/{hash}.torrent")
    );
    assert!(
        links[2].starts_with(&format!("magnet:?xt=urn:btih:{hash}&dn=%3Cscript")),
        "{links:?}"
    );
    assert!(
        !snippet.contains("<script") && !snippet.contains("style"),
        "{snippet}"
    );
    let french = with("a", Language::French, |h| Printer.snippet(h));
    assert!(
        french.contains("Télécharger") && french.contains("3 fichiers"),
        "{french}"
    );
}

/// Paints the SVG's path, which is all runs of one row, and reads it as a camera would.
fn read(svg: &str) -> String {
    const SCALE: usize = 4;
    let document = roxmltree::Document::parse(svg).unwrap();
    let view = document.root_element().attribute("viewBox").unwrap();
    let whole: usize = view.rsplit(' ').next().unwrap().parse().unwrap();
    let mut dark = vec![false; whole * whole];
    let path = document
        .descendants()
        .filter(|node| node.has_tag_name("path"))
        .nth(1)
        .and_then(|node| node.attribute("d"))
        .unwrap();
    for run in path.split_terminator('z') {
        let (start, length) = run[1..].split_once('h').unwrap();
        let (x, y) = start.split_once(' ').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let length: usize = length.split('v').next().unwrap().parse().unwrap();
        dark[y * whole + x..][..length].fill(true);
    }
    let pixel = |x: usize, y: usize| {
        if dark[(y / SCALE) * whole + x / SCALE] {
            0
        } else {
            255
        }
    };
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(whole * SCALE, whole * SCALE, pixel);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code is seen");
    grids[0].decode().unwrap().1
}

#[test]
fn a_telephone_reads_the_code() {
    let page = with("a", Language::English, |h| h.page());
    assert_eq!(read(&Printer.qr(&page).unwrap()), page);
    let magnet = with(HOSTILE, Language::English, |h| h.magnet());
    assert_eq!(read(&Printer.qr(&magnet).unwrap()), magnet);
    let longest = "m".repeat(MAX_QR_BYTES);
    assert_eq!(read(&Printer.qr(&longest).unwrap()), longest);
    assert_eq!(Printer.qr(&"m".repeat(MAX_QR_BYTES + 1)), None);
}

#[test]
fn the_archive_holds_a_page_and_the_torrent_it_links_to() {
    for language in [Language::English, Language::French] {
        let (bytes, torrent) = with(HOSTILE, language, |h| (Printer.archive(h), h.torrent()));
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<String> = zip
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "index.html",
                "_script_alert('1')__script_ _& .._é_gpj.mkv.torrent"
            ]
        );
        for name in &names {
            assert!(
                zip.by_name(name).unwrap().enclosed_name().is_some(),
                "{name}"
            );
        }
        let mut kept = Vec::new();
        zip.by_index(1).unwrap().read_to_end(&mut kept).unwrap();
        assert_eq!(kept, torrent);
        let mut page = String::new();
        zip.by_index(0).unwrap().read_to_string(&mut page).unwrap();
        let href = page.split("class=\"button\" href=\"").nth(1).unwrap();
        let href = href.split('"').next().unwrap();
        let linked = percent_encoding::percent_decode_str(href)
            .decode_utf8()
            .unwrap();
        assert_eq!(linked, format!("./{}", names[1]));
        assert!(page.contains(&format!("lang=\"{}\"", language.tag())));
        assert!(page.contains("magnet:?xt=urn:btih:") && page.contains("sub/&lt;i&gt;.txt"));
        assert!(page.contains("mailto:me@box.example"));
        assert!(
            !page.contains("<script") && !page.contains("<link"),
            "{page}"
        );
        for system in ["Windows", "macOS", "Linux", "Android", "iPhone"] {
            assert!(page.contains(system), "{system}");
        }
    }
}

#[test]
fn every_file_system_takes_the_name() {
    for (name, file) in [
        ("film.mkv", "film.mkv"),
        ("", "release"),
        ("..", "release"),
        (" . ", "release"),
        ("a/b\\c:d", "a_b_c_d"),
        ("a\u{0}\n\u{202e}b", "a___b"),
        ("CON", "_CON"),
        ("com1.mkv", "_com1.mkv"),
        ("aux .x", "_aux .x"),
        ("Condor", "Condor"),
        ("COMMA", "COMMA"),
        ("Été…", "Été…"),
    ] {
        assert_eq!(file_name(name), file, "{name:?}");
    }
    assert!(file_name(&"\u{1f33e}".repeat(300)).len() + ".torrent".len() <= 255);
}
