//! Pages of an application on their way to the browser: the shim goes in, root-absolute URLs go behind
//! the prefix.
//!
//! A scanner, not a parser: it knows where tags and their attributes are, what in a page is no markup
//! (comments, scripts, styles), and nothing of the tree. What it does not understand it leaves as it is,
//! and what it does not rewrite (a URL in a script or a style, one in character references) is found by
//! where the request comes from (`apps::resolve`).
//!
//! Source: the HTML standard, 13.2.5. Left out: the double escape of `<!--<script>` within a script, and
//! that `style`, `title` and `script` within SVG are markup like any other.
//!
//! **Invariant:** what comes out does not depend on how the page was cut into chunks, and without the
//! shim and the prefix it is what went in.

use super::address::Place;

/// The longest tag that is rewritten; what is longer is left as it is.
const LONGEST_TAG: usize = 256 * 1024;

/// Elements whose contents are text up to their own end tag.
const TEXT: [&[u8]; 8] = [
    b"script",
    b"style",
    b"textarea",
    b"title",
    b"xmp",
    b"iframe",
    b"noembed",
    b"noframes",
];

/// Attributes that are one URL, on whichever element.
const URLS: [&[u8]; 12] = [
    b"href",
    b"src",
    b"action",
    b"formaction",
    b"poster",
    b"data",
    b"cite",
    b"background",
    b"manifest",
    b"xlink:href",
    b"longdesc",
    b"usemap",
];

/// A page that is being rewritten.
#[derive(Debug)]
pub struct Rewriter {
    place: Place,
    /// What is put at the beginning of the head; taken when it is.
    shim: Option<Vec<u8>>,
    /// What is not understood yet.
    pending: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was read: the encoding may be one whose letters are not bytes.
    Begin,
    Markup,
    Comment,
    /// Up to the end tag of this element, by its place in [`TEXT`].
    Text(usize),
    /// Not understood: to the end as it is.
    Raw,
}

/// What a step of the scanner did.
enum Step {
    /// It took so many bytes, and wrote what they are.
    Took(usize),
    /// It needs more bytes.
    Wait,
}

impl Rewriter {
    /// `shim` is markup.
    pub fn new(place: Place, shim: Option<String>) -> Self {
        Self {
            place,
            shim: shim.map(String::into_bytes),
            pending: Vec::new(),
            state: State::Begin,
        }
    }

