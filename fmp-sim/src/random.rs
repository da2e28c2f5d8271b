//! Random numbers that never change: the same seed gives the same numbers on every computer and in every version.
//!
//! `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), the variant of
//! <https://prng.di.unimi.it/splitmix64.c>. Each concern has a stream of its own, so that one more draw for one of them
//! changes nothing for the others: a seed that once found a failure goes on finding it.

use serde::{Deserialize, Serialize};

/// A stream of numbers for one concern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The generator as its authors describe it.
    pub const fn of(state: u64) -> Self {
        Self { state }
    }

    /// The stream of a concern under a seed.
    pub fn new(seed: u64, concern: &str) -> Self {
        // FNV-1a of the name; the seed is mixed first, so that neighbouring seeds share nothing.
        let name = concern
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self::of(Self::of(seed).next() ^ name)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where there is none. The high half of a product: no division, and a bias below 2^-40 for
    /// the small bounds that a simulation has.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of several; `None` where there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len() as u64);
        from.get(usize::try_from(at).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let mut stream = Stream::of(1_234_567);
        let numbers: Vec<u64> = (0..5).map(|_| stream.next()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn a_concern_has_its_own_numbers_and_always_the_same() {
        let numbers = |seed, concern| Stream::new(seed, concern).next();
        assert_eq!(numbers(7, "faults"), numbers(7, "faults"));
        assert_ne!(numbers(7, "faults"), numbers(7, "latency"));
        assert_ne!(numbers(7, "faults"), numbers(8, "faults"));
        assert_eq!(numbers(0, "latency"), 11_577_721_641_604_857_513, "seeds that are committed rest on this");
    }

    #[test]
    fn what_is_drawn_stays_within_its_bounds() {
        let mut stream = Stream::new(1, "bounds");
        let mut seen = [false; 5];
        for _ in 0..200 {
            let drawn = stream.between(3, 7);
            seen[usize::try_from(drawn - 3).unwrap()] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!((stream.below(0), stream.pick::<u8>(&[])), (0, None));
        assert!((0..50).all(|_| stream.chance(1000) && !stream.chance(0)));
    }
}
