//! Chance that can be had again: the same number gives the same draws.

/// A row of draws.
pub struct Lot(u64);

impl Lot {
    /// The row of that number.
    pub fn new(seed: u64) -> Lot {
        Lot(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // Splitmix: its draws are even enough for what is drawn here.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
