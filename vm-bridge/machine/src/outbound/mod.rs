//! The world outside, for the guest's programs: HTTP through the browser, as far as it is allowed.

mod policy;
mod proxy;

use futures::future::LocalBoxFuture;
use http::{Request, Response};
use port::peer::Body;

pub use policy::Policy;
pub use proxy::Proxy;

/// Where the guest's programs find the proxy.
pub const PORT: u16 = 3128;

/// Where programs find it that believe to speak with an allowed server itself: its name leads here.
pub const DIRECT_PORT: u16 = 80;

/// The browser's `fetch`.
pub trait Fetch {
    /// Asks a server, whose URL is absolute. Dropped, the request is aborted.
    fn fetch(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Unfetched>>;
}

/// The browser did not get an answer, or does not show it. It tells no script why: the server may be
/// unreachable, or not allow other origins to read its answers (CORS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfetched(pub String);
