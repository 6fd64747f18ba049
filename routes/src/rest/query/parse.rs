//! From the query string to [`Query`].

use super::{
    EmbedPath, Field, Filter, LogicTree, Operation, OrderTerm, Query, QueryError, SelectField,
    SelectItem, Window,
    cursor::{Cursor, Parsed},
    filter, name, order, pairs, select,
};

use crate::rest::payload::{MAX_DEPTH, is_deeper};

/// The longest query string that is parsed, in bytes. Browsers send up to 2 MB; lists of a few
/// thousand UUIDs fit.
pub const MAX_LENGTH: usize = 1024 * 1024;

/// How many embeds one request may have. Each is a join, and the memory to plan them grows with
/// their square.
pub const MAX_EMBEDS: usize = 128;

/// Parameters that are never a column.
const RESERVED: [&str; 3] = ["select", "columns", "on_conflict"];

impl Query {
    /// Parses what stands behind `?`.
    ///
    /// `call_by_url` is true for an RPC by GET or HEAD only: there, a pair whose value has no
    /// operator is an argument instead of an error.
    pub fn parse(raw: &str, call_by_url: bool) -> Result<Self, QueryError> {
        if raw.len() > MAX_LENGTH {
            return Err(QueryError::TooLong);
        }
        let pairs = pairs::decode(raw)?;
        let deep = |value: &String| is_deeper(value.as_bytes(), MAX_DEPTH);
        if pairs
            .iter()
            .any(|(_, value)| value.as_ref().is_some_and(deep))
        {
            return Err(QueryError::Depth);
        }
        let first = |wanted: &str| {
            let (_, value) = pairs.iter().find(|(key, _)| key == wanted)?;
            value.as_deref()
        };
        let given = || {
            pairs
                .iter()
                .filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?)))
        };
        let ending = |ends: &'static [&'static str]| {
            given().filter(move |(key, _)| ends.contains(&last_word(key)))
        };

        // The order decides which of several errors is reported.
        let order = ending(&["order"])
            .map(order_pair)
            .collect::<Result<_, _>>()?;
        let logic = ending(&["and", "or"])
            .map(logic_pair)
            .collect::<Result<_, _>>()?;
        let columns = first("columns").map(column_set).transpose()?;
        let select = first("select").map_or_else(
            || Ok(vec![SelectItem::Field(SelectField::star())]),
            |text| whole("select parameter", text, select::items),
        )?;
        if embeds(&select) > MAX_EMBEDS {
            return Err(QueryError::TooManyEmbeds);
        }
        let mut filters = Vec::new();
        let mut parameters = Vec::new();
        for (key, value) in given().filter(|(key, _)| is_filter(key)) {
            match filter_pair(key, value, call_by_url)? {
                (path, field, Some((negated, operation))) => filters.push((
                    path,
                    Filter {
                        field,
                        negated,
                        operation,
                    },
                )),
                (_, field, None) => parameters.push((field.name, value.to_owned())),
            }
        }
        let on_conflict = first("on_conflict")
            .map(|text| whole("on_conflict parameter", text, name::columns))
            .transpose()?;
        let ranges = windows(ending(&["limit", "offset"]))?;
        Ok(Self {
            select,
            filters,
            logic,
            order,
            ranges,
            columns,
            on_conflict,
            parameters,
            canonical: pairs::canonical(raw),
        })
    }
}

fn embeds(items: &[SelectItem]) -> usize {
    let of = |item: &SelectItem| match item {
        SelectItem::Field(_) => 0,
        SelectItem::Relation(embed) | SelectItem::Spread(embed) => 1 + embeds(&embed.children),
    };
    items.iter().map(of).sum()
}

