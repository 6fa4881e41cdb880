//! How long a payload should be, given how the DA layer bills it.
//!
//! EigenDA pads: 31 bytes of a payload become a symbol of 32, one symbol goes before them, and the symbols are billed up to the next
//! power of two, 4,096 at least. A payload a byte beyond a power costs double (a *cliff*), so a channel is cut where its compressed bytes
//! come near one, as long as blocks wait that can go into the next. A channel that is due by age is posted as it is: another
//! transaction on L1 costs more than what the layer's padding does.
//!
//! ```text
//!  payload bytes      1 .. 126,945    .. 253,921    .. 507,873    .. 1,015,777
//!  billed symbols     4,096           8,192         16,384        32,768
//! ```

/// Bytes of a symbol that carry payload.
const SYMBOL_CONTENT_BYTES: usize = 31;

/// Bytes of a symbol.
const SYMBOL_BYTES: usize = 32;

/// Symbols billed at least.
const SYMBOLS_MIN: usize = 4_096;

/// How often a channel is built to find out where to cut it. Each try comes several times nearer; the last good one counts.
const TRIES_MAX: usize = 6;

/// A payload of this share of what is billed, in per cent, is near enough to its cliff.
pub const FILL_PERCENT_ENOUGH: usize = 93;

/// How a DA layer bills payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Billing {
    /// By the byte.
    #[default]
    Exact,
    /// Padded to symbols, up to the next power of two of them: EigenDA.
    PowersOfTwo,
}

impl Billing {
    /// Bytes billed for a payload of `size` bytes.
    #[must_use]
    pub const fn billed(self, size: usize) -> usize {
        match self {
            Self::Exact => size,
            Self::PowersOfTwo => symbols(size).saturating_mul(SYMBOL_BYTES),
        }
    }

    /// The longest payload that costs no more than one of `size` bytes.
    #[must_use]
    pub const fn cliff(self, size: usize) -> usize {
        match self {
            Self::Exact => size,
            Self::PowersOfTwo => (symbols(size) - 1).saturating_mul(SYMBOL_CONTENT_BYTES),
        }
    }

    /// The longest payload that fills what is billed for it and has `size` bytes at most; a shorter one than the least that is billed
    /// does not exist, so that is the answer for small sizes.
    #[must_use]
    pub const fn cliff_within(self, size: usize) -> usize {
        let cliff = self.cliff(size);
        if cliff <= size || matches!(self, Self::Exact) {
            return cliff;
        }
        let below = symbols(size) / 2;
        if below < SYMBOLS_MIN {
            return cliff;
        }
        (below - 1) * SYMBOL_CONTENT_BYTES
    }
}

/// Symbols billed for a payload of `size` bytes.
const fn symbols(size: usize) -> usize {
    let needed = 1 + size.div_ceil(SYMBOL_CONTENT_BYTES);
    let billed = needed.next_power_of_two();
    if billed < SYMBOLS_MIN { SYMBOLS_MIN } else { billed }
}

/// A prefix of waiting blocks that was built.
#[derive(Debug)]
pub struct Fitted<T> {
    /// How many blocks.
    pub count: usize,
    /// Bytes of its payload.
    pub size: usize,
    /// What was built.
    pub built: T,
}

/// The prefix of blocks of `inputs` bytes each whose payload comes nearest to `limit` from below, in a few tries. `build` builds the
/// first so many of them and tells the payload's size. At least one block is taken, whatever its size; no blocks make none.
///
/// # Errors
/// Whatever `build` says.
pub fn fit<T, E>(
    inputs: &[usize],
    limit: usize,
    mut build: impl FnMut(usize) -> Result<(usize, T), E>,
) -> Result<Option<Fitted<T>>, E> {
    let mut attempt = |count: usize| {
        let (size, built) = build(count)?;
        Ok(Fitted { count, size, built })
    };
    if inputs.is_empty() {
        return Ok(None);
    }
    let all = attempt(inputs.len())?;
    if all.size <= limit || all.count == 1 {
        return Ok(Some(all));
    }
    // What is known to fit, and what is known not to: blocks and payload bytes.
    let mut best: Option<Fitted<T>> = None;
    let mut over = (all.count, all.size);
    for _ in 1..TRIES_MAX {
        let under = best.as_ref().map_or((0, 0), |best| (best.count, best.size));
        if over.0 - under.0 <= 1
            || best
                .as_ref()
                .is_some_and(|best| best.size * 100 >= limit * FILL_PERCENT_ENOUGH)
        {
            break;
        }
        let tried = attempt(between(inputs, under, over, limit))?;
        if tried.size <= limit {
            best = Some(tried);
        } else {
            over = (tried.count, tried.size);
        }
    }
    match best {
        Some(best) => Ok(Some(best)),
        None => attempt(1).map(Some),
    }
}

