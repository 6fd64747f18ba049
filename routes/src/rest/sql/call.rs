//! Calls of functions.

use bytes::Bytes;

use super::{
    payload::{self, PAYLOAD},
    writer::{Writer, array_text},
};
use crate::{
    rest::plan::{Arguments, CallPlan, call::Argument},
    schema::{Parameter, QualifiedName},
    wire,
};

const CALL: &str = "pgrst_call";

pub(super) fn statement(writer: &mut Writer, plan: &CallPlan) {
    writer.raw("SELECT ");
    if plan.routine.returns_scalar() {
        called(writer, plan);
        writer.raw(" AS pgrst_scalar");
        if let Some(payload) = payload(plan) {
            writer.raw(" FROM ");
            payload(writer);
        }
        return;
    }
    if plan.returning.is_empty() {
        writer.raw("*");
    } else {
        let rows = QualifiedName::new("", CALL);
        writer.list(", ", &plan.returning, |writer, column| {
            writer.column(&rows, column);
        });
    }
    writer.raw(" FROM ");
    if let Some(payload) = payload(plan) {
        payload(writer);
        writer.raw(", LATERAL ");
    }
    called(writer, plan);
    writer.raw(" ").raw(CALL);
}

/// What writes the rows of a JSON body that arguments are read from.
fn payload(plan: &CallPlan) -> Option<impl Fn(&mut Writer)> {
    let Arguments::Json {
        parameters,
        body,
        is_array,
    } = &plan.arguments
    else {
        return None;
    };
    Some(move |writer: &mut Writer| {
        let columns = parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.type_max_length.as_str()));
        payload::arguments(writer, body, *is_array, columns);
    })
}

/// `name(argument, …)`
fn called(writer: &mut Writer, plan: &CallPlan) {
    writer.name(&plan.routine.name).raw("(");
    arguments(writer, &plan.arguments);
    writer.raw(")");
}

fn arguments(writer: &mut Writer, arguments: &Arguments) {
    match arguments {
        Arguments::None => {}
        Arguments::Unnamed { parameter, body } => whole(writer, parameter, body),
        Arguments::Json { parameters, .. } => {
            let from = QualifiedName::new("", PAYLOAD);
            writer.list(", ", parameters, |writer, parameter| {
                named(writer, parameter);
                writer.column(&from, &parameter.name);
            });
        }
        Arguments::Direct(pairs) => {
            writer.list(", ", pairs, |writer, (parameter, argument)| {
                named(writer, parameter);
                match argument {
                    Argument::One(value) => writer.value(value.as_str()),
                    Argument::Many(values) => writer.value(array_text(values)).raw("::text[]"),
                };
                writer.raw("::").catalog(&parameter.type_max_length);
            });
        }
    }
}

fn named(writer: &mut Writer, parameter: &Parameter) {
    if parameter.variadic {
        writer.raw("VARIADIC ");
    }
    writer.identifier(&parameter.name).raw(" := ");
}

/// The body as the one argument. Bytes go as hexadecimal: they need not be text.
fn whole(writer: &mut Writer, parameter: &Parameter, body: &Bytes) {
    if parameter.data_type == "bytea" {
        let mut hex = String::with_capacity(2 + body.len() * 2);
        hex.push_str("\\x");
        for byte in body {
            for digit in [byte >> 4, byte & 0xf] {
                hex.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        writer.value(hex);
    } else {
        writer.parameter(wire::Parameter::from(body.clone()));
    }
    writer.raw("::").catalog(&parameter.data_type);
}