/// What stands behind the last dot.
fn last_word(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn is_filter(key: &str) -> bool {
    !RESERVED.contains(&key)
        && !matches!(last_word(key), "order" | "limit" | "offset" | "and" | "or")
}

/// Parses a parameter's value; `subject` names it in the error.
///
/// As in PostgREST, what follows the last thing that the grammar takes is not looked at.
fn whole<'a, T>(
    subject: &str,
    text: &'a str,
    rule: impl Fn(&mut Cursor<'a>) -> Parsed<T>,
) -> Result<T, QueryError> {
    labelled(subject, text, text, rule)
}

/// As [`whole`], where the error shows another text than the one that is parsed.
fn labelled<'a, T>(
    subject: &str,
    shown: &str,
    text: &'a str,
    rule: impl Fn(&mut Cursor<'a>) -> Parsed<T>,
) -> Result<T, QueryError> {
    if let Ok(value) = rule(&mut Cursor::silent(text)) {
        return Ok(value);
    }
    // Read once more, for the reason.
    let mut cursor = Cursor::new(text);
    rule(&mut cursor).map_err(|_refused| {
        QueryError::syntax(
            &format!("{subject} ({shown})"),
            text,
            &cursor.into_failure(),
        )
    })
}

fn column_set(text: &str) -> Result<Vec<String>, QueryError> {
    let mut columns = whole("columns parameter", text, name::columns)?;
    columns.sort();
    columns.dedup();
    Ok(columns)
}

/// `embed.embed.column->path`
fn tree_path(key: &str) -> Result<(EmbedPath, Field), QueryError> {
    whole("tree path", key, |cursor| {
        let mut path = cursor.separated(name::delimiter, name::field_name)?;
        let json_path = name::json_path(cursor)?;
        let name = path.pop().unwrap_or_default();
        Ok((path, Field { name, json_path }))
    })
}

type Condition = Option<(bool, Operation)>;

fn filter_pair(
    key: &str,
    value: &str,
    call_by_url: bool,
) -> Result<(EmbedPath, Field, Condition), QueryError> {
    let (path, field) = tree_path(key)?;
    let condition = whole("filter", value, |cursor| {
        if call_by_url {
            cursor.optional(filter::condition)
        } else {
            filter::condition(cursor).map(Some)
        }
    })?;
    Ok((path, field, condition))
}

fn order_pair((key, value): (&str, &str)) -> Result<(EmbedPath, Vec<OrderTerm>), QueryError> {
    let (path, _) = tree_path(key)?;
    Ok((path, whole("order", value, order::terms)?))
}

/// `embed.not.or=(…)`: the operator is the key's last word, `not` may stand anywhere before it.
fn logic_pair((key, value): (&str, &str)) -> Result<(EmbedPath, LogicTree), QueryError> {
    let mut path = whole("logic path", key, |cursor| {
        cursor.separated(name::delimiter, name::field_name)
    })?;
    let operator = path.pop().unwrap_or_default();
    let negation = if path.iter().any(|name| name == "not") {
        "not."
    } else {
        ""
    };
    path.retain(|name| name != "not");
    let text = format!("{negation}{operator}{value}");
    Ok((path, labelled("logic tree", value, &text, filter::tree)?))
}

/// One window for each embed that has a limit or an offset. The last of several pairs counts.
fn windows<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<(EmbedPath, Window)>, QueryError> {
    /// A value that is no number is no bound, but counts as given.
    #[derive(Default)]
    struct Given {
        limit: Option<Result<i64, NoNumber>>,
        offset: Option<Result<i64, NoNumber>>,
    }
    let mut windows: Vec<(EmbedPath, Given)> = Vec::new();
    for (key, value) in pairs {
        let (path, _) = tree_path(key)?;
        let index = windows
            .iter()
            .position(|(known, _)| *known == path)
            .unwrap_or_else(|| {
                windows.push((path, Given::default()));
                windows.len() - 1
            });
        let Some((_, given)) = windows.get_mut(index) else {
            continue;
        };
        let bound = if last_word(key) == "limit" {
            &mut given.limit
        } else {
            &mut given.offset
        };
        *bound = Some(integer(value));
    }
    let window = |(path, given): (EmbedPath, Given)| {
        let limit = match (given.limit, given.offset) {
            // PostgREST takes a limit that is no number for none, but for 0 beside an offset.
            (Some(Err(NoNumber)), Some(_)) => Some(0),
            (limit, _) => limit.and_then(Result::ok),
        };
        let offset = given.offset.and_then(Result::ok).unwrap_or(0);
        (path, Window { offset, limit })
    };
    Ok(windows.into_iter().map(window).collect())
}

#[derive(Clone, Copy)]
struct NoNumber;

/// Decimal digits with an optional minus and spaces around them. Beyond 64 bits it saturates.
fn integer(text: &str) -> Result<i64, NoNumber> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoNumber);
    }
    let beyond = if digits.len() == text.len() {
        i64::MAX
    } else {
        i64::MIN
    };
    Ok(text.parse().unwrap_or(beyond))
}
