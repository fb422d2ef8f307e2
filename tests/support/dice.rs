//! Random numbers that can be had again.

/// Numbers that are the same for the same seed (xorshift64*, Vigna 2016).
pub(crate) struct Random(u64);

impl Random {
    /// Numbers by the seed `MCP_SEED`, else by another one each time; says which.
    pub(crate) fn of_environment() -> Self {
        let seed = std::env::var("MCP_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) | 0x1_0000_0000);
        println!("MCP_SEED={seed}");
        Self(seed)
    }

    /// A number from 0 to `limit`, without it.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        usize::try_from(high).unwrap() % limit.max(1)
    }
}
