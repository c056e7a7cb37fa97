//! What the kernel reports of the board, read from sysfs.
//!
//! - `class/hwmon/*/name` is `rpi_volt`: `in0_lcrit_alarm` is 1 when the supply was too low since the driver asked the
//!   firmware last, every two seconds.
//! - `devices/platform/soc*/*:firmware/get_throttled`: the firmware's own bits, in hex, on kernels that have it.
//! - `class/thermal/thermal_zone*`: temperatures and trip points; `class/thermal/cooling_device*`: whether the kernel slows
//!   the processor down.
//!
//! Boards differ, and sensors lie: a file that is missing, empty, too long or absurd is one that says nothing.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of an attribute that are looked at: a number or a word.
const MOST: u64 = 64;

/// Entries of a folder that are looked at. A board has a dozen sensors.
const MOST_ENTRIES: usize = 64;

/// Trip points of a zone that are looked at; the kernel has twelve at most.
const MOST_TRIPS: usize = 12;

/// Temperatures that a sensor on a board can show while the board runs, in thousandths of a degree. Unconnected ones
/// show -40 or 0 kelvin, or all bits set.
const PLAUSIBLE: std::ops::RangeInclusive<i64> = -39_000..=149_000;

/// Where a limit can lie. Below are the trip points of fans, of skins of telephones, and of ones turned off.
const PLAUSIBLE_LIMIT: std::ops::RangeInclusive<i64> = 60_000..=125_000;

/// Degrees below a zone's critical point, at which the kernel turns the power off, from which it counts as too hot where it
/// has no other: a Raspberry Pi's firmware begins to slow it down there (85 °C, and it is turned off at 110 °C).
const BELOW_CRITICAL: i64 = 25_000;

/// Such a limit is not put lower than this: a processor at work may have so much.
const LEAST_BELOW_CRITICAL: i64 = 80_000;

/// `get_throttled`: the supply is too low now.
const UNDERVOLTAGE_NOW: u32 = 1 << 0;

/// `get_throttled`: the processor's clock is capped now, it is throttled now, or the soft limit of temperature is in
/// force. The upper bits say what was since the start.
const THROTTLED_NOW: u32 = 1 << 1 | 1 << 2 | 1 << 3;

/// One sensor of temperature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Which it is; its folder's name.
    pub name: String,
    /// Thousandths of a degree Celsius.
    pub temperature: i64,
    /// From where on it is too hot; none where the kernel names no point.
    pub limit: Option<i64>,
}

/// One reading of everything. None is what this board does not report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Whether the supply is too low.
    pub undervoltage: Option<bool>,
    /// Whether the processor is slowed down because of it, or of heat.
    pub throttled: Option<bool>,
    /// The sensors.
    pub zones: Vec<Zone>,
}

impl Vitals {
    /// Reads everything below `sys`, which is `/sys` but for tests. Blocks: a firmware may take its time.
    pub fn read(sys: &Path) -> Self {
        let firmware = firmware(sys);
        let low = voltage_alarm(sys);
        let bits = |mask| firmware.map(|bits| bits & mask != 0);
        Self {
            undervoltage: either(low, bits(UNDERVOLTAGE_NOW)),
            // Capped because of the supply alone is said as such; this is about heat.
            throttled: either(cooled(sys), bits(THROTTLED_NOW))
                .map(|throttled| throttled && !(only_low(firmware) && cooled(sys) != Some(true))),
            zones: zones(sys),
        }
    }
}

/// Whether the firmware throttles for want of voltage: it caps the clock then too, and that is no heat.
fn only_low(firmware: Option<u32>) -> bool {
    const SOFT_LIMIT: u32 = 1 << 3;
    firmware.is_some_and(|bits| bits & UNDERVOLTAGE_NOW != 0 && bits & SOFT_LIMIT == 0)
}

/// What either of two witnesses says; none when both are silent.
fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one || other),
        (one, other) => one.or(other),
    }
}

/// The folders in `folder` whose names begin with `start`, in order.
fn folders(folder: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(start))
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = paths.filter(named).take(MOST_ENTRIES).collect();
    paths.sort();
    paths
}

/// The word in an attribute. Never waits for one that is no file, as a pipe would have it.
fn word(path: &Path) -> Option<String> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(MOST + 1).read_to_string(&mut text).ok()?;
    let fits = text.len() as u64 <= MOST;
    let text = text.trim();
    (fits && !text.is_empty()).then(|| text.to_owned())
}

fn number(path: &Path) -> Option<i64> {
    word(path)?.parse().ok()
}