/// Where between two prefixes the limit lies, if payloads grow evenly with their input; a little below, since they do not quite.
fn between(inputs: &[usize], under: (usize, usize), over: (usize, usize), limit: usize) -> usize {
    let input: usize = inputs[under.0..over.0].iter().sum();
    let aim = limit.saturating_sub(under.1) as u128 * 98 / 100;
    let span = (over.1 - under.1).max(1) as u128;
    let wanted = usize::try_from(input as u128 * aim / span).unwrap_or(input);
    let mut bytes = 0;
    let more = inputs[under.0..over.0].iter().take_while(|input| {
        bytes += **input;
        bytes <= wanted
    });
    (under.0 + more.count()).clamp(under.0 + 1, over.0 - 1)
}

/// The sizes a batcher aims at, and what it has learned about how its blocks compress.
#[derive(Clone, Copy, Debug)]
pub struct PayloadSizer {
    billing: Billing,
    target: Option<usize>,
    /// Input and payload bytes of the last channel that was large enough to tell.
    seen: (usize, usize),
}

impl PayloadSizer {
    /// Payloads may have any size.
    #[must_use]
    pub const fn unaware() -> Self {
        Self::new(Billing::Exact, 0)
    }

    /// Aims at payloads of `target_bytes`, or the cliff below; a layer that bills by the byte has none.
    #[must_use]
    pub const fn new(billing: Billing, target_bytes: usize) -> Self {
        let target = match billing {
            Billing::Exact => None,
            Billing::PowersOfTwo => Some(billing.cliff_within(target_bytes)),
        };
        Self {
            billing,
            target,
            seen: (1, 1),
        }
    }

    /// Bytes billed for a payload of `size` bytes.
    #[must_use]
    pub const fn billed(&self, size: usize) -> usize {
        self.billing.billed(size)
    }

    /// The payload size aimed at.
    #[must_use]
    pub const fn target(&self) -> Option<usize> {
        self.target
    }

    /// Input bytes that fill the target with some to spare, and never more than `input_bytes_max`.
    #[must_use]
    pub fn input_bytes(&self, input_bytes_max: usize) -> usize {
        let Some(target) = self.target else {
            return input_bytes_max;
        };
        let (input, payload) = self.seen;
        let needed = target as u128 * input as u128 / payload.max(1) as u128;
        usize::try_from(needed * 110 / 100).map_or(input_bytes_max, |needed| needed.min(input_bytes_max))
    }

    /// Learns what `input` bytes came to.
    pub fn learn(&mut self, input: usize, payload: usize) {
        if input > 0 && payload > 0 {
            self.seen = (input, payload);
        }
    }

