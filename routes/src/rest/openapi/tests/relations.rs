//! Relations: rows, keys, operations.

use super::*;
use crate::schema::{Relationship, RelationshipKind};

fn table_mut<'a>(cache: &'a mut SchemaCache, name: &str) -> &'a mut Table {
    let mut tables = cache.tables.values_mut();
    tables.find(|table| table.name.name == name).unwrap()
}

#[test]
fn rows_have_columns_in_order_and_notes_on_keys() {
    let mut cache = fixture::cache();
    let projects = table_mut(&mut cache, "projects");
    projects.description = Some("What is done".to_owned());
    projects.columns[0].nullable = false;
    projects.columns[1].max_length = Some(20);
    projects.columns[1].enum_values = vec!["a".to_owned(), "b".to_owned()];
    projects.columns[2].description = Some("Who pays".to_owned());
    let description = described(&cache, &Visible::All);
    check(
        &description,
        &["definitions", "projects"],
        expect![[r#"
            {
              "description": "What is done",
              "required": [
                "id"
              ],
              "properties": {
                "id": {
                  "description": "Note:\nThis is a Primary Key.<pk/>",
                  "type": "integer",
                  "format": "int32"
                },
                "name": {
                  "enum": [
                    "a",
                    "b"
                  ],
                  "maxLength": 20,
                  "type": "string",
                  "format": "text"
                },
                "client_id": {
                  "description": "Who pays\n\nNote:\nThis is a Foreign Key to `clients.id`.<fk table='clients' column='id'/>",
                  "type": "integer",
                  "format": "int32"
                },
                "data": {
                  "format": "jsonb"
                }
              },
              "type": "object"
            }"#]],
    );
    check(
        &description,
        &["parameters", "rowFilter.projects.client_id"],
        expect![[r#"
            {
              "name": "client_id",
              "description": "Who pays",
              "required": false,
              "in": "query",
              "type": "string"
            }"#]],
    );
    check(
        &description,
        &["parameters", "body.projects"],
        expect![[r##"
            {
              "name": "projects",
              "description": "projects",
              "required": false,
              "in": "body",
              "schema": {
                "$ref": "#/definitions/projects"
              }
            }"##]],
    );
    check(
        &description,
        &["definitions", "tasks", "properties", "name"],
        expect![[r#"
            {
              "default": "",
              "type": "string",
              "format": "text"
            }"#]],
    );
}

#[test]
fn a_foreign_key_is_to_a_table_before_a_view() {
    let mut cache = fixture::cache();
    let mut relationships = cache.relationships.values_mut().flatten();
    let to_clients = relationships
        .find(|known| known.foreign_table.name == "clients" && known.table.name == "projects")
        .unwrap();
    let mut to_view = Relationship::clone(to_clients);
    to_view.foreign_table.name = "a_view".to_owned();
    to_view.foreign_table_is_view = true;
    let place = (to_view.table.clone(), "api".to_owned());
    let known = cache.relationships.get_mut(&place).unwrap();
    known.insert(0, Rc::new(to_view));
    let property = ["definitions", "projects", "properties", "client_id"];
    check(
        &described(&cache, &Visible::All),
        &property,
        expect![[r#"
            {
              "description": "Note:\nThis is a Foreign Key to `clients.id`.<fk table='clients' column='id'/>",
              "type": "integer",
              "format": "int32"
            }"#]],
    );

    let known = cache.relationships.get_mut(&place).unwrap();
    for relationship in known {
        let relationship = Rc::make_mut(relationship);
        if let RelationshipKind::ForeignKey { columns, .. } = &mut relationship.kind {
            columns.push(("name".to_owned(), "name".to_owned()));
        }
    }
    check(
        &described(&cache, &Visible::All),
        &property,
        expect![[r#"
            {
              "type": "integer",
              "format": "int32"
            }"#]],
    );
}

#[test]
fn relations_are_read_and_written_where_they_can_be() {
    let mut cache = fixture::cache();
    let clients = table_mut(&mut cache, "clients");
    clients.description = Some("Who pays\n\nOr should".to_owned());
    let family = table_mut(&mut cache, "family");
    (family.insertable, family.updatable, family.deletable) = (false, false, false);
    let description = described(&cache, &Visible::All);
    assert_eq!(keys(&description["paths"]["/family"]), ["get"]);
    assert_eq!(
        keys(&description["paths"]["/clients"]),
        ["get", "post", "delete", "patch"]
    );
    check(
        &description,
        &["paths", "/clients", "get"],
        expect![[r##"
            {
              "tags": [
                "clients"
              ],
              "summary": "Who pays",
              "description": "Or should",
              "parameters": [
                {
                  "$ref": "#/parameters/rowFilter.clients.id"
                },
                {
                  "$ref": "#/parameters/rowFilter.clients.name"
                },
                {
                  "$ref": "#/parameters/select"
                },
                {
                  "$ref": "#/parameters/order"
                },
                {
                  "$ref": "#/parameters/range"
                },
                {
                  "$ref": "#/parameters/rangeUnit"
                },
                {
                  "$ref": "#/parameters/offset"
                },
                {
                  "$ref": "#/parameters/limit"
                },
                {
                  "$ref": "#/parameters/preferCount"
                }
              ],
              "responses": {
                "200": {
                  "description": "OK",
                  "schema": {
                    "items": {
                      "$ref": "#/definitions/clients"
                    },
                    "type": "array"
                  }
                },
                "206": {
                  "description": "Partial Content"
                }
              }
            }"##]],
    );
    check(
        &description,
        &["paths", "/clients", "patch", "parameters"],
        expect![[r##"
            [
              {
                "$ref": "#/parameters/rowFilter.clients.id"
              },
              {
                "$ref": "#/parameters/rowFilter.clients.name"
              },
              {
                "$ref": "#/parameters/body.clients"
              },
              {
                "$ref": "#/parameters/preferReturn"
              }
            ]"##]],
    );
}
