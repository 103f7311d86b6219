//! The grammar of `conditions`, and what an expression says of a record.

mod parser;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use rust_decimal::Decimal;

pub use parser::parse;

use crate::json::Json;
use crate::schema::{Field, Schema, Type};

/// How the unsettled points of the grammar are to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    /// `and` and `or` bind alike, from left to right.
    pub left_to_right: bool,
    /// A doubled quote inside a string stands for one.
    pub doubled_quotes: bool,
}

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A quoted string.
    Text(String),
    /// A number.
    Number(Decimal),
    /// `true` or `false`.
    Flag(bool),
    /// `[2016-08-20T18:04:26Z]`.
    Date(Timestamp),
    /// `null`.
    Null,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
    Like,
    In,
}

/// A field, perhaps of a reference: `company/id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The segments in lower case.
    pub segments: Vec<String>,
    /// The schema's field for the first one, once bound.
    pub field: Option<&'static Field>,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Both.
    And(Box<Expr>, Box<Expr>),
    /// Either.
    Or(Box<Expr>, Box<Expr>),
    /// A comparison, perhaps negated.
    Is {
        /// What is compared.
        path: Path,
        /// How.
        op: Op,
        /// Whether `not` stood before.
        negated: bool,
        /// With what.
        with: Vec<Literal>,
    },
    /// Taken out by an assumption: always true.
    Anything,
    /// Taken out by an assumption: never true.
    Nothing,
}

impl Expr {
    /// Calls `f` on every comparison, which may replace it.
    ///
    /// # Errors
    /// Whatever `f` says.
    pub fn each(
        &mut self,
        f: &mut dyn FnMut(&mut Expr) -> Result<(), String>,
    ) -> Result<(), String> {
        match self {
            Expr::And(a, b) | Expr::Or(a, b) => {
                a.each(f)?;
                b.each(f)
            }
            _ => f(self),
        }
    }

    /// Binds every path to a field of the schema and checks literals against its type.
    ///
    /// # Errors
    /// A field does not exist, or a literal does not suit it.
    pub fn bind(&mut self, schema: &'static Schema) -> Result<(), String> {
        self.each(&mut |expr| {
            let Expr::Is { path, with, op, .. } = expr else {
                return Ok(());
            };
            let first = path.segments.first().map_or("", String::as_str);
            if first == "lastupdated" || first == "_info" {
                return dates_only("lastUpdated", *op, with);
            }
            let field = schema
                .field_ci(first)
                .ok_or_else(|| format!("{first} is not a field of {}", schema.name))?;
            path.field = Some(field);
            suits(field, path, *op, with)
        })
    }

    /// Whether it holds, given what each path reads as.
    pub fn holds(&self, read: &dyn Fn(&Path) -> Json) -> bool {
        match self {
            Expr::And(a, b) => a.holds(read) && b.holds(read),
            Expr::Or(a, b) => a.holds(read) || b.holds(read),
            Expr::Is {
                path,
                op,
                negated,
                with,
            } => compare(&read(path), *op, *negated, with),
            Expr::Anything => true,
            Expr::Nothing => false,
        }
    }
}

fn dates_only(name: &str, op: Op, with: &[Literal]) -> Result<(), String> {
    let plain = !matches!(op, Op::Contains | Op::Like);
    if plain
        && with
            .iter()
            .all(|l| matches!(l, Literal::Date(_) | Literal::Null))
    {
        return Ok(());
    }
    Err(format!("{name} is compared with a date in brackets"))
}

fn suits(field: &Field, path: &Path, op: Op, with: &[Literal]) -> Result<(), String> {
    let name = field.name;
    match field.ty {
        Type::Date => dates_only(name, op, with),
        Type::Ref(_) | Type::Unmodelled if path.segments.len() == 1 => {
            if with.iter().all(|l| matches!(l, Literal::Null)) {
                return Ok(());
            }
            Err(format!("{name} is a reference: compare {name}/id"))
        }
        Type::Bool
            if !with
                .iter()
                .all(|l| matches!(l, Literal::Flag(_) | Literal::Null | Literal::Number(_))) =>
        {
            Err(format!("{name} is true or false"))
        }
        Type::Int | Type::Dec
            if with
                .iter()
                .any(|l| matches!(l, Literal::Date(_) | Literal::Flag(_))) =>
        {
            Err(format!("{name} is a number"))
        }
        Type::Custom | Type::Items | Type::List | Type::Refs(_) if path.segments.len() == 1 => {
            Err(format!("{name} is a list: use childConditions"))
        }
        _ => Ok(()),
    }
}

