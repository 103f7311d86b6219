//! Reading an expression.

use rust_decimal::Decimal;

use super::{Dialect, Expr, Literal, Op, Path};

const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Number(Decimal),
    Date(String),
    Symbol(&'static str),
}

/// Reads an expression.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse(text: &str, dialect: Dialect) -> Result<Expr, String> {
    let tokens = tokens(text, dialect)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        dialect,
    };
    let expr = parser.any_of(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected {} after the condition", show(token))),
    }
}

fn show(token: &Token) -> String {
    match token {
        Token::Word(word) => word.clone(),
        Token::Text(text) => format!("\"{text}\""),
        Token::Number(number) => number.to_string(),
        Token::Date(date) => format!("[{date}]"),
        Token::Symbol(symbol) => (*symbol).to_owned(),
    }
}

fn tokens(text: &str, dialect: Dialect) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let next = chars.get(i + 1).copied();
        match c {
            c if c.is_whitespace() => i += 1,
            '(' | ')' | ',' | '=' => {
                out.push(Token::Symbol(match c {
                    '(' => "(",
                    ')' => ")",
                    ',' => ",",
                    _ => "=",
                }));
                i += if c == '=' && next == Some('=') { 2 } else { 1 };
            }
            '!' if next == Some('=') => {
                out.push(Token::Symbol("!="));
                i += 2;
            }
            '<' | '>' => {
                let two = match (c, next) {
                    ('<', Some('=')) => Some("<="),
                    ('>', Some('=')) => Some(">="),
                    ('<', Some('>')) => Some("!="),
                    _ => None,
                };
                out.push(Token::Symbol(two.unwrap_or(if c == '<' {
                    "<"
                } else {
                    ">"
                })));
                i += if two.is_some() { 2 } else { 1 };
            }
            '"' | '\'' => i = string(&chars, i, dialect, &mut out)?,
            '[' => {
                let end = chars[i..]
                    .iter()
                    .position(|c| *c == ']')
                    .ok_or("a date is not closed by ]")?;
                out.push(Token::Date(chars[i + 1..i + end].iter().collect()));
                i += end + 1;
            }
            c if c.is_ascii_digit() || c == '-' => {
                let end = chars[i + 1..]
                    .iter()
                    .position(|c| !c.is_ascii_digit() && *c != '.');
                let end = end.map_or(chars.len(), |end| i + 1 + end);
                let digits: String = chars[i..end].iter().collect();
                let number = Decimal::from_str_exact(&digits)
                    .map_err(|_| format!("{digits} is not a number"))?;
                out.push(Token::Number(number));
                i = end;
            }
            c if c.is_alphabetic() || c == '_' => {
                let inside = |c: &char| c.is_alphanumeric() || "_/.".contains(*c);
                let end = chars[i..]
                    .iter()
                    .position(|c| !inside(c))
                    .map_or(chars.len(), |end| i + end);
                out.push(Token::Word(chars[i..end].iter().collect()));
                i = end;
            }
            c => return Err(format!("unexpected character {c}")),
        }
    }
    Ok(out)
}

fn string(
    chars: &[char],
    start: usize,
    dialect: Dialect,
    out: &mut Vec<Token>,
) -> Result<usize, String> {
    let quote = chars[start];
    let mut text = String::new();
    let mut i = start + 1;
    while let Some(c) = chars.get(i) {
        if *c != quote {
            text.push(*c);
            i += 1;
        } else if dialect.doubled_quotes && chars.get(i + 1) == Some(&quote) {
            text.push(quote);
            i += 2;
        } else {
            out.push(Token::Text(text));
            return Ok(i + 1);
        }
    }
    Err("a string is not closed".to_owned())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    dialect: Dialect,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        if found {
            self.at += 1;
        }
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Symbol(s)) if *s == symbol);
        if found {
            self.at += 1;
        }
        found
    }

    fn any_of(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > MAX_DEPTH {
            return Err("the condition is nested too deeply".to_owned());
        }
        let mut left = self.all_of(depth)?;
        loop {
            if self.word("or") {
                left = Expr::Or(Box::new(left), Box::new(self.all_of(depth)?));
            } else if self.dialect.left_to_right && self.word("and") {
                left = Expr::And(Box::new(left), Box::new(self.all_of(depth)?));
            } else {
                return Ok(left);
            }
        }
    }

    fn all_of(&mut self, depth: usize) -> Result<Expr, String> {
        let mut left = self.term(depth)?;
        while !self.dialect.left_to_right && self.word("and") {
            left = Expr::And(Box::new(left), Box::new(self.term(depth)?));
        }
        Ok(left)
    }

    fn term(&mut self, depth: usize) -> Result<Expr, String> {
        if self.symbol("(") {
            let inner = self.any_of(depth + 1)?;
            if !self.symbol(")") {
                return Err("a parenthesis is not closed".to_owned());
            }
            return Ok(inner);
        }
        let Some(Token::Word(name)) = self.next() else {
            return Err("a field name is expected".to_owned());
        };
        let segments = name
            .to_ascii_lowercase()
            .split(['/', '.'])
            .map(str::to_owned)
            .collect();
        let path = Path {
            segments,
            field: None,
        };
        let negated = self.word("not");
        let op = self.operator()?;
        if negated && !matches!(op, Op::Contains | Op::Like | Op::In) {
            return Err("not goes before contains, like or in".to_owned());
        }
        let with = if op == Op::In {
            self.list()?
        } else {
            vec![self.literal()?]
        };
        Ok(Expr::Is {
            path,
            op,
            negated,
            with,
        })
    }

    fn operator(&mut self) -> Result<Op, String> {
        match self.next() {
            Some(Token::Symbol("=")) => Ok(Op::Eq),
            Some(Token::Symbol("!=")) => Ok(Op::Ne),
            Some(Token::Symbol("<")) => Ok(Op::Lt),
            Some(Token::Symbol("<=")) => Ok(Op::Le),
            Some(Token::Symbol(">")) => Ok(Op::Gt),
            Some(Token::Symbol(">=")) => Ok(Op::Ge),
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("contains") => Ok(Op::Contains),
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("like") => Ok(Op::Like),
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("in") => Ok(Op::In),
            Some(token) => Err(format!("an operator is expected, not {}", show(&token))),
            None => Err("an operator is expected".to_owned()),
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, String> {
        if !self.symbol("(") {
            return Err("in is followed by a list in parentheses".to_owned());
        }
        let mut out = vec![self.literal()?];
        while self.symbol(",") {
            out.push(self.literal()?);
        }
        if !self.symbol(")") {
            return Err("a list is not closed".to_owned());
        }
        Ok(out)
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Number(number)) => Ok(Literal::Number(number)),
            Some(Token::Date(date)) => {
                let at = crate::time::read(date.trim())
                    .ok_or_else(|| format!("[{date}] is not a date"))?;
                Ok(Literal::Date(at))
            }
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("true") => Ok(Literal::Flag(true)),
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("false") => Ok(Literal::Flag(false)),
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("null") => Ok(Literal::Null),
            Some(token) => Err(format!("a value is expected, not {}", show(&token))),
            None => Err("a value is expected".to_owned()),
        }
    }
}
