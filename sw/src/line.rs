//! What goes over the line to a project's VM worker, and what comes over it, in the router's own words.

use futures::TryStreamExt as _;
use http::{Request, Response, Uri, uri::PathAndQuery};
use port::peer::{self, Interrupted, Lost};
use routes::{
    Body,
    body::BodyError,
    router::{Guest, INTERNAL},
    world::Unavailable,
};

/// The router's request for the VM worker.
pub fn request_out(request: Request<Body>) -> Request<peer::Body> {
    request.map(body_out)
}

/// The VM worker's answer for the router.
pub fn response_in(response: Response<peer::Body>) -> Response<Body> {
    response.map(body_in)
}

/// A request of the VM worker of `project`, for the router: from a program inside, or, where it says
/// so, from the worker itself, which knows of no other project.
pub fn request_in(request: Request<peer::Body>, project: &str) -> Request<Body> {
    let mut request = request.map(body_in);
    request.extensions_mut().insert(Guest);
    if request.headers().contains_key(INTERNAL)
        && let Some(uri) = of_project(request.uri(), project)
    {
        *request.uri_mut() = uri;
    }
    request
}

/// The router's answer for the VM worker.
pub fn response_out(response: Response<Body>) -> Response<peer::Body> {
    response.map(body_out)
}

/// Why there is no answer, as the router knows it.
pub fn unavailable(lost: Lost) -> Unavailable {
    match lost {
        Lost::NoOwner => Unavailable::NoOwner,
        Lost::OwnerLost => Unavailable::OwnerLost,
        Lost::Deadline => Unavailable::Deadline,
        Lost::Busy => Unavailable::Busy,
        Lost::Version { ours, theirs } => Unavailable::Version { ours, theirs },
        Lost::Broken(reason) => Unavailable::Broken(reason),
    }
}

/// The same address behind the project's prefix.
fn of_project(uri: &Uri, project: &str) -> Option<Uri> {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("/{project}{target}").parse().ok();
    Uri::from_parts(parts).ok()
}

fn body_out(body: Body) -> peer::Body {
    match body {
        Body::Empty => peer::Body::empty(),
        Body::Full(bytes) => peer::Body::full(bytes),
        Body::Stream(chunks) => peer::Body::stream(
            chunks.map_err(|error: BodyError| Interrupted::Broken(error.to_string())),
        ),
    }
}

fn body_in(body: peer::Body) -> Body {
    if body.is_empty() {
        return Body::Empty;
    }
    let chunks = body.map_err(|interrupted| BodyError::Interrupted(interrupted.to_string()));
    Body::Stream(Box::pin(chunks))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{FutureExt as _, stream};

    use super::*;

    fn collect(body: Body) -> Result<Bytes, BodyError> {
        body.collect(1_000).now_or_never().unwrap()
    }

    #[test]
    fn bodies_are_the_same_on_the_other_side() {
        let chunks = |end: Option<BodyError>| {
            let chunks = ["ab", "c"].map(|text| Ok(Bytes::from_static(text.as_bytes())));
            Body::Stream(Box::pin(stream::iter(
                chunks.into_iter().chain(end.map(Err)),
            )))
        };
        let there_and_back = |body| body_in(body_out(body));
        assert!(matches!(there_and_back(Body::Empty), Body::Empty));
        for body in [Body::Full(Bytes::from_static(b"abc")), chunks(None)] {
            assert_eq!(collect(there_and_back(body)).unwrap(), "abc");
        }
        let error = BodyError::Interrupted("the disk is full".to_owned());
        let text = "it was interrupted: the disk is full".to_owned();
        assert_eq!(
            collect(there_and_back(chunks(Some(error)))),
            Err(BodyError::Interrupted(text))
        );
    }

    #[test]
    fn whoever_is_inside_is_known_as_such() {
        let cases = [
            ("http://localhost:5173/rest/v1/t?a=b", false, None),
            ("http://localhost:5173/demo/rest/v1/t", false, None),
            (
                "http://gateway/gateway/apps/web/bundle/0?x",
                true,
                Some("http://gateway/shop/gateway/apps/web/bundle/0?x"),
            ),
            ("/gateway/apps", true, Some("/shop/gateway/apps")),
        ];
        for (uri, internal, expected) in cases {
            let mut request = Request::new(peer::Body::empty());
            *request.uri_mut() = uri.parse().unwrap();
            if internal {
                let headers = request.headers_mut();
                headers.insert(INTERNAL, "1".parse().unwrap());
            }
            let request = request_in(request, "shop");
            assert_eq!(request.uri(), expected.unwrap_or(uri));
            assert!(request.extensions().get::<Guest>().is_some());
        }
    }
}
