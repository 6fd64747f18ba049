//! From the database's facts to the model.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use super::{
    Column, MediaHandler, Parameter, QualifiedName, Representation, ReturnType, Routine,
    SchemaCache, SchemaError, Table, Volatility,
    facts::{
        Facts, MediaHandlerFact, Oid, ParameterFact, RelationFact, RoutineFact, TypeFact,
        VolatilityFact,
    },
    relationships::{self, Relations},
    timezones::Timezones,
    views::Views,
};

/// Bits of [`RelationFact::commands`], by the numbers of commands in Postgres' source.
const UPDATE: i32 = 1 << 2;
const INSERT: i32 = 1 << 3;
const DELETE: i32 = 1 << 4;

/// Makes the schema of what `introspect::FACTS` answered.
///
/// Whatever is not such an answer is refused as a whole.
pub fn parse(json: &[u8]) -> Result<SchemaCache, SchemaError> {
    let facts: Facts = serde_json::from_slice(json)?;
    let views = Views::follow(&facts.views)?;
    let relations = Relations::new(&facts.relations);
    let primary_keys = relationships::primary_keys(&relations, &facts.keys, &views);
    let relationships = relationships::derive(
        &relations,
        &facts.keys,
        &views,
        &primary_keys,
        &facts.computed,
    );
    let primary_keys = primary_keys
        .into_iter()
        .map(|(relation, names)| (relation, names.into_iter().map(str::to_owned).collect()))
        .collect();

    let mut schema_descriptions = HashMap::new();
    for schema in facts.schemas {
        if let Some(description) = schema.description {
            schema_descriptions.insert(schema.name, description);
        }
    }
    let mut role_settings: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for setting in facts.role_settings {
        let settings = role_settings.entry(setting.role).or_default();
        settings.push((setting.name, setting.value));
    }
    let representations = facts.representations.into_iter().map(|fact| {
        let function = QualifiedName::new(fact.schema, fact.name);
        ((fact.source, fact.target), Representation { function })
    });
    Ok(SchemaCache {
        tables: tables(facts.relations, &facts.types, primary_keys)?,
        relationships,
        routines: routines(facts.routines),
        representations: representations.collect(),
        media_handlers: facts
            .media_handlers
            .into_iter()
            .map(media_handler)
            .collect(),
        timezones: Timezones::default(),
        role_settings,
        schema_descriptions,
    })
}

fn tables(
    facts: Vec<RelationFact>,
    types: &[TypeFact],
    mut primary_keys: BTreeMap<Oid, Vec<String>>,
) -> Result<HashMap<QualifiedName, Table>, SchemaError> {
    let types: HashMap<_, _> = types
        .iter()
        .map(|fact| ((fact.oid, fact.modifier), fact))
        .collect();
    let mut tables = HashMap::with_capacity(facts.len());
    for fact in facts.into_iter().filter(|fact| !fact.is_partition) {
        let name = fact.qualified_name();
        let table = Table {
            name: name.clone(),
            is_view: fact.is_view(),
            insertable: fact.commands & INSERT != 0,
            updatable: fact.commands & UPDATE != 0,
            deletable: fact.commands & DELETE != 0,
            primary_key: primary_keys.remove(&fact.oid).unwrap_or_default(),
            columns: columns(&fact, &types).ok_or(SchemaError::Columns(fact.oid))?,
            description: fact.description,
        };
        tables.insert(name, table);
    }
    Ok(tables)
}

/// `None` where the fields are not of the same columns, or of an unknown type.
fn columns(fact: &RelationFact, types: &HashMap<(Oid, i32), &TypeFact>) -> Option<Vec<Column>> {
    let columns = fact.names.iter().enumerate().map(|(index, name)| {
        let of = types.get(&(*fact.types.get(index)?, *fact.modifiers.get(index)?))?;
        let generated = *fact.generated.get(index)?;
        let own_default = fact.defaults.get(index)?.clone();
        Some(Column {
            name: name.clone(),
            description: fact.descriptions.get(index)?.clone(),
            nullable: !(*fact.not_null.get(index)? || of.not_null),
            data_type: of.data_type.clone(),
            nominal_type: of.nominal_type.clone(),
            max_length: of.max_length,
            default: own_default.or_else(|| of.default.clone().filter(|_| !generated)),
            enum_values: of.enum_values.clone().unwrap_or_default(),
            generated,
        })
    });
    columns.collect()
}

