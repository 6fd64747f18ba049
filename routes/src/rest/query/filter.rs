//! `column=operator.value` and the trees of `and`, `or` and `not`.

use super::{
    Filter, FullText, IsValue, LogicOperator, LogicTree, Operation, Operator, Quantifier,
    cursor::{Cursor, Parsed, Refused},
    name,
};

/// Operators that take no quantifier.
const SIMPLE: [(&str, Operator); 9] = [
    ("neq", Operator::NotEqual),
    ("cs", Operator::Contains),
    ("cd", Operator::Contained),
    ("ov", Operator::Overlap),
    ("sl", Operator::StrictlyLeft),
    ("sr", Operator::StrictlyRight),
    ("nxr", Operator::NotExtendsRight),
    ("nxl", Operator::NotExtendsLeft),
    ("adj", Operator::Adjacent),
];

/// Operators that may be followed by `(any)` or `(all)`. A longer name stands before its prefix.
const QUANTIFIABLE: [(&str, Operator); 9] = [
    ("eq", Operator::Equal),
    ("gte", Operator::GreaterThanEqual),
    ("gt", Operator::GreaterThan),
    ("lte", Operator::LessThanEqual),
    ("lt", Operator::LessThan),
    ("like", Operator::Like),
    ("ilike", Operator::ILike),
    ("match", Operator::Match),
    ("imatch", Operator::IMatch),
];

const FULL_TEXT: [(&str, FullText); 4] = [
    ("fts", FullText::Fts),
    ("plfts", FullText::Plain),
    ("phfts", FullText::Phrase),
    ("wfts", FullText::Websearch),
];

const IS_VALUES: [(&str, IsValue); 5] = [
    ("null", IsValue::Null),
    ("not_null", IsValue::NotNull),
    ("true", IsValue::True),
    ("false", IsValue::False),
    ("unknown", IsValue::Unknown),
];

const UNKNOWN_OPERATOR: &str = "unknown single value operator";

/// `not.eq.5`: the whole of a parameter's value.
pub(super) fn condition(cursor: &mut Cursor<'_>) -> Parsed<(bool, Operation)> {
    negatable(cursor, |cursor| Ok(cursor.run(&[], |_| true).to_owned()))
}

/// `column.not.eq.5` or `not.and(…)`, inside a tree.
pub(super) fn tree(cursor: &mut Cursor<'_>) -> Parsed<LogicTree> {
    cursor.deeper(|cursor| cursor.either(|cursor| cursor.attempt(leaf), group))
}

fn leaf(cursor: &mut Cursor<'_>) -> Parsed<LogicTree> {
    let field = name::field(cursor)?;
    name::delimiter(cursor)?;
    let (negated, operation) = negatable(cursor, value_in_tree)?;
    Ok(LogicTree::Filter(Filter {
        field,
        negated,
        operation,
    }))
}

fn group(cursor: &mut Cursor<'_>) -> Parsed<LogicTree> {
    let negated = cursor.named("negation operator (not)", not)?;
    let operator = cursor.named("logic operator (and, or)", |cursor| {
        cursor.either(
            |cursor| cursor.one_of(&[("and", LogicOperator::And)]),
            |cursor| cursor.word(&[("or", LogicOperator::Or)]),
        )
    })?;
    cursor.padded(|cursor| cursor.text("("))?;
    let children = cursor.separated(name::comma, tree)?;
    cursor.padded(|cursor| cursor.text(")"))?;
    Ok(LogicTree::Group {
        negated,
        operator,
        children,
    })
}

fn not(cursor: &mut Cursor<'_>) -> Parsed<bool> {
    let given = cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            cursor.text("not")?;
            name::delimiter(cursor)
        })
    })?;
    Ok(given.is_some())
}

fn negatable<'a>(
    cursor: &mut Cursor<'a>,
    value: impl Fn(&mut Cursor<'a>) -> Parsed<String>,
) -> Parsed<(bool, Operation)> {
    let negated = not(cursor)?;
    let operation = cursor.named("operator (eq, gt, ...)", |cursor| operation(cursor, &value))?;
    Ok((negated, operation))
}

