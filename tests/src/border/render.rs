//! Queries back as query strings: every name quoted, every value in a tree quoted.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use routes::rest::query::{
    Aggregate, Direction, EmbedPath, Field, Filter, FullText, IsValue, JoinType, JsonOperand,
    LogicOperator, LogicTree, Nulls, Operation, Operator, OrderTerm, Quantifier, Query,
    SelectField, SelectItem, SelectRelation,
};

/// A query string that means the same, `canonical` aside.
pub(super) fn query(query: &Query) -> String {
    let mut pairs = vec![("select".to_owned(), items(&query.select))];
    for (path, filter) in &query.filters {
        pairs.push((key(path, &field(&filter.field)), condition(filter, false)));
    }
    for (path, tree) in &query.logic {
        let LogicTree::Group {
            negated,
            operator,
            children,
        } = tree
        else {
            continue;
        };
        let not = if *negated { "not." } else { "" };
        let key = key(path, &format!("{not}{}", logic_operator(*operator)));
        pairs.push((key, trees(children)));
    }
    for (path, terms) in &query.order {
        pairs.push((key(path, "order"), joined(terms, order_term)));
    }
    for (path, window) in &query.ranges {
        pairs.push((key(path, "offset"), window.offset.to_string()));
        if let Some(limit) = window.limit {
            pairs.push((key(path, "limit"), limit.to_string()));
        }
    }
    if let Some(columns) = &query.columns {
        pairs.push(("columns".to_owned(), joined(columns, |name| quoted(name))));
    }
    if let Some(columns) = &query.on_conflict {
        pairs.push((
            "on_conflict".to_owned(),
            joined(columns, |name| quoted(name)),
        ));
    }
    for (name, value) in &query.parameters {
        pairs.push((quoted(name), value.clone()));
    }
    let pairs = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn joined<T>(items: &[T], render: impl FnMut(&T) -> String) -> String {
    items.iter().map(render).collect::<Vec<_>>().join(",")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A bare word: of nothing but spaces where it is empty.
fn word(text: &str) -> &str {
    if text.is_empty() { " " } else { text }
}

fn key(path: &EmbedPath, end: &str) -> String {
    let path = path.iter().map(|name| format!("{}.", quoted(name)));
    format!("{}{end}", path.collect::<String>())
}

fn field(field: &Field) -> String {
    let mut rendered = quoted(&field.name);
    for step in &field.json_path {
        rendered.push_str(if step.as_text { "->>" } else { "->" });
        match &step.operand {
            JsonOperand::Key(key) => rendered.push_str(&quoted(key)),
            JsonOperand::Index(index) => rendered.push_str(index),
        }
    }
    rendered
}

fn items(items: &[SelectItem]) -> String {
    joined(items, |item| match item {
        SelectItem::Field(field) => select_field(field),
        SelectItem::Relation(embed) => relation(embed),
        SelectItem::Spread(embed) => format!("...{}", relation(embed)),
    })
}

fn select_field(select: &SelectField) -> String {
    let is_star = select.field.name == "*" && select.field.json_path.is_empty();
    let cast = |cast: &Option<String>| {
        cast.as_ref()
            .map(|cast| format!("::{}", word(cast)))
            .unwrap_or_default()
    };
    let alias = select
        .alias
        .as_ref()
        .map(|alias| format!("{}:", quoted(alias)))
        .unwrap_or_default();
    let before = cast(&select.cast);
    let after = cast(&select.aggregate_cast);
    match select.aggregate {
        Some(Aggregate::Count) if is_star && select.cast.is_none() => {
            format!("{alias}count(){after}")
        }
        None if is_star && alias.is_empty() && before.is_empty() && after.is_empty() => {
            "*".to_owned()
        }
        aggregate => {
            let aggregate = match aggregate {
                None => "",
                Some(Aggregate::Sum) => ".sum()",
                Some(Aggregate::Avg) => ".avg()",
                Some(Aggregate::Max) => ".max()",
                Some(Aggregate::Min) => ".min()",
                Some(Aggregate::Count) => ".count()",
            };
            format!("{alias}{}{before}{aggregate}{after}", field(&select.field))
        }
    }
}

fn relation(relation: &SelectRelation) -> String {
    let mut rendered = String::new();
    if let Some(alias) = &relation.alias {
        rendered = format!("{}:", quoted(alias));
    }
    rendered.push_str(&quoted(&relation.name));
    if let Some(hint) = &relation.hint {
        rendered.push('!');
        rendered.push_str(&quoted(hint));
    }
    rendered.push_str(match relation.join {
        None => "",
        Some(JoinType::Inner) => "!inner",
        Some(JoinType::Left) => "!left",
    });
    format!("{rendered}({})", items(&relation.children))
}

/// `not.eq.5`; in a tree the value is quoted.
fn condition(filter: &Filter, in_tree: bool) -> String {
    let single = |value: &str| {
        if in_tree {
            quoted(value)
        } else {
            value.to_owned()
        }
    };
    let not = if filter.negated { "not." } else { "" };
    let operation = match &filter.operation {
        Operation::Compare {
            operator,
            quantifier,
            value,
        } => {
            let quantifier = match quantifier {
                None => "",
                Some(Quantifier::Any) => "(any)",
                Some(Quantifier::All) => "(all)",
            };
            let operator = comparison(*operator);
            format!("{operator}{quantifier}.{}", single(value))
        }
        Operation::In(values) => format!("in.({})", joined(values, |value| quoted(value))),
        Operation::Is(value) => format!("is.{}", is_value(*value)),
        Operation::IsDistinctFrom(value) => format!("isdistinct.{}", single(value)),
        Operation::FullText {
            operator,
            language,
            value,
        } => {
            let language = language
                .as_ref()
                .map(|language| format!("({})", word(language)))
                .unwrap_or_default();
            format!("{}{language}.{}", full_text(*operator), single(value))
        }
    };
    format!("{not}{operation}")
}

fn trees(children: &[LogicTree]) -> String {
    let rendered = joined(children, |tree| match tree {
        LogicTree::Group {
            negated,
            operator,
            children,
        } => {
            let not = if *negated { "not." } else { "" };
            format!("{not}{}{}", logic_operator(*operator), trees(children))
        }
        LogicTree::Filter(filter) => {
            format!("{}.{}", field(&filter.field), condition(filter, true))
        }
    });
    format!("({rendered})")
}

fn order_term(term: &OrderTerm) -> String {
    let mut rendered = field(&term.field);
    if let Some(relation) = &term.relation {
        rendered = format!("{}({rendered})", quoted(relation));
    }
    rendered.push_str(match term.direction {
        None => "",
        Some(Direction::Ascending) => ".asc",
        Some(Direction::Descending) => ".desc",
    });
    rendered.push_str(match term.nulls {
        None => "",
        Some(Nulls::First) => ".nullsfirst",
        Some(Nulls::Last) => ".nullslast",
    });
    rendered
}

const fn logic_operator(operator: LogicOperator) -> &'static str {
    match operator {
        LogicOperator::And => "and",
        LogicOperator::Or => "or",
    }
}

const fn comparison(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "eq",
        Operator::NotEqual => "neq",
        Operator::GreaterThan => "gt",
        Operator::GreaterThanEqual => "gte",
        Operator::LessThan => "lt",
        Operator::LessThanEqual => "lte",
        Operator::Like => "like",
        Operator::ILike => "ilike",
        Operator::Match => "match",
        Operator::IMatch => "imatch",
        Operator::Contains => "cs",
        Operator::Contained => "cd",
        Operator::Overlap => "ov",
        Operator::StrictlyLeft => "sl",
        Operator::StrictlyRight => "sr",
        Operator::NotExtendsRight => "nxr",
        Operator::NotExtendsLeft => "nxl",
        Operator::Adjacent => "adj",
    }
}

const fn is_value(value: IsValue) -> &'static str {
    match value {
        IsValue::Null => "null",
        IsValue::NotNull => "not_null",
        IsValue::True => "true",
        IsValue::False => "false",
        IsValue::Unknown => "unknown",
    }
}

const fn full_text(operator: FullText) -> &'static str {
    match operator {
        FullText::Fts => "fts",
        FullText::Plain => "plfts",
        FullText::Phrase => "phfts",
        FullText::Websearch => "wfts",
    }
}
