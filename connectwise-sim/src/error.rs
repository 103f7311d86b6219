//! The vendor's error bodies.

use crate::json::{Json, Map};
use crate::obj;
use crate::schema::Schema;
use crate::wire::Response;

/// One entry of `errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    code: &'static str,
    message: String,
    resource: &'static str,
    field: String,
}

impl FieldError {
    /// A required field is missing.
    #[must_use]
    pub fn missing(schema: &Schema, field: &str) -> Self {
        Self::new(
            "MissingRequiredField",
            format!("The {field} field is required."),
            schema,
            field,
        )
    }

    /// A text is too long.
    #[must_use]
    pub fn too_long(schema: &Schema, field: &str, max: usize) -> Self {
        let message = format!("The field {field} must be a string with a maximum length of {max}.");
        Self::new("MaxLengthField", message, schema, field)
    }

    /// A value is not acceptable.
    #[must_use]
    pub fn invalid(schema: &Schema, field: &str, message: impl Into<String>) -> Self {
        Self::new("InvalidField", message.into(), schema, field)
    }

    /// A reference leads nowhere.
    #[must_use]
    pub fn no_such(schema: &Schema, field: &str, title: &str, key: &str) -> Self {
        Self::new(
            "NotFound",
            format!("{title} {key} not found"),
            schema,
            &format!("{field}/id"),
        )
    }

    /// A record of that kind is already there.
    #[must_use]
    pub fn exists(schema: &Schema, field: &str, message: impl Into<String>) -> Self {
        Self::new("ObjectExists", message.into(), schema, field)
    }

    fn new(code: &'static str, message: String, schema: &Schema, field: &str) -> Self {
        Self {
            code,
            message,
            resource: schema.name,
            field: field.to_owned(),
        }
    }

    fn json(&self) -> Json {
        obj! {
            "code" => self.code,
            "message" => self.message.as_str(),
            "resource" => self.resource,
            "field" => self.field.as_str(),
        }
    }
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: u16,
    code: &'static str,
    message: String,
    errors: Option<Vec<FieldError>>,
}

impl ApiError {
    /// Any error without field errors.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            errors: None,
        }
    }

    /// 400 with field errors.
    #[must_use]
    pub fn fields(schema: &Schema, errors: Vec<FieldError>) -> Self {
        let message = format!("{} object is invalid", schema.name);
        Self {
            status: 400,
            code: "InvalidObject",
            message,
            errors: Some(errors),
        }
    }

    /// 400 with one field error.
    #[must_use]
    pub fn field(schema: &Schema, error: FieldError) -> Self {
        Self::fields(schema, vec![error])
    }

    /// 404 for a record.
    #[must_use]
    pub fn not_found(title: &str, id: &str) -> Self {
        Self::new(404, "NotFound", format!("{title} {id} not found"))
    }

    /// 404 for a path.
    #[must_use]
    pub fn no_endpoint() -> Self {
        Self::new(404, "ConnectWiseApi", "The endpoint does not exist.")
    }

    /// 403.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(
            403,
            "Security",
            "You do not have security permission to perform this action.",
        )
    }

    /// 401 for keys that are not known.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(401, "ConnectWiseApi", "UserNotAuthenticated")
    }

    /// 409: something else depends on the record.
    #[must_use]
    pub fn in_use(title: &str, id: i64) -> Self {
        Self::new(
            409,
            "ConnectWiseApi",
            format!("{title} {id} is in use and cannot be changed or deleted."),
        )
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn json(&self) -> Json {
        let mut map = Map::new();
        map.push("code", self.code);
        map.push("message", self.message.as_str());
        if let Some(errors) = &self.errors {
            map.push(
                "errors",
                errors.iter().map(FieldError::json).collect::<Vec<_>>(),
            );
        }
        Json::Obj(map)
    }

    /// The response.
    #[must_use]
    pub fn response(&self) -> Response {
        Response::json(self.status, &self.json())
    }
}

/// The vendor's other body, for 429 alone.
#[must_use]
pub fn too_many(seconds: &str) -> Response {
    let body = obj! {
        "error" => "ConnectWiseAPI",
        "message" => format!("Too many requests. Please try again in {seconds} seconds."),
    };
    Response::json(429, &body).header("retry-after", seconds)
}
