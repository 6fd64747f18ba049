//! A mail's HTML as plain text, for readers without HTML and for searching.

/// Drops the tags, keeps the words: an address behind a link follows its words in brackets.
pub(super) fn of_html(html: &str) -> String {
    let mut text = String::new();
    let mut address = None;
    let mut skipped: Option<&str> = None;
    let mut rest = html;
    while let Some(begin) = rest.find('<') {
        if skipped.is_none() {
            push(&mut text, &rest[..begin]);
        }
        let Some(end) = rest[begin..].find('>') else {
            rest = "";
            break;
        };
        let tag = &rest[begin + 1..begin + end];
        rest = &rest[begin + end + 1..];
        let name = tag
            .split(|sign: char| sign.is_whitespace() || sign == '>')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if let Some(element) = skipped {
            if name.strip_prefix('/') == Some(element) {
                skipped = None;
            }
            continue;
        }
        match name.as_str() {
            "style" => skipped = Some("style"),
            "script" => skipped = Some("script"),
            "title" => skipped = Some("title"),
            "a" => address = attribute(tag, "href"),
            "/a" => {
                if let Some(address) = address.take().filter(|address| !text.ends_with(address)) {
                    text.push_str(" [");
                    text.push_str(&address);
                    text.push(']');
                }
            }
            "br" | "br/" | "/p" | "/div" | "/tr" | "/li" | "/h1" | "/h2" | "/h3" | "/h4"
                if !text.is_empty() && !text.ends_with('\n') =>
            {
                text.push('\n');
            }
            _ => {}
        }
    }
    if skipped.is_none() {
        push(&mut text, rest);
    }
    text.trim().to_owned()
}

/// Blanks in HTML are one blank each.
fn push(text: &mut String, html: &str) {
    let decoded = decode(html);
    for character in decoded.chars() {
        if !character.is_whitespace() {
            text.push(character);
        } else if !text.is_empty() && !text.ends_with(char::is_whitespace) {
            text.push(' ');
        }
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let begin = tag.to_ascii_lowercase().find(&format!("{name}="))? + name.len() + 1;
    let value = tag.get(begin..)?;
    let quote = value.chars().next().filter(|sign| "\"'".contains(*sign));
    let value = match quote {
        Some(quote) => value[1..].split(quote).next()?,
        None => value.split_whitespace().next()?,
    };
    Some(decode(value))
}

/// The entities that templates write.
fn decode(html: &str) -> String {
    html.replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#43;", "+")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        for (html, text) in [
            ("", ""),
            (
                "<h2>Hello\n  you</h2>\n\n<p>a&#39;b &amp;amp; c</p>",
                "Hello you\na'b &amp; c",
            ),
            (
                r#"<p>Go <a class="x" href="http://x.test/?a=1&amp;b=2">there</a>.</p>"#,
                "Go there [http://x.test/?a=1&b=2].",
            ),
            ("<a href=http://x.test>http://x.test</a>", "http://x.test"),
            (
                "<style>p > a { }</style><title>T</title>a<br>b<br/>c",
                "a\nb\nc",
            ),
            ("a < b", "a"),
        ] {
            assert_eq!(of_html(html), text, "{html}");
        }
    }
}
