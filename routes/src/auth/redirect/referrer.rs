//! Where a request wants its browser to be sent.
//!
//! Source: supabase/auth, `internal/utilities/request.go`.

use http::header;

use super::{super::Context, AllowList};
use crate::World;

impl<W: World> Context<'_, W> {
    /// `redirect_to` of the request, else where it came from, if either is allowed; else the site.
    pub fn referrer(&self) -> String {
        self.redirect_target("")
    }

    /// The same, with a wish that comes first.
    pub fn redirect_target(&self, wish: &str) -> String {
        let site = self.site_url();
        let list = AllowList {
            site: &site,
            patterns: &self.settings.additional_redirect_urls,
        };
        let asked = match self.header("redirect_to") {
            "" => self.query("redirect_to"),
            header => header.to_owned(),
        };
        let referer = self.header(header::REFERER.as_str());
        list.choose([wish, &asked, referer]).to_owned()
    }

    /// Whether a browser may be sent there.
    pub fn allows_redirect(&self, target: &str) -> bool {
        let site = self.site_url();
        let list = AllowList {
            site: &site,
            patterns: &self.settings.additional_redirect_urls,
        };
        list.allows(target)
    }
}
