use serde_json::json;

use super::*;

fn render(text: &str, format: Format) -> String {
    let values = json!({
        "Email": "a'b+c@x.test",
        "Token": "012345",
        "Markup": "<script>alert(\"1\" & 2)</script>",
        "ConfirmationURL": "https://x.test/verify?token=1&redirect_to=http://y.test/?a=b c",
        "Bad": "javascript:alert(1)",
        "Data": {"name": "Ann", "count": 2, "none": null, "tags": ["a", "<b>"], "plan": "pro"},
        "Empty": "",
    });
    let rendered = Template::parse(text, format).and_then(|template| template.render(&values));
    rendered.unwrap_or_else(|error| format!("! {error}"))
}

#[test]
fn values_are_shown() {
    for (text, expected) in [
        ("", ""),
        ("a {{ .Token }}{{.Token}} b", "a 012345012345 b"),
        (
            "{{ .Data.name }} {{ $.Data.count }} {{ .Data.none }}{{ .Missing }}{{ .Missing.more }}",
            "Ann 2 ",
        ),
        (" {{- .Token -}} b", "012345b"),
        ("a {{- /* no word */ -}} b{{/* none */}}c", "abc"),
        (
            "{{ if .Empty }}a{{ else if .Token }}b{{ else }}c{{ end }}",
            "b",
        ),
        ("{{ if .Empty }}a{{ else }}c{{ end }}", "c"),
        ("{{ if and .Token (not .Empty) }}a{{ end }}", "a"),
        (
            r#"{{ if eq .Data.plan "free" "pro" }}a{{ end }}{{ if ne .Data.count 2 }}b{{ end }}"#,
            "a",
        ),
        (
            "{{ if gt .Data.count 1 }}a{{ end }}{{ if le (len .Data.tags) 1 }}b{{ end }}",
            "a",
        ),
        (
            "{{ with .Data }}{{ .name }}{{ $.Token }}{{ end }}",
            "Ann012345",
        ),
        (
            "{{ with .Empty }}a{{ else }}{{ .Token }}{{ end }}",
            "012345",
        ),
        ("{{ range .Data.tags }}[{{ . }}]{{ end }}", "[a][<b>]"),
        ("{{ range .Missing }}a{{ else }}none{{ end }}", "none"),
        (
            r#"{{ index .Data "name" }}{{ index .Data.tags 1 }}"#,
            "Ann<b>",
        ),
        (r#"{{ or .Empty "}}" | print "a" }}"#, "a}}"),
        ("{{ .Email | urlquery }}", "a%27b%2Bc%40x.test"),
        ("{{ `raw \\` }}", "raw \\"),
    ] {
        assert_eq!(render(text, Format::Text), expected, "{text}");
    }
}

#[test]
fn markup_is_escaped_for_its_place() {
    for (text, expected) in [
        (
            "<p>{{ .Markup }}</p>",
            "<p>&lt;script&gt;alert(&#34;1&#34; &amp; 2)&lt;/script&gt;</p>",
        ),
        ("<p>{{ .Email }}</p>", "<p>a&#39;b&#43;c@x.test</p>"),
        (
            r#"<a href="{{ .ConfirmationURL }}">x</a>"#,
            r#"<a href="https://x.test/verify?token=1&amp;redirect_to=http://y.test/?a=b%20c">x</a>"#,
        ),
        (
            r#"<a href="{{ .Bad }}">x</a>"#,
            r##"<a href="#ZgotmplZ">x</a>"##,
        ),
        (
            r#"<a href="https://x.test/{{ .Bad }}">x</a>"#,
            r#"<a href="https://x.test/javascript:alert%281%29">x</a>"#,
        ),
        (
            "<a href='https://x.test/?next={{ .ConfirmationURL }}'>x</a>",
            "<a href='https://x.test/?next=https%3a%2f%2fx.test%2fverify%3ftoken%3d1%26redirect_to%3dhttp%3a%2f%2fy.test%2f%3fa%3db%20c'>x</a>",
        ),
        (
            r#"<img alt="{{ .Markup }}">"#,
            r#"<img alt="&lt;script&gt;alert(&#34;1&#34; &amp; 2)&lt;/script&gt;">"#,
        ),
        (
            "<img alt={{ .ConfirmationURL }} a>{{ .Token }}",
            "<img alt=https://x.test/verify?token&#61;1&amp;redirect_to&#61;http://y.test/?a&#61;b&#32;c a>012345",
        ),
        (
            "<script>f({{ .Markup }})</script>{{ .Token }}",
            r#"<script>f("\u003cscript\u003ealert(\"1\" \u0026 2)\u003c/script\u003e")</script>012345"#,
        ),
        (
            r#"<p onclick="{{ .Bad }}" style="{{ .Bad }}">"#,
            r#"<p onclick="" style="">"#,
        ),
        (
            "<!-- {{ .Token }} --><b>{{ .Token }}</b>",
            "<!--  --><b>012345</b>",
        ),
        (
            "<style>{{ .Token }}</style><{{ .Token }} {{ .Token }}>{{ .Token }}",
            "<style></style>< >012345",
        ),
    ] {
        assert_eq!(render(text, Format::Html), expected, "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    for (text, expected) in [
        ("{{ .Token", "! unclosed action"),
        ("{{ /* .Token }}", "! unclosed action"),
        ("{{ }}", "! missing value for command"),
        (
            "{{ if .Token }}",
            "! unexpected EOF: an {{ end }} is missing",
        ),
        (
            "{{ if .Token }}{{ else }}",
            "! unexpected EOF: an {{ end }} is missing",
        ),
        ("{{ end }}", "! unexpected end"),
        (
            "{{ template \"x\" }}",
            "! function \"template\" not defined",
        ),
        ("{{ .Token.more }}", "! can't evaluate field more"),
        ("{{ \"a }}", "! unclosed action"),
        ("{{ (.Token }}", "! unclosed left paren"),
        ("{{ .Token | .Token }}", "! a pipe leads to no function"),
        ("{{ eq .Token }}", "! wrong number of arguments for Eq"),
        ("{{ $x }}", "! variables are not supported"),
        ("{{ .a..b }}", "! a name is missing after a dot"),
        ("{{ 1x }}", "! bad number \"1x\""),
        ("{{ ~ }}", "! unexpected '~' in an action"),
        (&"{{ if .Token }}".repeat(40), "! nested too deeply"),
    ] {
        assert_eq!(render(text, Format::Html), expected, "{text}");
    }
}