fn operation<'a>(
    cursor: &mut Cursor<'a>,
    value: &impl Fn(&mut Cursor<'a>) -> Parsed<String>,
) -> Parsed<Operation> {
    cursor.first(&[
        &|cursor| {
            keyword(cursor, "in")?;
            list(cursor).map(Operation::In)
        },
        &|cursor| {
            keyword(cursor, "is")?;
            is_value(cursor).map(Operation::Is)
        },
        &|cursor| {
            keyword(cursor, "isdistinct")?;
            value(cursor).map(Operation::IsDistinctFrom)
        },
        &|cursor| cursor.attempt(|cursor| full_text(cursor, value)),
        &|cursor| cursor.attempt(|cursor| simple(cursor, value)),
        &|cursor| cursor.attempt(|cursor| quantified(cursor, value)),
    ])
}

fn keyword(cursor: &mut Cursor<'_>, word: &'static str) -> Parsed<()> {
    cursor.attempt(|cursor| {
        cursor.text(word)?;
        name::delimiter(cursor)
    })
}

fn simple<'a>(
    cursor: &mut Cursor<'a>,
    value: &impl Fn(&mut Cursor<'a>) -> Parsed<String>,
) -> Parsed<Operation> {
    let operator = cursor.named(UNKNOWN_OPERATOR, |cursor| cursor.one_of(&SIMPLE))?;
    name::delimiter(cursor)?;
    Ok(Operation::Compare {
        operator,
        quantifier: None,
        value: value(cursor)?,
    })
}

fn quantified<'a>(
    cursor: &mut Cursor<'a>,
    value: &impl Fn(&mut Cursor<'a>) -> Parsed<String>,
) -> Parsed<Operation> {
    let operator = cursor.named(UNKNOWN_OPERATOR, |cursor| cursor.one_of(&QUANTIFIABLE))?;
    let quantifier = cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            cursor.text("(")?;
            let quantifier = cursor.either(
                |cursor| cursor.one_of(&[("any", Quantifier::Any)]),
                |cursor| cursor.word(&[("all", Quantifier::All)]),
            )?;
            cursor.text(")")?;
            Ok(quantifier)
        })
    })?;
    name::delimiter(cursor)?;
    Ok(Operation::Compare {
        operator,
        quantifier,
        value: value(cursor)?,
    })
}

fn full_text<'a>(
    cursor: &mut Cursor<'a>,
    value: &impl Fn(&mut Cursor<'a>) -> Parsed<String>,
) -> Parsed<Operation> {
    let operator = cursor.one_of(&FULL_TEXT)?;
    let language = cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            cursor.text("(")?;
            let language = name::identifier(cursor)?.to_owned();
            cursor.text(")")?;
            Ok(language)
        })
    })?;
    name::delimiter(cursor)?;
    Ok(Operation::FullText {
        operator,
        language,
        value: value(cursor)?,
    })
}

fn is_value(cursor: &mut Cursor<'_>) -> Parsed<IsValue> {
    cursor.named("isVal: (null, not_null, true, false, unknown)", |cursor| {
        for (word, value) in IS_VALUES {
            if cursor
                .attempt(|cursor| cursor.text_of_any_case(word))
                .is_ok()
            {
                return Ok(value);
            }
        }
        Err(Refused)
    })
}

/// `(1,"two, three",4)`
fn list(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.padded(|cursor| cursor.text("("))?;
    let items = cursor.separated(
        |cursor| cursor.text(","),
        |cursor| cursor.either(|cursor| cursor.attempt(delimited_quoted), plain_value),
    )?;
    cursor.padded(|cursor| cursor.text(")"))?;
    Ok(items)
}

/// A value in a tree ends at a comma or a closing bracket, unless it is quoted or an array.
fn value_in_tree(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.first(&[
        &|cursor| cursor.attempt(delimited_quoted),
        &|cursor| cursor.attempt(array),
        &plain_value,
    ])
}

/// A quoted value that ends where an item ends; otherwise its quotes are part of the value.
fn delimited_quoted(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let value = name::quoted_value(cursor)?;
    cursor.not_followed_by_any(None, in_item)?;
    Ok(value)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a rule among rules")]
fn plain_value(cursor: &mut Cursor<'_>) -> Parsed<String> {
    Ok(cursor.run(&[], in_item).to_owned())
}

/// `{1,2}`, with its braces.
fn array(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.text("{")?;
    let elements = cursor.run(&[], |character| !matches!(character, '{' | '}'));
    cursor.text("}")?;
    Ok(format!("{{{elements}}}"))
}

const fn in_item(character: char) -> bool {
    !matches!(character, ',' | ')')
}
