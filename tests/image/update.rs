//! Updates: made, verified, refused when altered or another's, and put where they belong.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::card::{make_card, stand_ins};
use super::{boards, output, run, script, top, write};

/// Has RAUC read the bundle whole, as an installation does; whether it did.
fn opens(bundle: &Path, keyring: &Path) -> bool {
    let into = tempfile::tempdir().unwrap();
    let mut command = Command::new("rauc");
    command
        .arg("extract")
        .arg(format!("--keyring={}", keyring.display()))
        .arg(bundle)
        .arg(into.path().join("content"));
    output(&mut command).status.success()
}

#[test]
fn an_update_is_refused_when_it_was_altered() {
    let images = tempfile::tempdir().unwrap();
    let images = images.path();
    stand_ins(images, "rpi4");
    make_card(images, "rpi4");
    let (bundle, cert) = (images.join("semoir.raucb"), images.join("key/cert.pem"));
    let info = run(Command::new("rauc")
        .arg("info")
        .arg(format!("--keyring={}", cert.display()))
        .arg(&bundle));
    assert!(
        info.contains("'semoir-rpi4'") && info.contains("'1.2.3'"),
        "{info}"
    );
    assert!(opens(&bundle, &cert));

    // One bit, wherever it is: what is installed, what is said about it, the signature.
    let whole = fs::read(&bundle).unwrap();
    let altered = images.join("altered.raucb");
    for at in [
        100,
        4096,
        whole.len() / 2,
        whole.len() - 1500,
        whole.len() - 20,
        whole.len() - 1,
    ] {
        fs::write(&altered, &whole).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&altered).unwrap();
        file.write_all_at(&[whole[at] ^ 1], at as u64).unwrap();
        assert!(!opens(&altered, &cert), "byte {at} of {}", whole.len());
    }
    fs::write(&altered, &whole[..whole.len() - 4096]).unwrap();
    assert!(!opens(&altered, &cert), "cut short");

    run(script("key.sh").arg(images.join("stranger")));
    assert!(
        !opens(&bundle, &images.join("stranger/cert.pem")),
        "signed by somebody else"
    );
}

/// Buildroot's last step on the root: what this is, who may update it, and how RAUC chooses the slot.
#[test]
fn rauc_understands_the_configuration_of_each_board() {
    for board in boards() {
        let dir = tempfile::tempdir().unwrap();
        let (images, target) = (dir.path().join("images"), dir.path().join("target"));
        fs::create_dir(&images).unwrap();
        for folder in ["etc", "usr/lib"] {
            fs::create_dir_all(target.join(folder)).unwrap();
        }
        stand_ins(&images, &board);
        make_card(&images, &board);
        run(script("post-build.sh")
            .args([target.as_os_str(), board.as_ref()])
            .env("SEMOIR_RELEASE", "1.2.3")
            .env("SEMOIR_KEYRING", images.join("key/cert.pem")));
        let config = target.join("etc/rauc/system.conf");
        let text = fs::read_to_string(&config).unwrap();
        assert!(
            !text.contains('@') && text.contains(&format!("compatible=semoir-{board}\n")),
            "{text}"
        );
        // RAUC reads it, and the certificates beside it.
        let mut rauc = Command::new("rauc");
        rauc.arg("-c")
            .arg(&config)
            .arg("info")
            .arg(images.join("semoir.raucb"));
        assert!(run(&mut rauc).contains("'1.2.3'"));
        let release = fs::read_to_string(target.join("etc/os-release")).unwrap();
        assert!(
            release.contains(&format!("VARIANT_ID={board}")),
            "{release}"
        );
        let tryboot = target.join("usr/lib/semoir/tryboot");
        assert_eq!(
            text.contains("bootloader-custom-backend=/usr/lib/semoir/tryboot"),
            tryboot.exists(),
            "{board}"
        );
        // And notices what is wrong with one.
        fs::write(&config, text.replace("bootname=B", "bootnam=B")).unwrap();
        let mut rauc = Command::new("rauc");
        rauc.arg("-c")
            .arg(&config)
            .arg("info")
            .arg(images.join("semoir.raucb"));
        assert!(!output(&mut rauc).status.success(), "{board}");
    }
}

#[test]
fn a_key_is_made_once_and_kept_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    run(script("key.sh").arg(dir.path()));
    let key = dir.path().join("key.pem");
    let first = fs::read(&key).unwrap();
    run(script("key.sh").arg(dir.path()));
    assert_eq!(fs::read(&key).unwrap(), first);
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