    /// Takes the next bytes of the page; gives those that are ready.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        self.run(false)
    }

    /// The page is over.
    pub fn finish(mut self) -> Vec<u8> {
        self.run(true)
    }

    fn run(&mut self, is_end: bool) -> Vec<u8> {
        let mut written = Vec::with_capacity(self.pending.len() + 64);
        let pending = std::mem::take(&mut self.pending);
        let mut at = 0;
        while at < pending.len() {
            match self.step(&pending[at..], is_end, &mut written) {
                Step::Took(taken) => at += taken,
                Step::Wait => break,
            }
        }
        if is_end {
            written.extend_from_slice(&pending[at..]);
        } else {
            self.pending = pending[at..].to_vec();
        }
        written
    }

    fn step(&mut self, bytes: &[u8], is_end: bool, written: &mut Vec<u8>) -> Step {
        match self.state {
            State::Begin => {
                if bytes.len() < 2 && !is_end {
                    return Step::Wait;
                }
                // UTF-16, by its byte order mark.
                let is_wide = bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\xff\xfe");
                self.state = if is_wide { State::Raw } else { State::Markup };
                Step::Took(0)
            }
            State::Raw => {
                written.extend_from_slice(bytes);
                Step::Took(bytes.len())
            }
            State::Comment => self.comment(bytes, is_end, written),
            State::Text(element) => self.text(TEXT[element], bytes, is_end, written),
            State::Markup => self.markup(bytes, is_end, written),
        }
    }

    /// Up to `-->` or `--!>`. The last bytes may be the beginning of it.
    fn comment(&mut self, bytes: &[u8], is_end: bool, written: &mut Vec<u8>) -> Step {
        let ends: [&[u8]; 2] = [b"-->", b"--!>"];
        let found = ends
            .iter()
            .filter_map(|end| Some(find(bytes, end)? + end.len()))
            .min();
        if let Some(end) = found {
            written.extend_from_slice(&bytes[..end]);
            self.state = State::Markup;
            return Step::Took(end);
        }
        pass(bytes, if is_end { 0 } else { 3 }, written)
    }

    /// Up to the end tag of an element whose contents are text; the tag itself is markup again.
    fn text(&mut self, element: &[u8], bytes: &[u8], is_end: bool, written: &mut Vec<u8>) -> Step {
        let mut at = 0;
        while let Some(found) = find(&bytes[at..], b"</") {
            at += found;
            let name = &bytes[at + 2..];
            if name.len() <= element.len() && !is_end {
                // Its end may be still to come.
                break;
            }
            let is_end_tag = name.len() > element.len()
                && name[..element.len()].eq_ignore_ascii_case(element)
                && is_after_name(name[element.len()]);
            if is_end_tag {
                written.extend_from_slice(&bytes[..at]);
                self.state = State::Markup;
                return Step::Took(at);
            }
            at += 2;
        }
        let kept = if is_end { 0 } else { element.len() + 2 };
        pass(bytes, kept, written)
    }

    fn markup(&mut self, bytes: &[u8], is_end: bool, written: &mut Vec<u8>) -> Step {
        let text = bytes.iter().position(|&byte| byte == b'<');
        let mut text = text.unwrap_or(bytes.len());
        if self.shim.is_some() && text > 0 {
            // A byte order mark is no text.
            let is_blank =
                |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf);
            let blank = bytes[..text].iter().position(|byte| !is_blank(byte));
            match blank {
                Some(0) => self.inject(written),
                Some(blank) => text = blank,
                None => {}
            }
        }
        if text > 0 {
            written.extend_from_slice(&bytes[..text]);
            return Step::Took(text);
        }
        match bytes {
            [_, b'!', b'-', b'-', ..] => {
                // `<!-->` and `<!--->` end at once: the search begins within the opening.
                written.extend_from_slice(&bytes[..2]);
                self.state = State::Comment;
                Step::Took(2)
            }
            [_] | [_, b'!' | b'/'] | [_, b'!', b'-'] if !is_end => Step::Wait,
            [_, b'!' | b'?', ..] => bogus(bytes, is_end, written),
            [_, b'/', letter, ..] if !letter.is_ascii_alphabetic() => bogus(bytes, is_end, written),
            [_, b'/', ..] => self.tag(bytes, is_end, written),
            [_, letter, ..] if letter.is_ascii_alphabetic() => self.tag(bytes, is_end, written),
            _ => {
                self.inject(written);
                written.push(b'<');
                Step::Took(1)
            }
        }
    }

    /// A start tag or an end tag.
    fn tag(&mut self, bytes: &[u8], is_end: bool, written: &mut Vec<u8>) -> Step {
        let reach = &bytes[..bytes.len().min(LONGEST_TAG)];
        let Some(tag) = Tag::read(reach) else {
            if reach.len() < LONGEST_TAG && !is_end {
                return Step::Wait;
            }
            // Too long, or cut off: as it is, from the bracket on.
            self.inject(written);
            written.push(b'<');
            return Step::Took(1);
        };
        let whole = &bytes[..tag.length];
        let name = tag.name(bytes).to_ascii_lowercase();
        if tag.is_end {
            written.extend_from_slice(whole);
            return Step::Took(tag.length);
        }
        let is_head = name == b"head";
        if !is_head && name != b"html" {
            self.inject(written);
        }
        self.write_tag(&name, bytes, &tag, written);
        if is_head {
            self.inject(written);
        }
        if name == b"plaintext" {
            self.state = State::Raw;
        } else if let Some(element) = TEXT.iter().position(|text| *text == name.as_slice()) {
            self.state = State::Text(element);
        }
        Step::Took(tag.length)
    }

    /// Puts the shim here, unless it is in already.
    fn inject(&mut self, written: &mut Vec<u8>) {
        if let Some(shim) = self.shim.take() {
            written.extend_from_slice(&shim);
        }
    }

    fn write_tag(&self, name: &[u8], bytes: &[u8], tag: &Tag, written: &mut Vec<u8>) {
        let mut done = 0;
        let refreshes = name == b"meta"
            && tag.attributes.iter().any(|attribute| {
                bytes[attribute.name.clone()].eq_ignore_ascii_case(b"http-equiv")
                    && bytes[attribute.value.clone()].eq_ignore_ascii_case(b"refresh")
            });
        for attribute in &tag.attributes {
            let attribute_name = bytes[attribute.name.clone()].to_ascii_lowercase();
            let Ok(value) = std::str::from_utf8(&bytes[attribute.value.clone()]) else {
                continue;
            };
            let rewritten = match attribute_name.as_slice() {
                b"srcset" | b"imagesrcset" => self.candidates(value),
                b"ping" => self.words(value),
                b"content" if refreshes => self.refresh(value),
                // Elsewhere `data` is what a script put there.
                b"data" if name != b"object" => None,
                attribute_name if URLS.contains(&attribute_name) => self.url(value),
                _ => None,
            };
            if let Some(rewritten) = rewritten {
                written.extend_from_slice(&bytes[done..attribute.value.start]);
                written.extend_from_slice(rewritten.as_bytes());
                done = attribute.value.end;
            }
        }
        written.extend_from_slice(&bytes[done..tag.length]);
    }

    /// One URL, with blanks around it.
    fn url(&self, value: &str) -> Option<String> {
        let url = value.trim_ascii();
        let rewritten = self.place.rewrite(url)?;
        Some(value.replacen(url, &rewritten, 1))
    }

    /// URLs between blanks.
    fn words(&self, value: &str) -> Option<String> {
        let words = value.split(' ');
        let rewritten: Vec<_> = words
            .map(|word| self.url(word).unwrap_or_else(|| word.to_owned()))
            .collect();
        let rewritten = rewritten.join(" ");
        (rewritten != value).then_some(rewritten)
    }

    /// URLs and what each is for, between commas that no URL has at its end (HTML, 4.8.4.2.1).
    fn candidates(&self, value: &str) -> Option<String> {
        let mut rewritten = String::with_capacity(value.len());
        let mut rest = value;
        loop {
            let start = rest.find(|letter: char| !letter.is_ascii_whitespace() && letter != ',');
            let (before, after) = rest.split_at(start.unwrap_or(rest.len()));
            rewritten.push_str(before);
            if after.is_empty() {
                break;
            }
            let end = after.find(|letter: char| letter.is_ascii_whitespace());
            let (url, after) = after.split_at(end.unwrap_or(after.len()));
            let bare = url.trim_end_matches(',');
            match self.place.rewrite(bare) {
                Some(new) => rewritten.push_str(&new),
                None => rewritten.push_str(bare),
            }
            rewritten.push_str(&url[bare.len()..]);
            // A comma behind the URL ends the candidate; else one behind its descriptors does.
            let descriptors = if bare.len() < url.len() {
                0
            } else {
                after.find(',').unwrap_or(after.len())
            };
            rewritten.push_str(&after[..descriptors]);
            rest = &after[descriptors..];
        }
        (rewritten != value).then_some(rewritten)
    }

    /// `5; url=/x`.
    fn refresh(&self, value: &str) -> Option<String> {
        super::headers::refresh(&self.place, value)
    }
}

