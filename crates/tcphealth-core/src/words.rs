//! What is said to people, in every language at once: a sentence that lacks one does not compile.

use serde::{Deserialize, Serialize};

/// A language that the program speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

/// A fixed sentence in every language; [`text!`](crate::text) makes one in a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Korean.
    pub ko: &'static str,
}

impl Text {
    /// The sentence in one language.
    pub fn get(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Ko => self.ko,
        }
    }
}

/// A sentence with its values filled in, in every language; [`say!`](crate::say) makes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// English.
    pub en: String,
    /// Korean.
    pub ko: String,
}

impl Message {
    /// The sentence in one language.
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Ko => &self.ko,
        }
    }

    /// The same words in every language: a command, a name, a number.
    pub fn same(words: impl Into<String>) -> Self {
        let en = words.into();
        Self { ko: en.clone(), en }
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self { en: text.en.to_owned(), ko: text.ko.to_owned() }
    }
}

/// A fixed [`Text`](crate::words::Text): `text! { en: "…", ko: "…" }`.
#[macro_export]
macro_rules! text {
    (en: $en:expr, ko: $ko:expr $(,)?) => {
        $crate::words::Text { en: $en, ko: $ko }
    };
}

/// A [`Message`](crate::words::Message) with values: `say! { en: "…{count}…", ko: "…{count}…", count = n }`.
///
/// Every value must be used in every language, or the sentence does not compile. After a semicolon stand values that are
/// themselves a [`Text`](crate::words::Text) or a message: each language takes its own.
#[macro_export]
macro_rules! say {
    (en: $en:literal, ko: $ko:literal
        $(, $name:ident = $value:expr)* $(; $($part:ident = $message:expr),+)? $(,)?) => {{
        $(let $name = &$value;)*
        $($(let $part = &$message;)+)?
        $crate::words::Message {
            en: format!($en, $($name = $name,)* $($($part = $part.en),+)?),
            ko: format!($ko, $($name = $name,)* $($($part = $part.ko),+)?),
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_its_values_in_every_language() {
        let message = say! { en: "{count} sockets", ko: "소켓 {count}개", count = 3 };
        assert_eq!(message.get(Lang::En), "3 sockets");
        assert_eq!(message.get(Lang::Ko), "소켓 3개");
    }

    #[test]
    fn a_part_is_taken_in_its_language() {
        let peers = text! { en: "peers", ko: "상대" };
        let message = say! { en: "{count} {peers}", ko: "{peers} {count}곳", count = 3; peers = peers };
        assert_eq!((message.en.as_str(), message.ko.as_str()), ("3 peers", "상대 3곳"));
    }
}
