//! Which sockets a page may have.

use routes::{
    apps,
    table::{self, Endpoint},
};

/// Whether a page made with the URL `page` may have a socket to `url`: an application's page to its own
/// application. What is no application's is decided where the request is answered.
pub fn is_own(page: &str, url: &str) -> bool {
    let Some((origin, target)) = split(url) else {
        return false;
    };
    let leads_to_app = table::find(target.split('?').next().unwrap_or_default())
        .is_some_and(|route| route.endpoint == Endpoint::App);
    if !leads_to_app {
        return true;
    }
    // What `/` means to an application's page is its application's root.
    let own = apps::resolve(page, &format!("{origin}/"));
    own.is_some_and(|own| {
        target.starts_with(&own) || target.split('?').next() == Some(own.trim_end_matches('/'))
    })
}

/// A URL's origin, and what follows it.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let length = rest.find('/')?;
    Some(url.split_at(scheme.len() + 3 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_has_sockets_to_itself() {
        let shop = "http://a.test/app/shop/cart?x";
        for (page, url, expected) in [
            (shop, "http://a.test/app/shop/socket", true),
            (shop, "http://a.test/app/shop/", true),
            (shop, "http://a.test/app/shop", true),
            (shop, "http://a.test/app/shop?x=/app/other/", true),
            (shop, "http://a.test/socket", true),
            (shop, "http://a.test/app/shopping/socket", false),
            (shop, "http://a.test/app/other/socket", false),
            (shop, "http://a.test/demo/app/shop/socket", false),
            (shop, "http://b.test/app/shop/socket", false),
            (
                "http://a.test/demo/app/shop/",
                "http://a.test/demo/app/shop/x",
                true,
            ),
            (
                "http://a.test/index.html",
                "http://a.test/app/shop/socket",
                false,
            ),
            (
                "blob:http://a.test/1",
                "http://a.test/app/shop/socket",
                false,
            ),
            (shop, "nonsense", false),
        ] {
            assert_eq!(is_own(page, url), expected, "{page} {url}");
        }
    }
}
