//! What an owner hands out of a release: a snippet, a QR code, a page that needs no box behind it.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::{Color, EcLevel, QrCode};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::html::{Escaped, files, size};
use super::pages::{Links, Look, Share, Shell, Systems, summary};
use crate::base::{Contact, Handout, Press};

/// Bytes in a QR code: as many as version 11 holds, 61 modules wide, whose modules a telephone still tells apart in an image
/// of a few centimetres. A page's address has about 80.
const MAX_QR_BYTES: usize = 320;

/// Modules of white around a QR code (ISO/IEC 18004, 6.3.8).
const QUIET_ZONE: usize = 4;

/// Characters of a name that become a file name. File systems take 255 bytes, which are 60 characters at worst.
const MAX_NAME_CHARS: usize = 60;

/// Names that Windows keeps for devices, whatever follows the dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Makes what is handed out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Printer;

impl Press for Printer {
    fn snippet(&self, handout: &Handout<'_>) -> String {
        let language = handout.language;
        let (page, torrent, magnet) = (handout.page(), handout.torrent_url(), handout.magnet());
        format!(
            "<p><a href=\"{}\"><strong><bdi>{}</bdi></strong></a> ({}, {})<br>\n\
             <a href=\"{}\">{}</a> · <a href=\"{}\">{}</a></p>\n",
            Escaped(page),
            Escaped(handout.name),
            size(handout.size, language),
            files(handout.total_files, language),
            Escaped(torrent),
            language.pick("Download (.torrent)", "Télécharger (.torrent)"),
            Escaped(magnet),
            language.pick("Open in app (magnet)", "Ouvrir dans l’appli (magnet)"),
        )
    }

    fn qr(&self, text: &str) -> Option<String> {
        if text.len() > MAX_QR_BYTES {
            return None;
        }
        // The lowest level that still forgives a fold or a reflection: what is longer is shown on a screen anyway.
        let level = if text.len() > 200 {
            EcLevel::L
        } else {
            EcLevel::M
        };
        let code = QrCode::with_error_correction_level(text, level).ok()?;
        let (width, colors) = (code.width(), code.to_colors());
        let whole = width + 2 * QUIET_ZONE;
        let mut path = String::new();
        for (row, modules) in colors.chunks(width).enumerate() {
            let y = row + QUIET_ZONE;
            let mut x = 0;
            for run in modules.chunk_by(|a, b| a == b) {
                if run[0] == Color::Dark {
                    // Writing into a string cannot fail.
                    let _ = write!(
                        path,
                        "M{} {y}h{}v1h-{}z",
                        x + QUIET_ZONE,
                        run.len(),
                        run.len()
                    );
                }
                x += run.len();
            }
        }
        // Black on white also in the dark: readers look for dark on light.
        Some(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" \
             shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{whole}v{whole}H0z\"/>\
             <path d=\"{path}\"/></svg>\n"
        ))
    }

    fn archive(&self, handout: &Handout<'_>) -> Vec<u8> {
        let torrent = format!("{}.torrent", file_name(handout.name));
        let page = kept_page(handout, &torrent);
        // Piece hashes do not get smaller, and a page of some KiB need not.
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let mut put = |name: &str, bytes: &[u8]| {
            zip.start_file(name, stored)?;
            zip.write_all(bytes)?;
            zip::result::ZipResult::Ok(())
        };
        let put =
            put("index.html", page.as_bytes()).and_then(|()| put(&torrent, &handout.torrent()));
        // Into memory, two names that differ: nothing can refuse them.
        put.and_then(|()| zip.finish())
            .map(Cursor::into_inner)
            .unwrap_or_default()
    }
}

/// The page in the archive. It stands beside `torrent`, opens from a file or any web server, and asks nobody for anything.
fn kept_page(handout: &Handout<'_>, torrent: &str) -> String {
    let language = handout.language;
    let contact = handout.contact.and_then(Contact::read);
    let href = format!("./{}", utf8_percent_encode(torrent, NON_ALPHANUMERIC));
    let body = Share {
        language,
        name: handout.name,
        info_hash: handout.info_hash,
        size: handout.size,
        files: handout.files,
        total_files: handout.total_files,
        // Both would be out of date as soon as the page is elsewhere.
        note: None,
        carried: None,
        links: Links {
            torrent: &href,
            magnet: &handout.magnet(),
            home: None,
        },
        systems: Systems::All,
    };
    let shell = Shell {
        language,
        look: Look::Inline,
        title: handout.name,
        heading: handout.name,
        description: &summary(language, handout.size, handout.total_files),
        site: "",
        url: None,
        card: None,
        robots: true,
        has_feed: false,
        contact: contact.as_ref(),
    };
    shell.around(body)
}

/// A name as every file system takes it: no separators, no signs that mean something to a shell of Windows, no
/// device, no blank or dot at an end.
fn file_name(name: &str) -> String {
    let plain = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        c if c.is_control() || is_direction(c) => '_',
        c => c,
    };
    let name: String = name.chars().take(MAX_NAME_CHARS).map(plain).collect();
    let name = name.trim_matches([' ', '.']);
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let device = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_device = DEVICES.contains(&device.to_ascii_lowercase().as_str()) && stem.len() <= 4;
    match name {
        "" => "release".to_owned(),
        name if is_device => format!("_{name}"),
        name => name.to_owned(),
    }
}

/// Signs that turn the direction of what follows, by which a name can hide its end.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