    /// True if a payload of `size` bytes that `input` bytes came to is too short to be posted while blocks wait and more may go in.
    #[must_use]
    pub fn wants_more(&self, size: usize, input: usize, input_bytes_max: usize) -> bool {
        let is_short = self
            .target
            .is_some_and(|target| size * 100 < target * FILL_PERCENT_ENOUGH);
        is_short && self.input_bytes(input_bytes_max) > input
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// eigenda.md: the longest payloads of each power.
    const CLIFFS: [usize; 8] = [
        126_945, 253_921, 507_873, 1_015_777, 2_031_585, 4_063_201, 8_126_433, 16_252_897,
    ];

    #[test]
    fn the_cliffs_are_eigendas() {
        for (power, cliff) in CLIFFS.into_iter().enumerate() {
            let billed = 131_072 << power;
            assert_eq!(Billing::PowersOfTwo.billed(cliff), billed);
            assert_eq!(
                Billing::PowersOfTwo.billed(cliff + 1),
                2 * billed,
                "a byte more costs double"
            );
            assert_eq!(Billing::PowersOfTwo.cliff(cliff), cliff);
            assert_eq!(Billing::PowersOfTwo.cliff_within(cliff), cliff);
            assert_eq!(Billing::PowersOfTwo.cliff_within(cliff + 1), cliff);
        }
        assert_eq!(Billing::PowersOfTwo.billed(0), 131_072);
        assert_eq!(Billing::PowersOfTwo.cliff_within(1), CLIFFS[0]);
        assert_eq!(tributary_da_client::PAYLOAD_SIZE_MAX, CLIFFS[7]);
    }

    proptest! {
        #[test]
        fn a_cliff_is_the_longest_payload_for_its_price(size in 0_usize..20_000_000) {
            let billing = Billing::PowersOfTwo;
            let cliff = billing.cliff(size);
            prop_assert!(cliff >= size);
            prop_assert_eq!(billing.billed(cliff), billing.billed(size));
            prop_assert!(billing.billed(cliff + 1) > billing.billed(size));
            prop_assert!(billing.cliff_within(size) <= size.max(CLIFFS[0]));
            prop_assert_eq!((Billing::Exact.billed(size), Billing::Exact.cliff(size)), (size, size));
        }

        /// Blocks of all sizes that compress each by its own ratio: what is cut fits, and while no block is larger than a hundredth of the
        /// limit it fills what it is billed for.
        #[test]
        fn what_is_cut_fits_and_fills(
            blocks in prop::collection::vec((1_usize..1_200, 20_usize..120), 2..1_500),
            limit in 126_945_usize..400_000,
        ) {
            let inputs: Vec<usize> = blocks.iter().map(|block| block.0).collect();
            let size = |count: usize| blocks[..count].iter().map(|(bytes, percent)| bytes * percent / 100).sum::<usize>();
            let mut builds = 0;
            let fitted = fit(&inputs, limit, |count| {
                builds += 1;
                Ok::<_, ()>((size(count), ()))
            });
            let fitted = fitted.unwrap().unwrap();
            prop_assert!(builds <= TRIES_MAX + 1);
            prop_assert_eq!(fitted.size, size(fitted.count));
            prop_assert!(fitted.size <= limit);
            let is_all = fitted.count == blocks.len();
            prop_assert!(is_all || fitted.size * 100 >= limit * 90, "{} of {limit} in {builds} builds", fitted.size);
        }
    }

    #[test]
    fn a_block_beyond_the_limit_goes_alone() {
        let fitted = fit(&[1_000, 10, 10], 100, |count| Ok::<_, ()>((1_000 + count, count)));
        assert_eq!(fitted.unwrap().unwrap().count, 1);
        assert!(fit(&[], 100, |_| Ok::<_, ()>((0, ()))).unwrap().is_none());
        assert_eq!(fit(&[7], 3, |_| Err::<(usize, ()), _>("no")).unwrap_err(), "no");
    }

    #[test]
    fn what_was_learned_says_how_much_input_fills_a_payload() {
        let mut sizer = PayloadSizer::new(Billing::PowersOfTwo, 1_200_000);
        assert_eq!(sizer.target(), Some(1_015_777));
        assert_eq!(
            sizer.input_bytes(8_000_000),
            1_117_354,
            "nothing compresses, as far as is known"
        );
        assert!(!sizer.wants_more(400_000, 1_117_354, 8_000_000));
        sizer.learn(1_000_000, 400_000);
        assert!(sizer.wants_more(400_000, 1_000_000, 8_000_000));
        assert_eq!(sizer.input_bytes(8_000_000), 2_793_386);
        assert_eq!(sizer.input_bytes(2_000_000), 2_000_000);
        assert!(
            !sizer.wants_more(800_000, 2_000_000, 2_000_000),
            "no more may go in"
        );
        assert!(!sizer.wants_more(960_000, 2_400_000, 8_000_000), "near enough");
        assert_eq!(PayloadSizer::new(Billing::Exact, 5).input_bytes(77), 77);
    }
}
