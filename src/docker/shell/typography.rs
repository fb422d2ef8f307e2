//! Characters that word processors, chat programs and web pages put in the place of ASCII ones.
//!
//! Boundary: one character to what it was meant to be. Next: `split` refuses them outside quotes.

/// A character that looks like shell syntax, or like nothing, and is neither to a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookAlike {
    /// Looks like `-`.
    Dash(char),
    /// Looks like `'` or `"`.
    Quote(char),
    /// Looks like a space.
    Blank(char),
    /// Has no width.
    Invisible(char),
}

impl LookAlike {
    /// What `c` is taken for, unless it is what it looks like.
    #[must_use]
    pub fn of(c: char) -> Option<Self> {
        match c {
            // Unicode general category Pd without U+002D, and the minus sign.
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2e3a}' | '\u{2e3b}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                Some(Self::Dash(c))
            }
            '\u{2018}'..='\u{201f}'
            | '\u{2032}'..='\u{2036}'
            | '\u{b4}'
            | '\u{ab}'
            | '\u{bb}'
            | '\u{2039}'
            | '\u{203a}' => Some(Self::Quote(c)),
            '\u{ff02}' | '\u{ff07}' => Some(Self::Quote(c)),
            // Unicode property White_Space beyond ASCII.
            '\u{85}'
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}' => Some(Self::Blank(c)),
            // Default_Ignorable_Code_Point without variation selectors, which emoji and ideographs have; and bidi marks.
            '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => Some(Self::Invisible(c)),
            c if c.is_control() && !c.is_ascii() => Some(Self::Invisible(c)),
            _ => None,
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Dash(_) => {
                "type `-` (or `--`) in its place; if the container should get this character, put the word in single quotes"
            }
            Self::Quote(_) => {
                "type `'` or `\"` in its place; if the container should get this character, put the word in single quotes"
            }
            Self::Blank(_) => {
                "type a space in its place; if the container should get this character, put the word in single quotes"
            }
            Self::Invisible(_) => "delete it: move the cursor there and press the delete key once",
        }
    }
}

impl std::fmt::Display for LookAlike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Dash(c) => write!(f, "`{c}` (U+{:04X}) looks like `-` and is another character", u32::from(c)),
            Self::Quote(c) => write!(f, "`{c}` (U+{:04X}) looks like a quote and is none to a shell", u32::from(c)),
            Self::Blank(c) => write!(f, "U+{:04X} looks like a space and is none to a shell", u32::from(c)),
            Self::Invisible(c) => write!(f, "U+{:04X} is invisible, and part of the word to a shell", u32::from(c)),
        }
    }
}