/// RAUC starts the hook out of the bundle, and tells it by the environment what to do.
#[test]
fn a_kernel_goes_into_the_folder_of_its_slot_and_is_told_its_root() {
    let dir = tempfile::tempdir().unwrap();
    let boot = dir.path().join("boot");
    write(&boot.join("slot-a/Image.gz"), "the running kernel");
    write(&boot.join("slot-b/Image.gz"), "an older kernel");
    write(&boot.join("slot-b/left-over.dtb"), "of the older kernel");
    let kernel = "the new kernel ".repeat(8192);
    write(&dir.path().join("new/Image.gz"), &kernel);
    fs::copy(
        top().join("board/raspberrypi/cmdline.txt"),
        dir.path().join("new/cmdline.txt"),
    )
    .unwrap();
    let tar = dir.path().join("boot.tar");
    run(Command::new("tar")
        .arg("-C")
        .arg(dir.path().join("new"))
        .arg("-cf")
        .arg(&tar)
        .arg("."));
    let hook = |slot: &str, image: &Path| {
        let mut command = Command::new(top().join("board/common/update-hook.sh"));
        command.arg("slot-install").env("SEMOIR_BOOT", &boot);
        command
            .env("RAUC_SLOT_NAME", slot)
            .env("RAUC_IMAGE_NAME", image);
        output(&mut command)
    };
    let read = |name: &str| fs::read_to_string(boot.join(name)).unwrap();

    // An image that breaks off leaves what was there.
    let broken = dir.path().join("broken.tar");
    fs::write(&broken, &fs::read(&tar).unwrap()[..20_000]).unwrap();
    assert!(!hook("boot.1", &broken).status.success());
    assert_eq!(read("slot-b/Image.gz"), "an older kernel");

    let out = hook("boot.1", &tar);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(read("slot-b/Image.gz"), kernel);
    assert!(!boot.join("slot-b/left-over.dtb").exists() && !boot.join("slot-b.new").exists());
    let line = read("slot-b/cmdline.txt");
    assert!(
        line.contains("root=PARTUUID=5e301a7e-03") && line.contains("rauc.slot=B"),
        "{line}"
    );
    assert_eq!(read("slot-a/Image.gz"), "the running kernel");
    assert!(!hook("boot.2", &tar).status.success());
}

/// The list that Raspberry Pi Imager takes a system from: it refuses an image whose sum is another.
#[test]
fn raspberry_pi_imager_is_told_what_it_writes() {
    let out = tempfile::tempdir().unwrap();
    let image = out.path().join("semoir-rpi4-1.2.3.img");
    write(&image, vec![7; 1 << 20]);
    run(Command::new("xz").arg("-k").arg(&image));
    let packed = out.path().join("semoir-rpi4-1.2.3.img.xz");
    let imager = |board: &str, url: &[(&str, &str)]| {
        let mut command = script("imager.sh");
        command.args([board, "1.2.3"]).args([&image, &packed]);
        output(command.envs(url.iter().copied()))
    };
    let said = |out: std::process::Output| String::from_utf8_lossy(&out.stdout).into_owned();
    let printed = said(imager("rpi4", &[]));
    let list: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let [entry] = list["os_list"].as_array().unwrap().as_slice() else {
        panic!("{printed}");
    };
    let sum = |path: &Path| {
        let printed = run(Command::new("sha256sum").arg(path));
        printed.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(entry["extract_size"], 1 << 20);
    assert_eq!(entry["extract_sha256"], sum(&image));
    assert_eq!(
        entry["image_download_size"],
        fs::metadata(&packed).unwrap().len()
    );
    assert_eq!(entry["image_download_sha256"], sum(&packed));
    assert_eq!(entry["url"], format!("file://{}", packed.display()));
    assert_eq!(entry["init_format"], "systemd");
    assert_eq!(entry["devices"], serde_json::json!(["pi4-64bit"]));

    // Where it is to be had, for everybody.
    let printed = said(imager(
        "rpi4",
        &[("SEMOIR_URL", "https://example.org/semoir/")],
    ));
    assert!(printed.contains("https://example.org/semoir/semoir-rpi4-1.2.3.img.xz"));
    // QEMU's machine is nobody's card.
    assert!(!imager("qemu", &[]).status.success());
}
