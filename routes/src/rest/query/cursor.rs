//! A backtracking reader over one parameter's text that remembers what it would have taken.
//!
//! Its rules for merging expectations are Parsec's, because they decide the words of `PGRST100`:
//!
//! - A rule that fails without having moved lets the next alternative try; what both expected is
//!   merged. A rule that fails after it moved fails for good, unless it stands in
//!   [`Cursor::attempt`].
//! - What was expected before the last character taken is forgotten.
//!
//! **Invariant:** after every rule, `failure` holds what is expected since the cursor last moved.
//! A cursor that is [`Cursor::silent`] takes and refuses the same texts, and holds nothing: most
//! texts are taken, and nobody asks what else would have been.

use super::failure::{Failure, Message};

/// A rule did not match; the reason is in the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

pub(super) type Parsed<T> = Result<T, Refused>;

/// One of several alternatives.
type Rule<'rule, Cursor, T> = &'rule dyn Fn(&mut Cursor) -> Parsed<T>;

/// How deep brackets may nest: each level is a few stack frames here and a subquery in SQL.
pub(super) const MAX_DEPTH: usize = 64;

const TOO_DEEP: &str = "more than 64 levels of nesting";

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    failure: Failure,
    /// Whether anybody will ask why a rule was refused.
    silent: bool,
    /// Emptied lists, to be filled again: a rule that is attempted and refused allocates nothing.
    spare: Vec<Vec<Message>>,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            depth: 0,
            failure: Failure::silent(0),
            silent: false,
            spare: Vec::new(),
        }
    }

    /// A cursor that never says why.
    pub(super) const fn silent(text: &'a str) -> Self {
        let mut cursor = Self::new(text);
        cursor.silent = true;
        cursor
    }

    /// Why the last rule was refused.
    pub(super) fn into_failure(self) -> Failure {
        self.failure
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn refuse<T>(&mut self, messages: &[Message]) -> Parsed<T> {
        self.expect(self.position, messages);
        Err(Refused)
    }

    fn expect(&mut self, position: usize, messages: &[Message]) {
        if !self.silent {
            self.failure.merge(position, messages);
        }
    }

    fn moved_by(&mut self, bytes: usize) {
        self.position += bytes;
        self.forget();
    }

    /// Forgets what was expected so far.
    fn forget(&mut self) {
        self.failure.position = self.position;
        self.failure.messages.clear();
    }

    /// Begins a list of expectations of its own; [`Cursor::resume`] takes the one it gives.
    fn set_aside(&mut self) -> Failure {
        let own = Failure {
            position: self.position,
            messages: self.spare.pop().unwrap_or_default(),
        };
        std::mem::replace(&mut self.failure, own)
    }

    /// Adds the list begun last to the one before it.
    fn resume(&mut self, before: Failure) {
        let own = std::mem::replace(&mut self.failure, before);
        self.failure.merge(own.position, &own.messages);
        self.discard(own);
    }

    fn discard(&mut self, mut failure: Failure) {
        failure.messages.clear();
        self.spare.push(failure.messages);
    }

    /// One character that passes the test.
    pub(super) fn character(&mut self, test: impl Fn(char) -> bool) -> Parsed<char> {
        match self.peek() {
            Some(character) if test(character) => {
                self.moved_by(character.len_utf8());
                Ok(character)
            }
            met => self.refuse(&[Message::Met(met)]),
        }
    }

    /// As many characters as pass the test, none included. What would have gone on the run, by
    /// name, is expected after it.
    pub(super) fn run(
        &mut self,
        names: &'static [&'static str],
        test: impl Fn(char) -> bool,
    ) -> &'a str {
        let rest = self.rest();
        let end = rest
            .find(|character| !test(character))
            .unwrap_or(rest.len());
        if end > 0 {
            self.moved_by(end);
        }
        self.expect(self.position, &[Message::Met(self.peek())]);
        for name in names {
            self.expect(self.position, &[Message::Rule(name)]);
        }
        rest.get(..end).unwrap_or_default()
    }

    /// [`Cursor::run`] of at least one character.
    pub(super) fn run_of_some(
        &mut self,
        names: &'static [&'static str],
        test: impl Fn(char) -> bool,
    ) -> Parsed<&'a str> {
        match self.run(names, test) {
            "" => Err(Refused),
            run => Ok(run),
        }
    }

    /// Exactly this text. It has moved when the first character matched.
    pub(super) fn text(&mut self, expected: &'static str) -> Parsed<()> {
        let start = self.position;
        let Some((taken, met)) = self.mismatch(expected) else {
            self.moved_by(expected.len());
            return Ok(());
        };
        if taken > 0 {
            self.moved_by(taken);
        }
        self.expect(start, &[Message::Text(expected), met]);
        Err(Refused)
    }

    /// Exactly this text, or it has not moved: [`Cursor::text`] attempted.
    fn whole_text(&mut self, expected: &'static str) -> Parsed<()> {
        let Some((_, met)) = self.mismatch(expected) else {
            self.moved_by(expected.len());
            return Ok(());
        };
        self.refuse(&[Message::Text(expected), met])
    }

    /// How many bytes of a text are next and what comes then instead of it; `None` where all are.
    fn mismatch(&self, expected: &str) -> Option<(usize, Message)> {
        let rest = self.rest();
        if rest.starts_with(expected) {
            return None;
        }
        let mut read = rest.chars();
        expected.char_indices().find_map(|(taken, wanted)| {
            let met = read.next();
            (met != Some(wanted)).then_some((taken, Message::Met(met)))
        })
    }

    /// This text in any case, one character after the other.
    pub(super) fn text_of_any_case(&mut self, expected: &'static str) -> Parsed<()> {
        for wanted in expected.chars() {
            self.character(|character| character.eq_ignore_ascii_case(&wanted))?;
        }
        Ok(())
    }

    /// The end of the text.
    pub(super) fn end(&mut self) -> Parsed<()> {
        let expected = Message::Rule("end of input");
        match self.peek() {
            None => {
                self.expect(self.position, &[expected, Message::Met(None)]);
                Ok(())
            }
            Some(character) => self.refuse(&[expected, Message::Forbidden(character)]),
        }
    }

    /// Fails without moving where the next character is this one.
    pub(super) fn not_followed_by(&mut self, forbidden: &'static str) -> Parsed<()> {
        self.not_followed_by_any(Some(forbidden), |character| {
            forbidden.starts_with(character)
        })
    }

    /// Fails without moving where the next character passes the test; `name` is that character, if
    /// it is one only.
    pub(super) fn not_followed_by_any(
        &mut self,
        name: Option<&'static str>,
        forbidden: impl Fn(char) -> bool,
    ) -> Parsed<()> {
        match self.peek() {
            Some(character) if forbidden(character) => {
                let after = self.position + character.len_utf8();
                self.expect(after, &[Message::Forbidden(character)]);
                Err(Refused)
            }
            met => {
                self.expect(self.position, &[Message::Met(met)]);
                if let Some(name) = name {
                    self.expect(self.position, &[Message::Text(name)]);
                }
                Ok(())
            }
        }
    }

    /// Names a rule: where it fails without moving, its name is what was expected.
    pub(super) fn named<T>(
        &mut self,
        name: &'static str,
        rule: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        if self.silent {
            return rule(self);
        }
        let start = self.position;
        let before = self.set_aside();
        let outcome = rule(self);
        if self.position == start {
            if outcome.is_err() || !self.failure.is_silent() {
                self.failure.expect_rule(name);
            }
            self.resume(before);
        } else {
            self.discard(before);
        }
        outcome
    }

    /// A rule that fails as if it had not moved.
    pub(super) fn attempt<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let start = self.position;
        if self.silent {
            return rule(self).inspect_err(|_| self.position = start);
        }
        let before = self.set_aside();
        let outcome = rule(self);
        if self.position == start || outcome.is_err() {
            self.position = start;
            self.resume(before);
        } else {
            self.discard(before);
        }
        outcome
    }

    /// Whether the text is next, without moving; half a match is no match.
    pub(super) fn before(&mut self, expected: &'static str) -> Parsed<()> {
        if self.rest().starts_with(expected) {
            return Ok(());
        }
        self.whole_text(expected)
    }

    /// The first rule, or where it fails without moving, the second.
    pub(super) fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Parsed<T>,
        second: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.position;
        match first(self) {
            Err(Refused) if self.position == start => second(self),
            outcome => outcome,
        }
    }

    /// The first rule that matches or fails after it moved.
    pub(super) fn first<T>(&mut self, rules: &[Rule<'_, Self, T>]) -> Parsed<T> {
        let start = self.position;
        for rule in rules {
            match rule(self) {
                Err(Refused) if self.position == start => {}
                outcome => return outcome,
            }
        }
        Err(Refused)
    }

    /// The first of several texts that matches, with what it stands for; half a match is final.
    pub(super) fn word<T: Copy>(&mut self, words: &[(&'static str, T)]) -> Parsed<T> {
        let start = self.position;
        for (word, value) in words {
            match self.text(word) {
                Ok(()) => return Ok(*value),
                Err(Refused) if self.position == start => {}
                Err(Refused) => return Err(Refused),
            }
        }
        Err(Refused)
    }

    /// The first of several texts that matches, each attempted, with what it stands for.
    pub(super) fn one_of<T: Copy>(&mut self, choices: &[(&'static str, T)]) -> Parsed<T> {
        for (text, value) in choices {
            if self.whole_text(text).is_ok() {
                return Ok(*value);
            }
        }
        Err(Refused)
    }

    /// The rule, or nothing where it fails without moving.
    pub(super) fn optional<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<Option<T>> {
        self.either(|cursor| rule(cursor).map(Some), |_| Ok(None))
    }

    /// The rule as often as it matches. A rule that matches nothing ends the loop.
    pub(super) fn many<T>(
        &mut self,
        mut rule: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        loop {
            let start = self.position;
            match rule(self) {
                Ok(item) => items.push(item),
                Err(Refused) if self.position == start => return Ok(items),
                Err(Refused) => return Err(Refused),
            }
            if self.position == start {
                return Ok(items);
            }
            self.forget();
        }
    }

    /// One or more items with a separator between them.
    pub(super) fn separated<T>(
        &mut self,
        mut separator: impl FnMut(&mut Self) -> Parsed<()>,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        items.extend(self.many(|cursor| {
            separator(cursor)?;
            item(cursor)
        })?);
        Ok(items)
    }

    /// The rule with spaces and tabs around it.
    pub(super) fn padded<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.run(&[], is_padding);
        let value = rule(self)?;
        self.run(&[], is_padding);
        Ok(value)
    }

    /// Refuses for good what nests deeper than [`MAX_DEPTH`].
    pub(super) fn refuse_depth<T>(&mut self) -> Parsed<T> {
        let message = Message::Remark(TOO_DEEP);
        self.forget();
        self.expect(self.position, &[message]);
        self.position = self.text.len();
        Err(Refused)
    }

    /// The rule one level deeper; more than [`MAX_DEPTH`] of them are refused for good.
    pub(super) fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return self.refuse_depth();
        }
        self.depth += 1;
        let outcome = rule(self);
        self.depth -= 1;
        outcome
    }
}

const fn is_padding(character: char) -> bool {
    matches!(character, ' ' | '\t')
}
