//! Where the pieces of a torrent are, small enough for a page.

use crate::policy::offer::Place;

/// Cells of a map at most: more than that no page draws apart. A torrent of more pieces has several in a cell.
pub const MAX_CELLS: usize = 4096;

/// Where the pieces of a torrent are besides here, in the order of the content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PieceMap {
    /// Pieces of the torrent.
    pub pieces: u32,
    /// Pieces in each cell; the last cell may have fewer.
    pub per_cell: u32,
    /// A sign for each cell, which is as badly off as the worst of its pieces: `.` nobody holds it, `o` nobody holds it and
    /// somebody is offered it, `1` to `8` so many hold it, `9` that many or more.
    pub cells: String,
    /// Pieces that others hold.
    pub held: u32,
    /// Pieces that nobody holds, and somebody is offered.
    pub offered: u32,
}

impl PieceMap {
    /// The map of these pieces.
    pub(super) fn of(places: impl ExactSizeIterator<Item = Place>) -> Self {
        let per_cell = places.len().div_ceil(MAX_CELLS).max(1);
        let mut map = Self {
            pieces: places.len() as u32,
            per_cell: per_cell as u32,
            cells: String::with_capacity(places.len().div_ceil(per_cell)),
            ..Self::default()
        };
        let mut worst = None;
        let mut places = places.enumerate().peekable();
        while let Some((index, place)) = places.next() {
            map.held += u32::from(place.holders > 0);
            map.offered += u32::from(place.holders == 0 && place.offered);
            let here = (place.holders, place.offered);
            worst = Some(worst.map_or(here, |worst| here.min(worst)));
            if (index + 1) % per_cell == 0 || places.peek().is_none() {
                map.cells.extend(worst.take().map(sign));
            }
        }
        map
    }

    /// The map of a torrent of that many pieces that nobody is there for.
    pub fn deserted(pieces: u32) -> Self {
        let nobody = Place {
            holders: 0,
            offered: false,
        };
        Self::of(std::iter::repeat_n(nobody, pieces as usize))
    }
}

fn sign((holders, offered): (u32, bool)) -> char {
    match (holders, offered) {
        (0, false) => '.',
        (0, true) => 'o',
        (held, _) => char::from_digit(held.min(9), 10).unwrap_or('9'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(of: &[(u32, bool)]) -> impl ExactSizeIterator<Item = Place> + '_ {
        of.iter()
            .map(|&(holders, offered)| Place { holders, offered })
    }

    #[test]
    fn a_small_torrent_has_a_cell_for_each_piece() {
        let map = PieceMap::of(places(&[
            (0, false),
            (0, true),
            (1, true),
            (8, false),
            (200, false),
        ]));
        let expected = PieceMap {
            pieces: 5,
            per_cell: 1,
            cells: ".o189".to_owned(),
            held: 3,
            offered: 1,
        };
        assert_eq!(map, expected);
        assert_eq!(PieceMap::of(places(&[])).cells, "");
    }

    #[test]
    fn of_a_hundred_thousand_pieces_a_cell_is_as_badly_off_as_its_worst() {
        let mut all = vec![(3, false); 100_000];
        all[24] = (0, true);
        all[26] = (1, false);
        all[99_999] = (0, false);
        let map = PieceMap::of(places(&all));
        assert_eq!((map.per_cell, map.cells.len()), (25, 4000));
        assert!(map.cells.starts_with("o133") && map.cells.ends_with("33."));
        assert_eq!((map.held, map.offered), (99_998, 1));
        let all = vec![(0, false); MAX_CELLS * 3 + 1];
        let map = PieceMap::of(places(&all));
        assert_eq!((map.per_cell, map.cells.len()), (4, 3073));
        assert_eq!(map, PieceMap::deserted(all.len() as u32));
    }
}