fn routines(facts: Vec<RoutineFact>) -> HashMap<QualifiedName, Vec<Rc<Routine>>> {
    let mut by_name: HashMap<QualifiedName, Vec<Routine>> = HashMap::new();
    for fact in facts.into_iter().filter(is_callable) {
        let routine = routine(fact);
        let overloads = by_name.entry(routine.name.clone()).or_default();
        overloads.push(routine);
    }
    let sorted = by_name.into_iter().map(|(name, mut overloads)| {
        // PostgREST's order, in which it names the candidates of an ambiguous call.
        overloads.sort_by(|one, other| {
            let count = one.parameters.len().cmp(&other.parameters.len());
            count
                .then_with(|| one.description.cmp(&other.description))
                .then_with(|| {
                    one.parameters
                        .iter()
                        .map(signature)
                        .cmp(other.parameters.iter().map(signature))
                })
        });
        (name, overloads.into_iter().map(Rc::new).collect())
    });
    sorted.collect()
}

fn signature(parameter: &Parameter) -> (&str, &str, bool, bool) {
    (
        &parameter.name,
        &parameter.data_type,
        parameter.required,
        parameter.variadic,
    )
}

/// Whether arguments can reach every parameter: by name, or the request's body the only one
/// without.
fn is_callable(routine: &RoutineFact) -> bool {
    let mut unnamed = routine
        .parameters
        .iter()
        .filter(|parameter| parameter.name.as_deref().unwrap_or_default().is_empty());
    match (unnamed.next(), unnamed.next()) {
        (None, _) => true,
        (Some(only), None) => matches!(
            only.data_type.as_str(),
            "bytea" | "json" | "jsonb" | "text" | "xml"
        ),
        (Some(_), Some(_)) => false,
    }
}

fn routine(fact: RoutineFact) -> Routine {
    let returned = QualifiedName::new(fact.returned_schema, fact.returned_name);
    let returns = if fact.returns_composite {
        ReturnType::Composite {
            name: returned,
            is_alias: fact.returns_alias,
        }
    } else if returned.schema == "pg_catalog" && returned.name == "void" && !fact.returns_set {
        ReturnType::Void
    } else {
        ReturnType::Scalar(returned)
    };
    let parameters: Vec<_> = fact.parameters.into_iter().map(parameter).collect();
    Routine {
        oid: fact.oid,
        name: QualifiedName::new(fact.schema, fact.name),
        description: fact.description,
        has_variadic: parameters.iter().any(|parameter| parameter.variadic),
        parameters,
        returns,
        returns_set: fact.returns_set,
        volatility: match fact.volatility {
            VolatilityFact::Volatile => Volatility::Volatile,
            VolatilityFact::Stable => Volatility::Stable,
            VolatilityFact::Immutable => Volatility::Immutable,
        },
        settings: fact.settings,
    }
}

fn parameter(fact: ParameterFact) -> Parameter {
    let type_max_length = match fact.data_type.as_str() {
        "bit" => "bit varying",
        "bit[]" => "bit varying[]",
        "character" => "character varying",
        "character[]" => "character varying[]",
        other => other,
    };
    Parameter {
        name: fact.name.unwrap_or_default(),
        type_max_length: type_max_length.to_owned(),
        data_type: fact.data_type,
        required: fact.required,
        variadic: fact.variadic.unwrap_or_default(),
    }
}

fn media_handler(fact: MediaHandlerFact) -> ((Option<QualifiedName>, String), MediaHandler) {
    let target = match (fact.target_schema, fact.target_name) {
        (Some(schema), Some(name)) => Some(QualifiedName::new(schema, name)),
        (_, _) => None,
    };
    let handler = MediaHandler {
        function: QualifiedName::new(fact.schema, fact.name),
        media_type: if fact.media_type == "*/*" {
            "application/octet-stream".to_owned()
        } else {
            fact.media_type.clone()
        },
        is_function: fact.is_function,
    };
    ((target, fact.media_type.to_lowercase()), handler)
}
