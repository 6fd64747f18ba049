//! A QR code as SVG.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

/// Quiet modules around the code: the standard asks for four.
const MARGIN: i32 = 4;

/// Pixels of a module.
const MODULE: i32 = 3;

/// A picture of `text`; `None` where it is longer than any code.
///
/// Its quotes are single, because auth-js puts it into an address behind `data:image/svg+xml;utf-8,`
/// and a `#` would end that address.
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = code.size() + 2 * MARGIN;
    let pixels = side * MODULE;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{pixels}' height='{pixels}' \
         viewBox='0 0 {side} {side}' shape-rendering='crispEdges'>\
         <rect width='{side}' height='{side}' fill='white'/><path fill='black' d='"
    );
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size())
                .take_while(|&x| code.get_module(x, y))
                .zip(1..)
                .map(|(_, length)| length)
                .last()
                .unwrap_or_default();
            if run > 0 {
                // Writing to a string does not fail.
                let _ = write!(svg, "M{} {}h{run}v1h-{run}z", x + MARGIN, y + MARGIN);
            }
            x += run.max(1);
        }
    }
    svg.push_str("'/></svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws what the SVG says, module by module.
    fn drawn(svg: &str) -> Vec<(i32, i32)> {
        let path = svg.split("d='").nth(1).unwrap().split('\'').next().unwrap();
        let mut modules = Vec::new();
        for run in path.split('M').skip(1) {
            let (at, length) = run.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            let length: i32 = length.split('v').next().unwrap().parse().unwrap();
            modules.extend((x..x + length).map(|x| (x - MARGIN, y - MARGIN)));
        }
        modules
    }

    #[test]
    fn every_dark_module_is_drawn() {
        let text = "otpauth://totp/localhost:a%40example.test?secret=JBSWY3DPEHPK3PXP";
        let svg = svg(text).unwrap();
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let dark: Vec<(i32, i32)> = (0..code.size())
            .flat_map(|y| (0..code.size()).map(move |x| (x, y)))
            .filter(|&(x, y)| code.get_module(x, y))
            .collect();
        assert_eq!(drawn(&svg), dark);
        assert!(!svg.contains(['#', '"', '%']));
    }

    #[test]
    fn there_is_a_longest_text() {
        assert_eq!(svg(&"a".repeat(4000)), None);
    }
}
