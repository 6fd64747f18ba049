//! Requests about the functions.

use http::{Method, Request, Response};
use port::peer::Body;
use serde::Deserialize;

use super::{Failure, Inside, json, not_allowed, read};

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Inside {
    pub(super) fn functions_state(&self, request: &Request<Body>) -> Response<Body> {
        if request.method() == Method::GET {
            json(&self.functions.state())
        } else {
            not_allowed("GET")
        }
    }

    pub(super) async fn forget_function(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        if request.method() != Method::POST {
            return Ok(not_allowed("POST"));
        }
        let body = read(request.into_body()).await?;
        let named: Named = serde_json::from_slice(&body)
            .map_err(|error| Failure::Invalid(format!("The function is not named: {error}")))?;
        self.functions.forget(&named.name);
        Ok(json(&self.functions.state()))
    }
}