fn voltage_alarm(sys: &Path) -> Option<bool> {
    let sensors = folders(&sys.join("class/hwmon"), "hwmon");
    let mut ours = sensors
        .iter()
        .filter(|sensor| word(&sensor.join("name")).is_some_and(|name| name == "rpi_volt"));
    match number(&ours.next()?.join("in0_lcrit_alarm"))? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The firmware's bits.
fn firmware(sys: &Path) -> Option<u32> {
    let socs = folders(&sys.join("devices/platform"), "soc");
    let mut parts = socs.iter().flat_map(|soc| folders(soc, "soc"));
    let firmware = parts.find(|part| part.to_string_lossy().ends_with(":firmware"))?;
    let said = word(&firmware.join("get_throttled"))?;
    u32::from_str_radix(said.trim_start_matches("0x"), 16).ok()
}

/// Whether the kernel slows the processor down to cool it.
fn cooled(sys: &Path) -> Option<bool> {
    let is_processor = |device: &&PathBuf| {
        word(&device.join("type")).is_some_and(|what| {
            // ACPI's, and both names of the driver that lowers frequencies. Others run fans, or idle.
            what == "Processor"
                || what.starts_with("cpufreq-cpu")
                || what.starts_with("thermal-cpufreq")
        })
    };
    let devices = folders(&sys.join("class/thermal"), "cooling_device");
    let states = devices.iter().filter(is_processor);
    let states = states.filter_map(|device| number(&device.join("cur_state")));
    states
        .map(|state| state > 0)
        .reduce(|one, other| one || other)
}

fn zones(sys: &Path) -> Vec<Zone> {
    let zones = folders(&sys.join("class/thermal"), "thermal_zone");
    let zone = |path: PathBuf| {
        let temperature = number(&path.join("temp")).filter(|t| PLAUSIBLE.contains(t))?;
        Some(Zone {
            name: path.file_name()?.to_string_lossy().into_owned(),
            temperature,
            limit: limit(&path),
        })
    };
    zones.into_iter().filter_map(zone).collect()
}

/// From where on a zone is too hot: its lowest point that is there to slow the processor down, or well below the one at
/// which everything is turned off.
fn limit(zone: &Path) -> Option<i64> {
    let trip = |number_of: usize| {
        let kind = word(&zone.join(format!("trip_point_{number_of}_type")))?;
        let at = number(&zone.join(format!("trip_point_{number_of}_temp")))?;
        PLAUSIBLE_LIMIT.contains(&at).then_some((kind, at))
    };
    let trips: Vec<(String, i64)> = (0..MOST_TRIPS).filter_map(trip).collect();
    let lowest = |kinds: &[&str]| {
        let ours = trips
            .iter()
            .filter(|(kind, _)| kinds.contains(&kind.as_str()));
        ours.map(|(_, at)| *at).min()
    };
    lowest(&["passive", "hot"]).or_else(|| {
        let critical = lowest(&["critical"])?;
        // Where it is turned off at less, it is too hot only just before.
        Some((critical - BELOW_CRITICAL).max(LEAST_BELOW_CRITICAL.min(critical - super::COOLED)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(sys: &Path, path: &str, text: &str) {
        let path = sys.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            put(dir.path(), path, text);
        }
        dir
    }

    const PI: &[(&str, &str)] = &[
        ("class/hwmon/hwmon0/name", "cpu_thermal\n"),
        ("class/hwmon/hwmon1/name", "rpi_volt\n"),
        ("class/hwmon/hwmon1/in0_lcrit_alarm", "0\n"),
        ("class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("class/thermal/thermal_zone0/temp", "48199\n"),
        (
            "class/thermal/thermal_zone0/trip_point_0_type",
            "critical\n",
        ),
        ("class/thermal/thermal_zone0/trip_point_0_temp", "110000\n"),
    ];

    #[test]
    fn a_raspberry_pi_is_read() {
        let dir = sys(PI);
        let calm = Vitals::read(dir.path());
        let zone = |temperature| Zone {
            name: "thermal_zone0".to_owned(),
            temperature,
            limit: Some(85_000),
        };
        let known = Vitals {
            undervoltage: Some(false),
            throttled: None,
            zones: vec![zone(48_199)],
        };
        assert_eq!(calm, known);
        put(dir.path(), "class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        put(dir.path(), "class/thermal/thermal_zone0/temp", "86000\n");
        let strained = Vitals::read(dir.path());
        assert_eq!(strained.undervoltage, Some(true));
        assert_eq!(strained.zones, [zone(86_000)]);
    }

    #[test]
    fn the_firmwares_bits_of_now_count_and_those_of_earlier_do_not() {
        let read = |said: &str| {
            let path = "devices/platform/soc/soc:firmware/get_throttled";
            let vitals = Vitals::read(sys(&[(path, said)]).path());
            (vitals.undervoltage, vitals.throttled)
        };
        assert_eq!(read("0\n"), (Some(false), Some(false)));
        assert_eq!(read("50000\n"), (Some(false), Some(false)), "earlier");
        assert_eq!(read("0x50005"), (Some(true), Some(false)), "for voltage");
        assert_eq!(read("80008\n"), (Some(false), Some(true)));
        assert_eq!(read("e000e\n"), (Some(false), Some(true)));
        assert_eq!(read("f000f\n"), (Some(true), Some(true)));
        for broken in ["", "\n", "-1", "no", "1ffffffff", &"0".repeat(65)] {
            assert_eq!(read(broken), (None, None), "{broken:?}");
        }
    }

    #[test]
    fn the_lowest_point_that_slows_the_processor_is_the_limit() {
        let limit_of = |trips: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            for (index, (kind, at)) in trips.iter().enumerate() {
                put(dir.path(), &format!("trip_point_{index}_type"), kind);
                put(dir.path(), &format!("trip_point_{index}_temp"), at);
            }
            limit(dir.path())
        };
        assert_eq!(limit_of(&[]), None);
        let fans = [("active", "50000"), ("active", "67500")];
        assert_eq!(limit_of(&fans), None);
        let pi = [("critical", "110000"), fans[0], ("hot", "0"), fans[1]];
        assert_eq!(limit_of(&pi), Some(85_000));
        let rock = [
            ("passive", "95000"),
            ("passive", "75000"),
            ("critical", "115000"),
        ];
        assert_eq!(limit_of(&rock), Some(75_000));
        assert_eq!(limit_of(&[("critical", "100000")]), Some(80_000));
        assert_eq!(limit_of(&[("critical", "80000")]), Some(75_000));
        let off = [
            ("passive", "-274000"),
            ("passive", "45000"),
            ("critical", "0"),
        ];
        assert_eq!(limit_of(&off), None, "turned off, or a skin");
    }

    #[test]
    fn a_processor_that_the_kernel_slows_down_is_throttled() {
        let read = |what: &str, state: &str| {
            let at = "class/thermal/cooling_device0";
            let dir = sys(&[
                (&format!("{at}/type"), what),
                (&format!("{at}/cur_state"), state),
                ("class/thermal/cooling_device1/type", "pwm-fan\n"),
                ("class/thermal/cooling_device1/cur_state", "4\n"),
            ]);
            Vitals::read(dir.path()).throttled
        };
        assert_eq!(read("cpufreq-cpu0\n", "0\n"), Some(false));
        assert_eq!(read("thermal-cpufreq-0\n", "2\n"), Some(true));
        assert_eq!(read("Processor\n", "1\n"), Some(true));
        assert_eq!(read("intel_powerclamp\n", "-1\n"), None);
        assert_eq!(read("gpio-fan\n", "1\n"), None);
    }

    #[test]
    fn what_is_missing_or_absurd_says_nothing() {
        assert_eq!(Vitals::read(Path::new("/nowhere")), Vitals::default());
        let long = "9".repeat(1 << 20);
        for (what, temperature) in [
            ("unconnected", "-40000"),
            ("kelvin", "-273150"),
            ("all bits", "2147483647"),
            ("empty", ""),
            ("words", "hot"),
            ("two", "40000 50000"),
            ("long", long.as_str()),
        ] {
            let dir = sys(&[("class/thermal/thermal_zone0/temp", temperature)]);
            assert_eq!(Vitals::read(dir.path()).zones, [], "{what}");
        }
        let dir = sys(&[
            ("class/hwmon/hwmon0/name", "rpi_volt"),
            ("class/hwmon/hwmon0/in0_lcrit_alarm", "7"),
        ]);
        assert_eq!(Vitals::read(dir.path()).undervoltage, None);
        fs::write(dir.path().join("class/hwmon/hwmon0/name"), b"rpi\xff").unwrap();
        assert_eq!(Vitals::read(dir.path()).undervoltage, None);
        // A pipe in place of a file would be waited for.
        let temperature = dir.path().join("class/thermal/thermal_zone1/temp");
        fs::create_dir_all(temperature.parent().unwrap()).unwrap();
        nix::unistd::mkfifo(&temperature, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(Vitals::read(dir.path()).zones, []);
        // A folder in place of a file, and a file in place of a folder.
        fs::remove_file(&temperature).unwrap();
        fs::create_dir(&temperature).unwrap();
        fs::write(dir.path().join("class/thermal/thermal_zone2"), "x").unwrap();
        assert_eq!(Vitals::read(dir.path()).zones, []);
    }
}