fn compare(value: &Json, op: Op, negated: bool, with: &[Literal]) -> bool {
    let Some(first) = with.first() else {
        return false;
    };
    if *first == Literal::Null && with.len() == 1 {
        return match op {
            Op::Eq => value.is_null(),
            Op::Ne => !value.is_null(),
            _ => false,
        };
    }
    // As in SQL, nothing is said of what is null.
    if value.is_null() {
        return false;
    }
    let plain = match op {
        Op::Eq => order(value, first).is_some_and(std::cmp::Ordering::is_eq),
        Op::Ne => order(value, first).is_none_or(std::cmp::Ordering::is_ne),
        Op::Lt => order(value, first).is_some_and(std::cmp::Ordering::is_lt),
        Op::Le => order(value, first).is_some_and(std::cmp::Ordering::is_le),
        Op::Gt => order(value, first).is_some_and(std::cmp::Ordering::is_gt),
        Op::Ge => order(value, first).is_some_and(std::cmp::Ordering::is_ge),
        Op::In => with
            .iter()
            .any(|l| order(value, l).is_some_and(std::cmp::Ordering::is_eq)),
        Op::Contains => text(value).contains(&literal_text(first)),
        Op::Like => like(&text(value), &literal_text(first)),
    };
    plain != negated
}

fn text(value: &Json) -> String {
    match value {
        Json::Str(text) => text.to_lowercase(),
        other => other.to_string().to_lowercase(),
    }
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => text.to_lowercase(),
        Literal::Number(number) => number.normalize().to_string(),
        Literal::Flag(flag) => flag.to_string(),
        Literal::Date(at) => crate::time::stamp(*at).to_lowercase(),
        Literal::Null => String::new(),
    }
}

fn order(value: &Json, literal: &Literal) -> Option<std::cmp::Ordering> {
    match (value, literal) {
        (Json::Num(a), Literal::Number(b)) => Some(a.cmp(b)),
        (Json::Num(a), Literal::Text(b)) => Decimal::from_str_exact(b).ok().map(|b| a.cmp(&b)),
        (Json::Bool(a), Literal::Flag(b)) => Some(a.cmp(b)),
        (Json::Bool(a), Literal::Number(b)) => Some(a.cmp(&!b.is_zero())),
        (Json::Str(a), Literal::Date(b)) => crate::time::read(a).map(|a| a.cmp(b)),
        (_, Literal::Null) => None,
        (Json::Str(a), Literal::Text(b)) if a.is_ascii() && b.is_ascii() => {
            let lower = |b: u8| b.to_ascii_lowercase();
            Some(a.bytes().map(lower).cmp(b.bytes().map(lower)))
        }
        (Json::Str(_), _) => Some(text(value).cmp(&literal_text(literal))),
        _ => None,
    }
}

/// `*` and `%` stand for anything; `[[]` for a bracket. Both sides are in lower case.
fn like(value: &str, pattern: &str) -> bool {
    let value: Vec<char> = value.chars().collect();
    let pattern: Vec<Option<char>> = pattern
        .replace("[[]", "\u{0}")
        .chars()
        .map(|c| match c {
            '*' | '%' => None,
            '\u{0}' => Some('['),
            c => Some(c),
        })
        .collect();
    let (mut v, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while v < value.len() {
        match pattern.get(p) {
            Some(None) => {
                retry = Some((p + 1, v));
                p += 1;
            }
            Some(Some(c)) if *c == value[v] => {
                p += 1;
                v += 1;
            }
            _ => match retry {
                Some((back, from)) => {
                    p = back;
                    v = from + 1;
                    retry = Some((back, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(Option::is_none)
}