/// Hands on all bytes but the last `kept`, which may be the beginning of something.
fn pass(bytes: &[u8], kept: usize, written: &mut Vec<u8>) -> Step {
    let ready = bytes.len().saturating_sub(kept);
    if ready == 0 {
        return Step::Wait;
    }
    written.extend_from_slice(&bytes[..ready]);
    Step::Took(ready)
}

/// `<!doctype …>`, `<?…>` and `</…>` that is no end tag: up to the next bracket.
fn bogus(bytes: &[u8], is_end: bool, written: &mut Vec<u8>) -> Step {
    let reach = &bytes[..bytes.len().min(LONGEST_TAG)];
    let end = reach.iter().position(|&byte| byte == b'>');
    let end = match end {
        Some(end) => end + 1,
        None if reach.len() < LONGEST_TAG && !is_end => return Step::Wait,
        None => reach.len(),
    };
    written.extend_from_slice(&bytes[..end]);
    Step::Took(end)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn is_after_name(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'/' || byte == b'>'
}

/// Where the parts of a tag are, from its opening bracket on.
struct Tag {
    is_end: bool,
    name: std::ops::Range<usize>,
    attributes: Vec<Attribute>,
    /// With its closing bracket.
    length: usize,
}

struct Attribute {
    name: std::ops::Range<usize>,
    /// Without quotes.
    value: std::ops::Range<usize>,
}

impl Tag {
    fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.name.clone()]
    }

    /// `None` where the tag does not end.
    fn read(bytes: &[u8]) -> Option<Self> {
        let is_end = bytes.get(1) == Some(&b'/');
        let start = if is_end { 2 } else { 1 };
        let mut at = start
            + bytes[start..]
                .iter()
                .position(|&byte| is_after_name(byte))?;
        let name = start..at;
        let mut attributes = Vec::new();
        loop {
            at += bytes[at..]
                .iter()
                .position(|&byte| !byte.is_ascii_whitespace() && byte != b'/')?;
            if bytes[at] == b'>' {
                return Some(Self {
                    is_end,
                    name,
                    attributes,
                    length: at + 1,
                });
            }
            // An equals sign at the beginning belongs to the name.
            let from = at + 1;
            let end = bytes[from..]
                .iter()
                .position(|&byte| is_after_name(byte) || byte == b'=')?;
            let attribute = at..from + end;
            at = from + end;
            let next = at
                + bytes[at..]
                    .iter()
                    .position(|byte| !byte.is_ascii_whitespace())?;
            if bytes[next] != b'=' {
                attributes.push(Attribute {
                    name: attribute,
                    value: at..at,
                });
                continue;
            }
            at = next + 1;
            at += bytes[at..]
                .iter()
                .position(|byte| !byte.is_ascii_whitespace())?;
            let quote = bytes[at];
            let value = if matches!(quote, b'"' | b'\'') {
                let from = at + 1;
                let end = from + bytes[from..].iter().position(|&byte| byte == quote)?;
                at = end + 1;
                from..end
            } else {
                let end = bytes[at..]
                    .iter()
                    .position(|&byte| byte.is_ascii_whitespace() || byte == b'>')?;
                let from = at;
                at += end;
                from..at
            };
            attributes.push(Attribute {
                name: attribute,
                value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{super::address::shop, *};

    fn rewrite(page: &[u8], sizes: &mut dyn FnMut() -> usize) -> Vec<u8> {
        let mut rewriter = Rewriter::new(shop(), Some("<SHIM>".to_owned()));
        let mut written = Vec::new();
        let mut rest = page;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(sizes().clamp(1, rest.len()));
            written.extend(rewriter.feed(chunk));
            rest = after;
        }
        written.extend(rewriter.finish());
        written
    }

    /// Whole, byte by byte, and in pieces.
    fn check(page: &str, expected: Expect) {
        let whole = rewrite(page.as_bytes(), &mut || usize::MAX);
        for size in [1, 2, 3, 7, 64] {
            let cut = rewrite(page.as_bytes(), &mut || size);
            assert_eq!(
                String::from_utf8_lossy(&cut),
                String::from_utf8_lossy(&whole),
                "in pieces of {size}"
            );
        }
        expected.assert_eq(&String::from_utf8(whole).unwrap());
    }

    #[test]
    fn the_shim_is_the_first_thing_in_the_head() {
        check(
            "<!doctype html><html><head><title>x</title>",
            expect!["<!doctype html><html><head><SHIM><title>x</title>"],
        );
        check(
            "<!DOCTYPE html>\n<HTML lang=en>\n<HEAD class='a>b'>\n<p>",
            expect![[r"
                <!DOCTYPE html>
                <HTML lang=en>
                <HEAD class='a>b'><SHIM>
                <p>"]],
        );
        check(
            "<!doctype html><title>x</title>",
            expect!["<!doctype html><SHIM><title>x</title>"],
        );
        check("<!-- <head> --><p>x", expect!["<!-- <head> --><SHIM><p>x"]);
        check(
            "\u{feff}<!doctype html><body>",
            expect!["\u{feff}<!doctype html><SHIM><body>"],
        );
        check("hello", expect!["<SHIM>hello"]);
        check("<html>text", expect!["<html><SHIM>text"]);
        check("< p>", expect!["<SHIM>< p>"]);
        check(
            "<script>1</script><head>",
            expect!["<SHIM><script>1</script><head>"],
        );
        check("", expect![[""]]);
        check(" \n\t", expect![" \n\t"]);
        check("<!doctype html>", expect!["<!doctype html>"]);
    }

    #[test]
    fn root_absolute_urls_are_behind_the_prefix() {
        check(
            r#"<head><a href="/x?a=1&amp;b=2#f">/y</a><img src='/i.png' alt="/alt"><form action=/go method=post>"#,
            expect![[
                r#"<head><SHIM><a href="/app/shop/x?a=1&amp;b=2#f">/y</a><img src='/app/shop/i.png' alt="/alt"><form action=/app/shop/go method=post>"#
            ]],
        );
        check(
            "<head><A HREF = \" /x \"><link rel=stylesheet href=/a.css/><use xlink:href=/s.svg#i>",
            expect![[
                r#"<head><SHIM><A HREF = " /app/shop/x "><link rel=stylesheet href=/app/shop/a.css/><use xlink:href=/app/shop/s.svg#i>"#
            ]],
        );
        check(
            "<head><base href=/><video poster=/p src=/v></video><object data=/d></object><div data=/e>",
            expect![
                "<head><SHIM><base href=/app/shop/><video poster=/app/shop/p src=/app/shop/v></video><object data=/app/shop/d></object><div data=/e>"
            ],
        );
        check(
            r#"<head><img srcset="/a.png 1x, /b.png 2x,/c.png, https://x.test/d.png 3x"><a ping="/p /q" href=x>"#,
            expect![[
                r#"<head><SHIM><img srcset="/app/shop/a.png 1x, /app/shop/b.png 2x,/app/shop/c.png, https://x.test/d.png 3x"><a ping="/app/shop/p /app/shop/q" href=x>"#
            ]],
        );
        check(
            r#"<head><meta http-equiv=refresh content="0; url=/next"><meta name=x content="0; url=/next">"#,
            expect![[
                r#"<head><SHIM><meta http-equiv=refresh content="0; url=/app/shop/next"><meta name=x content="0; url=/next">"#
            ]],
        );
        check(
            "<head><button formaction=/f><a href=/app/shop/x><a href=/rest/v1/t><a href=//evil.test><a href=#f><a href>",
            expect![
                "<head><SHIM><button formaction=/app/shop/f><a href=/app/shop/x><a href=/rest/v1/t><a href=//evil.test><a href=#f><a href>"
            ],
        );
        check(
            "<head><a href=http://localhost:8001/x><a href='http://localhost:5173/y'><a href=http://x.test/>",
            expect![
                "<head><SHIM><a href=/app/shop/x><a href='/app/shop/y'><a href=http://x.test/>"
            ],
        );
    }

    #[test]
    fn what_is_no_markup_stays() {
        check(
            "<head><script>let a = '<a href=\"/x\">'; 1 </ 2; '</scriptx>'</script ><a href=/x>",
            expect![[
                r#"<head><SHIM><script>let a = '<a href="/x">'; 1 </ 2; '</scriptx>'</script ><a href=/app/shop/x>"#
            ]],
        );
        check(
            "<head><STYLE>a{background:url(/x)}</sTyLe><textarea><a href=/x></textarea>",
            expect![
                "<head><SHIM><STYLE>a{background:url(/x)}</sTyLe><textarea><a href=/x></textarea>"
            ],
        );
        check(
            "<head><!-- <a href=/x> --><!--><a href=/x><!---><a href=/y><!-- --!><a href=/z>",
            expect![
                "<head><SHIM><!-- <a href=/x> --><!--><a href=/app/shop/x><!---><a href=/app/shop/y><!-- --!><a href=/app/shop/z>"
            ],
        );
        check(
            "<head><?php <a href=/x> ?></ <a href=/x>",
            expect!["<head><SHIM><?php <a href=/x> ?></ <a href=/x>"],
        );
        check(
            "<head><plaintext><a href=/x>",
            expect!["<head><SHIM><plaintext><a href=/x>"],
        );
        check(
            "<head>1 < 2 && 3 > 2 <",
            expect!["<head><SHIM>1 < 2 && 3 > 2 <"],
        );
        check(
            "<head><a title='<a href=/x>' href=/y><a =href=/x href=/z>",
            expect![
                "<head><SHIM><a title='<a href=/x>' href=/app/shop/y><a =href=/x href=/app/shop/z>"
            ],
        );
        check(
            "<head><a href=\"/x",
            expect![[r#"<head><SHIM><a href="/x"#]],
        );
        check(
            "<head><script>never ends <a href=/x>",
            expect!["<head><SHIM><script>never ends <a href=/x>"],
        );
        check("<head></a href=/x>", expect!["<head><SHIM></a href=/x>"]);
    }

    #[test]
    fn pages_of_wide_letters_stay_as_they_are() {
        let page: Vec<u8> = "\u{feff}<head><a href=/x>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(rewrite(&page, &mut || 1), page);
    }

    #[test]
    fn a_tag_without_an_end_is_handed_on_and_does_not_fill_the_memory() {
        let page = format!("<head><a href=\"/x{}", "y".repeat(LONGEST_TAG * 3));
        let mut rewriter = Rewriter::new(shop(), None);
        let mut written = Vec::new();
        for chunk in page.as_bytes().chunks(1000) {
            written.extend(rewriter.feed(chunk));
            assert!(rewriter.pending.len() <= LONGEST_TAG + 1000);
        }
        written.extend(rewriter.finish());
        assert_eq!(written, page.as_bytes());
    }

    /// Numbers that look random and are the same each time.
    fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
        let mut state = seed;
        move |below| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        }
    }

    #[test]
    fn chunks_make_no_difference_and_nothing_else_changes() {
        const PARTS: [&str; 34] = [
            "<",
            ">",
            "</",
            "/>",
            "<!",
            "<!--",
            "-->",
            "--!>",
            "-",
            "!",
            "?",
            "<a ",
            "<head>",
            "<script>",
            "</script>",
            "<STYLE",
            "</style >",
            "<textarea>",
            "</textarea",
            "href=",
            "src",
            "srcset=",
            "=",
            "\"",
            "'",
            " ",
            "\n",
            "/x",
            "/x 2x, /y",
            "//h/",
            "<meta http-equiv=refresh content='1;url=/z'>",
            "é",
            "\u{0}",
            "text",
        ];
        let mut number = numbers(3);
        for _ in 0..3000 {
            let page: String = (0..number(40))
                .map(|_| PARTS[number(PARTS.len())])
                .collect();
            let whole = rewrite(page.as_bytes(), &mut || usize::MAX);
            let cut = rewrite(page.as_bytes(), &mut || 1 + number(5));
            assert_eq!(
                String::from_utf8_lossy(&cut),
                String::from_utf8_lossy(&whole),
                "{page:?}"
            );
            let without = String::from_utf8(whole).unwrap();
            let without = without.replacen("<SHIM>", "", 1).replace("/app/shop", "");
            assert_eq!(without, page);
        }
    }
}
