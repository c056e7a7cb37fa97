//! How long to wait between two tries at a share.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fault::Fault;

/// The first wait while the server is away: it may only be starting, as the box does after the same power cut.
const AWAY_FIRST: Duration = Duration::from_secs(2);
/// The longest: a try is one connection that is not taken, and who switches his server on waits for us this long.
const AWAY_AT_MOST: Duration = Duration::from_secs(60);
/// The first wait after the server said no to what is asked: somebody has to change something there or here.
const REFUSED_FIRST: Duration = Duration::from_secs(15);
/// The longest: whoever changed it on the server and not here waits for us this long, or says "try now".
const REFUSED_AT_MOST: Duration = Duration::from_secs(600);
/// The first wait after a wrong password: a server that starts may not know its users yet.
const LOGIN_FIRST: Duration = Duration::from_secs(60);
/// The longest. Windows locks an account out after as few as five failures within half an hour, and then nobody gets in.
const LOGIN_AT_MOST: Duration = Duration::from_secs(3600);
/// Each wait after a wrong password is so many times the one before: 1, 6, 36, 60 minutes are four tries in 43 minutes.
const LOGIN_GROWTH: f64 = 6.0;
/// Each other wait.
const GROWTH: f64 = 2.0;
/// Waits differ by up to this share of themselves, so that the shares of one server, and the boxes of one house, do not
/// come all at once.
const JITTER: f64 = 0.2;

/// Waits that grow with every failure.
#[derive(Debug)]
pub(super) struct Pace {
    failures: i32,
    rng: StdRng,
}

impl Pace {
    /// Waits that differ by the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// The wait after one more failure.
    pub fn fail(&mut self, fault: &Fault) -> Duration {
        let (first, most, growth) = match fault {
            Fault::Login | Fault::Expired | Fault::Disabled => {
                (LOGIN_FIRST, LOGIN_AT_MOST, LOGIN_GROWTH)
            }
            Fault::Denied
            | Fault::NoSuchShare
            | Fault::Version
            | Fault::NoClient
            | Fault::Other(_) => (REFUSED_FIRST, REFUSED_AT_MOST, GROWTH),
            Fault::NoHelper
            | Fault::Busy
            | Fault::NotFound
            | Fault::Unreachable
            | Fault::Refused
            | Fault::Silent
            | Fault::Lost
            | Fault::Stale => (AWAY_FIRST, AWAY_AT_MOST, GROWTH),
        };
        // Beyond 16 doublings every wait is the longest.
        let wait = first.mul_f64(growth.powi(self.failures.min(16))).min(most);
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(self.rng.random_range(1.0 - JITTER..=1.0 + JITTER))
    }

    /// Begins anew.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(fault: &Fault, count: usize) -> Vec<u64> {
        let mut pace = Pace::new(7);
        (0..count).map(|_| pace.fail(fault).as_secs()).collect()
    }

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew() {
        let away = waits(&Fault::Silent, 40);
        assert!((1..=2).contains(&away[0]), "{away:?}");
        assert!(away[6..].iter().all(|s| (48..=72).contains(s)), "{away:?}");
        let mut pace = Pace::new(1);
        pace.fail(&Fault::Silent);
        pace.fail(&Fault::Silent);
        pace.succeed();
        assert!(pace.fail(&Fault::Silent) < Duration::from_secs(3));
    }

    #[test]
    fn a_wrong_password_locks_nobody_out() {
        for seed in 0..100 {
            let mut pace = Pace::new(seed);
            let mut at = 0;
            let mut tries = vec![0];
            while at < 86_400 {
                at += pace.fail(&Fault::Login).as_secs();
                tries.push(at);
            }
            for start in &tries {
                let within = tries
                    .iter()
                    .filter(|at| (*start..start + 1_800).contains(at));
                assert!(within.count() <= 3, "{tries:?}");
            }
        }
    }

    #[test]
    fn shares_do_not_come_all_at_once() {
        let first = |seed| Pace::new(seed).fail(&Fault::Refused);
        assert_ne!(first(1), first(2));
    }
}
