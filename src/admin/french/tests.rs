use super::*;

#[test]
fn sentences_keep_their_form() {
    for (english, expected) in [
        ("The password is wrong.", "Ce n’est pas le mot de passe."),
        (
            "Too many tries. Try again in 31 seconds.",
            "Trop d’essais. Réessayez dans 31 secondes.",
        ),
        ("it is shared already", "elle est déjà partagée"),
        (
            "\"a \\\"b\\\"\" needs 1.5 GiB, and only 512 MiB can be used",
            "«\u{a0}a \"b\"\u{a0}» demande 1,5\u{a0}Gio, et il n’y a que 512\u{a0}Mio d’utilisables",
        ),
        (
            "Release 4 cannot be changed so now: its files cannot be deleted: Permission denied (os error 13).",
            "La publication 4 ne peut pas être changée ainsi maintenant\u{a0}: ses fichiers ne peuvent pas être effacés\u{a0}: permission refusée.",
        ),
        (
            "/media/Dune: Part Two.mkv: No space left on device (os error 28)",
            "/media/Dune: Part Two.mkv\u{a0}: plus de place sur le disque",
        ),
        (
            // As another C library says it.
            "/media cannot be looked at: I/O error (os error 5)",
            "/media ne peut pas être parcouru\u{a0}: erreur de lecture ou d’écriture",
        ),
        (
            "cannot read /media/a: Level 3 halted (os error 46)",
            "impossible de lire /media/a\u{a0}: «\u{a0}Level 3 halted\u{a0}»",
        ),
        (
            "The box could not write its state down: could not save release 3: database or disk is full.",
            "Le boîtier n’a pas pu noter son état\u{a0}: la base de données du boîtier a refusé\u{a0}: plus de place sur le disque.",
        ),
        (
            "The new system did not come to serve: the port 80 is taken.",
            "Le nouveau système n’est pas arrivé à se mettre en service\u{a0}: «\u{a0}the port 80 is taken\u{a0}».",
        ),
        (
            "The new system did not come to serve: the box is shutting down.",
            "Le nouveau système n’est pas arrivé à se mettre en service\u{a0}: le boîtier est en train de s’arrêter.",
        ),
    ] {
        assert_eq!(french(english).as_deref(), Some(expected), "{english}");
    }
}

#[test]
fn what_is_not_known_stays_as_it_is() {
    for sentence in [
        "",
        ".",
        "Nobody ever said this.",
        "/media/a is a film about pipes",
        "something: else",
        "release 4 cannot be changed so now: it rains",
    ] {
        assert_eq!(french(sentence), None, "{sentence}");
    }
}

#[test]
fn a_hostile_name_takes_no_time() {
    let name = ": ".repeat(MAX_LENGTH / 4);
    let started = std::time::Instant::now();
    assert_eq!(french(&format!("{name}is {name}: {name}")), None);
    assert_eq!(french(&"x".repeat(1 << 20)), None);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn every_line_fills_all_of_its_holes() {
    let said = |parts: &[Part]| -> Vec<String> {
        let name = |part: &Part| match part {
            Part::Hole { name, .. } => Some(name.clone()),
            Part::Text(_) => None,
        };
        parts.iter().filter_map(name).collect()
    };
    for entry in &TABLE.0 {
        let (english, french) = (said(&entry.english), said(&entry.french));
        for hole in &french {
            assert!(english.contains(hole), "{hole}: {entry:?}");
        }
    }
}

#[test]
fn only_what_is_asked_for_is_translated() {
    let mut text = "The password is wrong.".to_owned();
    translate(&mut text, Language::English);
    assert_eq!(text, "The password is wrong.");
    translate(&mut text, Language::French);
    assert_eq!(text, "Ce n’est pas le mot de passe.");
}
