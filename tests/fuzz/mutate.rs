//! Changes inputs at random, the same way whenever it begins with the same seed.

/// Numbers and texts at which parsers break.
const ODD: [&[u8]; 24] = [
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"9223372036854775807",
    b"NaN",
    b"null",
    b"true",
    b"\"\"",
    b"[]",
    b"{}",
    b"\\u0000",
    b"\\ud800",
    b"\0",
    b"\xff",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"../",
    b"\"\"\"",
    b"[[",
    b"data: ",
    b"[DONE]",
    b"\xe2\x80\xae",
];

/// Makes inputs of seeds.
pub(crate) struct Mutator {
    seeds: Vec<Vec<u8>>,
    state: u64,
}

impl Mutator {
    pub(crate) fn new(seeds: &[Vec<u8>], seed: u64) -> Self {
        Self { seeds: seeds.to_vec(), state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// A number below `bound`; 0 where there is none.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap().max(1);
        usize::try_from(self.random() % bound).unwrap()
    }

    /// One of the seeds with up to eight changes.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let seed = self.below(self.seeds.len());
        let mut input = self.seeds[seed].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(64)).min(input.len());
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.random().to_le_bytes()[0],
            2 => drop(input.drain(at..end)),
            3 => {
                let copy = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            4 => {
                let odd = ODD[self.below(ODD.len())];
                input.splice(at..at, odd.iter().copied());
            }
            5 => {
                let odd = ODD[self.below(ODD.len())];
                input.splice(at..end, odd.iter().copied());
            }
            6 => self.change_word(input, at),
            7 => {
                let other = self.below(self.seeds.len());
                let other = self.seeds[other].clone();
                let from = self.below(other.len() + 1);
                let upto = (from + self.below(512)).min(other.len());
                input.splice(at..end, other[from..upto].iter().copied());
            }
            _ => input.truncate(at),
        }
    }

    /// Puts a word of a seed, or something odd, in the place of the word at a position.
    fn change_word(&mut self, input: &mut Vec<u8>, at: usize) {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
        let word_around = |text: &[u8], at: usize| {
            let begin = text[..at].iter().rposition(|byte| !is_word(byte)).map_or(0, |at| at + 1);
            let end = text[at..].iter().position(|byte| !is_word(byte));
            begin..end.map_or(text.len(), |end| at + end)
        };
        let place = word_around(input, at);
        let seed = self.below(self.seeds.len());
        let from = self.below(self.seeds[seed].len() + 1);
        let word = word_around(&self.seeds[seed], from);
        let word = self.seeds[seed][word].to_vec();
        let odd = ODD[self.below(ODD.len())].to_vec();
        let word = if self.below(3) == 0 { odd } else { word };
        input.splice(place, word);
    }
}
