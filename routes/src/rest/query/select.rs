//! `select=`: the tree of columns and embedded relations.

use super::{
    Aggregate, Field, JoinType, SelectField, SelectItem, SelectRelation,
    cursor::{Cursor, Parsed, Refused},
    name,
};

const STAR: &str = "*";

/// Items with commas between them; none at all is an empty list.
pub(super) fn items(cursor: &mut Cursor<'_>) -> Parsed<Vec<SelectItem>> {
    cursor.deeper(|cursor| {
        cursor.either(
            |cursor| cursor.separated(name::comma, item),
            |_| Ok(Vec::new()),
        )
    })
}

fn item(cursor: &mut Cursor<'_>) -> Parsed<SelectItem> {
    cursor.first(&[
        &|cursor| {
            let relation = cursor.attempt(spread_head)?;
            with_children(cursor, relation).map(SelectItem::Spread)
        },
        &|cursor| {
            let relation = cursor.attempt(relation_head)?;
            with_children(cursor, relation).map(SelectItem::Relation)
        },
        &|cursor| field(cursor).map(SelectItem::Field),
    ])
}

fn with_children(cursor: &mut Cursor<'_>, mut relation: SelectRelation) -> Parsed<SelectRelation> {
    cursor.text("(")?;
    relation.children = items(cursor)?;
    cursor.text(")")?;
    Ok(relation)
}

/// `...relation!hint!inner` before its bracket.
fn spread_head(cursor: &mut Cursor<'_>) -> Parsed<SelectRelation> {
    cursor.padded(|cursor| {
        cursor.text("...")?;
        let name = name::field_name(cursor)?;
        relation_tail(cursor, name, None)
    })
}

/// `alias:relation!hint!inner` before its bracket. `count(` is the aggregate, not a relation.
fn relation_head(cursor: &mut Cursor<'_>) -> Parsed<SelectRelation> {
    cursor.padded(|cursor| {
        let alias = alias(cursor)?;
        let name = name::field_name(cursor)?;
        if name == "count" {
            return Err(Refused);
        }
        relation_tail(cursor, name, alias)
    })
}

fn relation_tail(
    cursor: &mut Cursor<'_>,
    name: String,
    alias: Option<String>,
) -> Parsed<SelectRelation> {
    let (mut hint, mut join) = (None, None);
    for _ in 0..2 {
        match cursor.optional(embed_parameter)? {
            Some(EmbedParameter::Join(given)) => join = join.or(Some(given)),
            Some(EmbedParameter::Hint(given)) => hint = hint.or(Some(given)),
            None => {}
        }
    }
    cursor.before("(")?;
    Ok(SelectRelation {
        name,
        alias,
        hint,
        join,
        children: Vec::new(),
    })
}

enum EmbedParameter {
    Hint(String),
    Join(JoinType),
}

fn embed_parameter(cursor: &mut Cursor<'_>) -> Parsed<EmbedParameter> {
    cursor.text("!")?;
    cursor.either(
        |cursor| {
            cursor
                .one_of(&[("left", JoinType::Left), ("inner", JoinType::Inner)])
                .map(EmbedParameter::Join)
        },
        |cursor| cursor.attempt(name::field_name).map(EmbedParameter::Hint),
    )
}

/// `alias:`, but not the first colon of a cast.
fn alias(cursor: &mut Cursor<'_>) -> Parsed<Option<String>> {
    cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            let alias = name::field_name(cursor)?;
            cursor.text(":")?;
            cursor.not_followed_by(":")?;
            Ok(alias)
        })
    })
}

/// `*`, `count()`, or `alias:column->path::cast.sum()::cast`.
fn field(cursor: &mut Cursor<'_>) -> Parsed<SelectField> {
    cursor.padded(|cursor| {
        cursor.first(&[
            &|cursor| cursor.attempt(star),
            &|cursor| cursor.attempt(count),
            &column,
        ])
    })
}

fn star(cursor: &mut Cursor<'_>) -> Parsed<SelectField> {
    cursor.text(STAR)?;
    end_of_field(cursor)?;
    Ok(SelectField::plain(star_field()))
}

fn count(cursor: &mut Cursor<'_>) -> Parsed<SelectField> {
    let alias = alias(cursor)?;
    cursor.text("count()")?;
    let aggregate_cast = cast(cursor)?;
    end_of_field(cursor)?;
    Ok(SelectField {
        alias,
        aggregate: Some(Aggregate::Count),
        aggregate_cast,
        ..SelectField::plain(star_field())
    })
}

fn column(cursor: &mut Cursor<'_>) -> Parsed<SelectField> {
    let alias = alias(cursor)?;
    let field = name::field(cursor)?;
    let cast_before = cast(cursor)?;
    let aggregate = cursor.optional(|cursor| cursor.attempt(aggregate))?;
    let aggregate_cast = cast(cursor)?;
    end_of_field(cursor)?;
    Ok(SelectField {
        field,
        cast: cast_before,
        alias,
        aggregate,
        aggregate_cast,
    })
}

fn cast(cursor: &mut Cursor<'_>) -> Parsed<Option<String>> {
    cursor.optional(|cursor| {
        cursor.text("::")?;
        name::identifier(cursor).map(str::to_owned)
    })
}

fn aggregate(cursor: &mut Cursor<'_>) -> Parsed<Aggregate> {
    cursor.text(".")?;
    let aggregate = cursor.either(
        |cursor| {
            cursor.word(&[
                ("sum", Aggregate::Sum),
                ("avg", Aggregate::Avg),
                ("count", Aggregate::Count),
            ])
        },
        |cursor| cursor.one_of(&[("max", Aggregate::Max), ("min", Aggregate::Min)]),
    )?;
    cursor.text("()")?;
    Ok(aggregate)
}

fn end_of_field(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.either(
        |cursor| name::first_before(cursor, &[")", ","]),
        |cursor| cursor.attempt(Cursor::end),
    )
}

fn star_field() -> Field {
    Field {
        name: STAR.to_owned(),
        json_path: Vec::new(),
    }
}

impl SelectField {
    const fn plain(field: Field) -> Self {
        Self {
            field,
            cast: None,
            alias: None,
            aggregate: None,
            aggregate_cast: None,
        }
    }

    /// `*`
    pub(super) fn star() -> Self {
        Self::plain(star_field())
    }
}
