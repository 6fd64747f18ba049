//! `order=column.desc.nullslast,relation(column).asc`.

use super::{
    Direction, Nulls, OrderTerm,
    cursor::{Cursor, Parsed, Refused},
    name,
};

/// One or more terms.
pub(super) fn terms(cursor: &mut Cursor<'_>) -> Parsed<Vec<OrderTerm>> {
    cursor.separated(
        |cursor| cursor.text(","),
        |cursor| {
            cursor.padded(|cursor| cursor.either(|cursor| cursor.attempt(related_term), own_term))
        },
    )
}

fn own_term(cursor: &mut Cursor<'_>) -> Parsed<OrderTerm> {
    let field = name::field(cursor)?;
    let (direction, nulls) = modifiers(cursor)?;
    Ok(OrderTerm {
        relation: None,
        field,
        direction,
        nulls,
    })
}

fn related_term(cursor: &mut Cursor<'_>) -> Parsed<OrderTerm> {
    let relation = name::field_name(cursor)?;
    cursor.text("(")?;
    let field = name::field(cursor)?;
    cursor.text(")")?;
    let (direction, nulls) = modifiers(cursor)?;
    Ok(OrderTerm {
        relation: Some(relation),
        field,
        direction,
        nulls,
    })
}

fn modifiers(cursor: &mut Cursor<'_>) -> Parsed<(Option<Direction>, Option<Nulls>)> {
    let direction = cursor.optional(|cursor| {
        modifier(
            cursor,
            &[
                ("asc", Direction::Ascending),
                ("desc", Direction::Descending),
            ],
        )
    })?;
    let nulls = cursor.either(
        |cursor| {
            let nulls = cursor.optional(|cursor| {
                modifier(
                    cursor,
                    &[("nullsfirst", Nulls::First), ("nullslast", Nulls::Last)],
                )
            })?;
            end_of_term(cursor)?;
            Ok(nulls)
        },
        |cursor| end_of_term(cursor).map(|()| None),
    )?;
    Ok((direction, nulls))
}

/// `.word`, each word attempted together with its dot.
fn modifier<T: Copy>(cursor: &mut Cursor<'_>, words: &[(&'static str, T)]) -> Parsed<T> {
    for (word, value) in words {
        let given = cursor.attempt(|cursor| {
            name::delimiter(cursor)?;
            cursor.text(word)
        });
        if given.is_ok() {
            return Ok(*value);
        }
    }
    Err(Refused)
}

fn end_of_term(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.either(
        |cursor| cursor.before(","),
        |cursor| cursor.attempt(Cursor::end),
    )
}
