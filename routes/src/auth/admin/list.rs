//! Lists, a page at a time: `?page=2&per_page=50`, with `X-Total-Count` and `Link`.
//!
//! Source: supabase/auth, `internal/api/pagination.go`.

use http::{HeaderName, HeaderValue, Response, header};
use serde_json::{Value, json};

use super::super::{
    Context,
    error::AuthError,
    sql::{self, users::Order},
    time::Time,
    user::User,
};
use crate::{Body, World, wire::StatementResult};

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
const PER_PAGE: u64 = 50;

/// Which part of a list is asked for; pages count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub page: u64,
    pub per_page: u64,
}

impl Page {
    /// Reads `page` and `per_page`.
    pub fn read<W: World>(context: &Context<'_, W>) -> Result<Self, AuthError> {
        let number = |name: &str, default: u64| {
            match context.query(name).as_str() {
            "" => Ok(default),
            text => text.parse().map_err(|_error| {
                AuthError::invalid(format!(
                    "Bad Pagination Parameters: strconv.ParseUint: parsing \"{text}\": invalid syntax"
                ))
            }),
        }
        };
        Ok(Self {
            page: number("page", 1)?.max(1),
            per_page: number("per_page", PER_PAGE)?.clamp(1, 1_000_000),
        })
    }

    pub const fn offset(self) -> u64 {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// Adds the headers of a list with so many entries in all.
    pub fn mark<W: World>(
        self,
        context: &Context<'_, W>,
        total: u64,
        response: &mut Response<Body>,
    ) {
        let pages = total.div_ceil(self.per_page);
        let mut links = Vec::new();
        let mut link = |page: u64, relation: &str| {
            let address = address(context, page);
            links.push(format!("<{address}>; rel=\"{relation}\""));
        };
        if self.page < pages {
            link(self.page + 1, "next");
        }
        link(pages.max(1), "last");
        let headers = response.headers_mut();
        headers.insert(TOTAL_COUNT, total.into());
        if let Ok(links) = HeaderValue::from_str(&links.join(", ")) {
            headers.insert(header::LINK, links);
        }
    }
}

/// The request's own path and query with another page.
fn address<W: World>(context: &Context<'_, W>, page: u64) -> String {
    let uri = &context.head.uri;
    let others = uri.query().unwrap_or_default().split('&');
    let mut pairs: Vec<String> = others
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("page"))
        .map(str::to_owned)
        .collect();
    pairs.insert(0, format!("page={page}"));
    format!("{}?{}", uri.path(), pairs.join("&"))
}

/// `GET /admin/users`.
pub async fn users<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let page = Page::read(context)?;
    let audience = context.audience();
    let order = match context.query("sort").as_str() {
        "" | "created_at" | "created_at desc" => Order::NewestFirst,
        "created_at asc" => Order::OldestFirst,
        _ => {
            return Err(AuthError::invalid(
                "Bad Sort Parameters: bad field for sort",
            ));
        }
    };
    let filter = context.query("filter");
    let statements = [
        sql::users::page(&audience, &filter, order, page.per_page, page.offset()),
        sql::users::count(&audience),
    ];
    let session = context.session().read_only();
    let results = context.database().run(&session, &statements).await?;
    let [users, all] = &results[..] else {
        return Err(AuthError::internal("Database error finding users"));
    };
    let mut shown = Vec::with_capacity(users.rows.len());
    for row in &users.rows {
        let json = row.get(0).unwrap_or_default();
        let user = User::from_row(json).map_err(|error| {
            AuthError::internal(format!("Database error finding users: {error}"))
        })?;
        shown.push(user.to_json());
    }
    // A page behind the last one has no row that could say how many there are.
    let total = count(users, 1).unwrap_or_else(|| match filter.as_str() {
        "" => count(all, 0).unwrap_or_default(),
        _ => 0,
    });
    let mut response = super::super::json(json!({"users": shown, "aud": audience}));
    page.mark(context, total, &mut response);
    Ok(response)
}

fn count(result: &StatementResult, column: usize) -> Option<u64> {
    result.rows.first()?.text(column)?.parse().ok()
}

/// `GET /admin/audit?query=author:…`.
pub async fn audit<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    context.admin()?;
    let page = Page::read(context)?;
    let query = context.query("query");
    let (scope, text) = query.split_once(':').unwrap_or((&query, ""));
    let columns: &[&str] = match scope {
        "" => &[],
        "author" => &["actor_username", "actor_name"],
        "action" => &["action"],
        "type" => &["log_type"],
        _ => return Err(AuthError::invalid(format!("Invalid query scope: {query}"))),
    };
    let statement = sql::audit::page(columns, text, page.per_page, page.offset());
    let session = context.session().read_only();
    let result = context.database().one(&session, statement).await?;
    let entries: Vec<Value> = result
        .rows
        .iter()
        .filter_map(|row| serde_json::from_slice(row.get(0)?).ok())
        .map(|mut entry: Value| {
            let time = entry["created_at"].as_str().and_then(Time::parse);
            entry["created_at"] = json!(time);
            entry
        })
        .collect();
    let mut response = super::super::json(Value::Array(entries));
    page.mark(
        context,
        count(&result, 1).unwrap_or_default(),
        &mut response,
    );
    Ok(response)
}
