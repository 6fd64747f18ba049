//! Which media type answers, and what renders it.

use super::{Catalog, PlanError};
use crate::{
    rest::media::{MediaType, PlanOption},
    schema::QualifiedName,
};

/// The media type of the answer, and how the body is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendition {
    pub media: MediaType,
    pub renderer: Renderer,
    /// The answer is the statement's plan instead of its rows.
    pub explain: Option<Explain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explain {
    pub json: bool,
    pub options: Vec<PlanOption>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renderer {
    /// No body: HEAD, and mutations whose rows nobody asked for.
    None,
    Json {
        strip_nulls: bool,
    },
    /// One object, where exactly one row is there.
    Object {
        strip_nulls: bool,
    },
    Csv,
    GeoJson,
    /// A function or an aggregate of the database; `row_type` is what it takes, where that is not
    /// any element.
    Custom {
        function: QualifiedName,
        row_type: Option<QualifiedName>,
    },
}

/// Picks the first acceptable media type that something renders.
///
/// A renderer of the relation itself counts only for whole rows (`whole_rows`), because its
/// function takes the relation's row. Nothing acceptable is [`PlanError::NotAcceptable`].
pub(crate) fn negotiate(
    catalog: Catalog<'_>,
    relation: &QualifiedName,
    accept: &[MediaType],
    whole_rows: bool,
) -> Result<Rendition, PlanError> {
    accept
        .iter()
        .find_map(|media| rendition(catalog, relation, media, whole_rows))
        .ok_or_else(|| PlanError::NotAcceptable(accept.to_vec()))
}

fn rendition(
    catalog: Catalog<'_>,
    relation: &QualifiedName,
    media: &MediaType,
    whole_rows: bool,
) -> Option<Rendition> {
    // The vendored types carry parameters of ours; nothing overrides them.
    let renderer = match media {
        MediaType::Object { strip_nulls } => Renderer::Object {
            strip_nulls: *strip_nulls,
        },
        MediaType::StrippedArray => Renderer::Json { strip_nulls: true },
        MediaType::Plan { json, of, options } => {
            if !catalog.config.db_plan_enabled {
                return None;
            }
            let rows = rendition(catalog, relation, of, whole_rows)?;
            return Some(Rendition {
                media: media.clone(),
                renderer: rows.renderer,
                explain: Some(Explain {
                    json: *json,
                    options: options.clone(),
                }),
            });
        }
        other => return overridable(catalog, relation, other, whole_rows),
    };
    Some(Rendition {
        media: media.clone(),
        renderer,
        explain: None,
    })
}

fn overridable(
    catalog: Catalog<'_>,
    relation: &QualifiedName,
    media: &MediaType,
    whole_rows: bool,
) -> Option<Rendition> {
    let handlers = &catalog.cache.media_handlers;
    let of_relation = |media: &MediaType| {
        whole_rows
            .then(|| handlers.get(&(Some(relation.clone()), media.to_string())))
            .flatten()
    };
    let own = of_relation(&MediaType::Any)
        .or_else(|| of_relation(media))
        .map(|handler| (handler, Some(relation.clone())));
    let custom = own.or_else(|| {
        handlers
            .get(&(None, media.to_string()))
            .map(|handler| (handler, None))
    });
    if let Some((handler, row_type)) = custom {
        return Some(Rendition {
            media: MediaType::parse(&handler.media_type),
            renderer: Renderer::Custom {
                function: handler.function.clone(),
                row_type,
            },
            explain: None,
        });
    }
    let (media, renderer) = match media {
        MediaType::Json | MediaType::Any => {
            (MediaType::Json, Renderer::Json { strip_nulls: false })
        }
        MediaType::Csv => (MediaType::Csv, Renderer::Csv),
        MediaType::GeoJson => (MediaType::GeoJson, Renderer::GeoJson),
        MediaType::StrippedArray
        | MediaType::Object { .. }
        | MediaType::Plan { .. }
        | MediaType::Text
        | MediaType::Xml
        | MediaType::OpenApi
        | MediaType::Form
        | MediaType::OctetStream
        | MediaType::Other(_) => return None,
    };
    Some(Rendition {
        media,
        renderer,
        explain: None,
    })
}
