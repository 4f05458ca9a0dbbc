//! Expressions from tokens: a Pratt parser that continues after an error where the meaning is clear.

use crate::ast::{Arithmetic, Compare, Expr, ExprKind};
use crate::diagnostic::{Diagnostics, Span};
use crate::habit;
use crate::lexer::{Lexeme, Token, Written, names, tokens};

/// Maximum depth of an expression.
pub const DEPTH_MAX: usize = 16;
/// Maximum number of tokens in an expression.
pub const TOKENS_MAX: usize = 4_000;
/// Bound of the parser's recursion, which includes brackets that add no node.
const NESTING_MAX: usize = 64;

/// Parses one expression and reports errors; [`ExprKind::Unread`] when it has no meaning.
pub fn expression(written: Written<'_>, problems: &mut Diagnostics) -> Expr {
    parsed(written, problems).unwrap_or_else(|| Expr {
        kind: ExprKind::Unread(names(written.text)),
        span: written.span(0, written.text.trim_end().len()),
    })
}

fn parsed(written: Written<'_>, problems: &mut Diagnostics) -> Option<Expr> {
    let tokens = tokens(written, problems)?;
    let end = written.span(0, written.text.trim_end().len());
    if tokens.len() > TOKENS_MAX {
        problems
            .error("E105", format!("an expression can have at most {TOKENS_MAX} tokens"), end)
            .help("move long lists of values to `lists:`");
        return None;
    }
    if tokens.is_empty() {
        problems.error("E103", "an expression is expected here", end);
        return None;
    }
    let last = Span { start: end.end, end: end.end, ..end };
    let mut parser = Parser { tokens: &tokens, at: 0, end: last, nesting: 0, problems };
    let expr = parser.binary(0)?;
    if parser.at < tokens.len() {
        parser.unexpected(parser.at);
        return None;
    }
    if depth(&expr) > DEPTH_MAX {
        problems
            .error("E104", format!("nested more than {DEPTH_MAX} levels deep"), expr.span)
            .help("move parts of it to `terms:`");
        return None;
    }
    Some(expr)
}

/// Whether a comma stands between two numbers without a space, as in `0,5`.
fn is_inside_number(tokens: &[Lexeme], at: usize) -> bool {
    let number = |at: usize| tokens.get(at).filter(|lexeme| matches!(lexeme.token, Token::Number(_)));
    let around = at.checked_sub(1).and_then(number).zip(number(at + 1));
    around.is_some_and(|(before, after)| before.span.end + 1 == after.span.start)
}

/// Depth of a tree; a chain of `and` or of `or` counts once.
fn depth(expr: &Expr) -> usize {
    let below = |child: &Expr| match (&expr.kind, &child.kind) {
        (ExprKind::And(..), ExprKind::And(..)) | (ExprKind::Or(..), ExprKind::Or(..)) => depth(child) - 1,
        (ExprKind::Arithmetic(..), ExprKind::Arithmetic(..)) => depth(child) - 1,
        _ => depth(child),
    };
    1 + expr.children().into_iter().map(below).max().unwrap_or(0)
}

struct Parser<'a> {
    tokens: &'a [Lexeme],
    at: usize,
    end: Span,
    nesting: usize,
    problems: &'a mut Diagnostics,
}

const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;

fn power(sign: &str) -> Option<u8> {
    Some(match sign {
        "or" => OR,
        "and" => AND,
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" | "between" | "is" => COMPARE,
        "+" | "-" => SUM,
        "*" | "/" => PRODUCT,
        _ => return None,
    })
}

impl Parser<'_> {
    fn sign(&self) -> Option<&'static str> {
        match self.tokens.get(self.at)?.token {
            Token::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.sign() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn here(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |lexeme| lexeme.span)
    }

    fn unexpected(&mut self, at: usize) {
        let Some(lexeme) = self.tokens.get(at) else { return };
        let what = match &lexeme.token {
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Name(name) => format!("`{name}`"),
            Token::Param(name) => format!("`${name}`"),
            Token::List(name) => format!("`@{name}`"),
            Token::Text(_) => "this text".to_owned(),
            Token::Number(_) | Token::Duration(_) => "this number".to_owned(),
        };
        let help = self.unexpected_help(at);
        let message = format!("{what} is not expected here");
        self.problems.error("E103", message, lexeme.span).label("here").help_maybe(help);
    }

    /// What was probably meant by a token that is not expected.
    fn unexpected_help(&self, at: usize) -> Option<String> {
        let before = at.checked_sub(1).map(|before| &self.tokens[before]);
        let text = |lexeme: &Lexeme| {
            let text = &self.problems.files()[lexeme.span.file].text;
            text.get(lexeme.span.start..lexeme.span.end).unwrap_or_default().to_owned()
        };
        let help = match (before.map(|before| &before.token), &self.tokens[at].token) {
            (_, Token::Sign("%")) => "percentages are written `5%`, without a space",
            (_, Token::Sign(",")) if is_inside_number(self.tokens, at) => {
                "decimals are written with a point, `0.5`; thousands without a sign, `1000`"
            }
            (_, Token::Sign("missing")) => "write `x is missing`",
            (Some(Token::Number(_)), Token::Number(_)) => "thousands are written without a sign, `1000`",
            (Some(Token::Number(_)), Token::Name(unit)) if habit::is_currency(unit) => {
                return before.map(|number| habit::amount_help(&text(number)));
            }
            (Some(Token::Name(unit)), Token::Number(_)) if habit::is_currency(unit) => {
                return Some(habit::amount_help(&text(&self.tokens[at])));
            }
            (Some(_), Token::Name(word)) => habit::operator(word)?,
            (Some(Token::Name(word)), Token::Text(_)) => habit::operator(word)?,
            _ => return None,
        };
        Some(help.to_owned())
    }

    /// An expression of operators that bind at least as strongly as `least`.
    fn binary(&mut self, least: u8) -> Option<Expr> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            let here = self.here();
            self.problems.error("E104", format!("nested more than {DEPTH_MAX} levels deep"), here);
            return None;
        }
        let mut left = self.prefix(least)?;
        while let Some(sign) = self.sign() {
            match power(sign) {
                Some(COMPARE) if least <= COMPARE => {
                    left = self.compare(left, sign)?;
                    if let Some(again) = self.tokens.get(self.at)
                        && self.sign().and_then(power) == Some(COMPARE)
                    {
                        self.problems
                            .error("E103", "comparisons cannot be chained", again.span)
                            .label("second comparison")
                            .help("write `a < b and b < c`, or `b between a and c`");
                        return None;
                    }
                }
                Some(strength) if strength >= least && strength != COMPARE => {
                    self.at += 1;
                    let right = self.binary(strength + 1)?;
                    left = joined(sign, left, right);
                }
                _ => break,
            }
        }
        self.nesting -= 1;
        Some(left)
    }

    fn prefix(&mut self, least: u8) -> Option<Expr> {
        let start = self.here();
        if least <= NOT && self.take("not") {
            let inner = self.binary(NOT)?;
            let span = start.to(inner.span);
            return Some(Expr { kind: ExprKind::Not(Box::new(inner)), span });
        }
        self.atom()
    }

    fn compare(&mut self, left: Expr, sign: &'static str) -> Option<Expr> {
        self.at += 1;
        let start = left.span;
        let left = Box::new(left);
        let (kind, end) = match sign {
            "in" => self.within(left, false)?,
            "not" => {
                if !self.take("in") {
                    let here = self.here();
                    self.problems.error("E103", "`in` is expected after `not`", here).label("here");
                    return None;
                }
                self.within(left, true)?
            }
            "between" => {
                let low = self.binary(SUM)?;
                if !self.take("and") {
                    let here = self.here();
                    self.problems
                        .error("E103", "`between` needs `and` and an upper bound", here)
                        .label("here");
                    return None;
                }
                let high = self.binary(SUM)?;
                let end = high.span;
                (ExprKind::Between(left, Box::new(low), Box::new(high)), end)
            }
            "is" => {
                let not = self.take("not");
                let end = self.here();
                if !self.take("missing") {
                    self.problems
                        .error("E103", "`missing` is expected after `is`", end)
                        .label("here")
                        .help("write `x is missing` or `x is not missing`; values are compared with `==`");
                    return None;
                }
                (ExprKind::IsMissing(left, not), end)
            }
            _ => {
                let right = self.binary(SUM)?;
                let end = right.span;
                (ExprKind::Compare(comparison(sign), left, Box::new(right)), end)
            }
        };
        Some(Expr { kind, span: start.to(end) })
    }

    fn within(&mut self, left: Box<Expr>, not: bool) -> Option<(ExprKind, Span)> {
        if self.sign() == Some("(") {
            return self.within_round(left, not);
        }
        let right = self.binary(SUM)?;
        let end = right.span;
        Some((ExprKind::In(left, Box::new(right), not), end))
    }

    /// Values in round brackets, as in SQL: reported, and read as the list that they are meant to be.
    fn within_round(&mut self, left: Box<Expr>, not: bool) -> Option<(ExprKind, Span)> {
        let open = self.here();
        self.at += 1;
        let (mut items, end) = self.items(")", open)?;
        let span = open.to(end);
        if let [Expr { kind: ExprKind::List(_) | ExprKind::Array(_), .. }] = &items[..] {
            return Some((ExprKind::In(left, Box::new(items.remove(0)), not), span));
        }
        let text = &self.problems.files()[span.file].text;
        let inside = text.get(open.end..end.start).filter(|inside| !inside.contains('\n'));
        let help = inside.map(|inside| format!("write `[{inside}]`"));
        self.problems
            .error("E304", "a list of values stands in square brackets `[ ]`", span)
            .label("round brackets")
            .help_maybe(help);
        let kind = ExprKind::Array(items);
        Some((ExprKind::In(left, Box::new(Expr { kind, span }), not), span))
    }

    fn atom(&mut self) -> Option<Expr> {
        let Some(lexeme) = self.tokens.get(self.at) else {
            let end = self.end;
            self.problems
                .error("E103", "the expression ends too early", end)
                .label("an operand is missing here");
            return None;
        };
        self.at += 1;
        let span = lexeme.span;
        let kind = match &lexeme.token {
            Token::Number(number) => ExprKind::Number(*number),
            Token::Duration(ms) => ExprKind::Duration(*ms),
            Token::Text(text) => ExprKind::Text(text.clone()),
            Token::Param(name) => ExprKind::Param(name.clone()),
            Token::List(name) => ExprKind::List(name.clone()),
            Token::Name(name) if self.sign() == Some("(") => return self.call(name.clone(), span),
            Token::Name(name) => ExprKind::Name(name.clone()),
            Token::Sign("true") => ExprKind::Bool(true),
            Token::Sign("false") => ExprKind::Bool(false),
            Token::Sign("-") => {
                let inner = self.atom()?;
                let whole = span.to(inner.span);
                return Some(Expr { kind: ExprKind::Negative(Box::new(inner)), span: whole });
            }
            Token::Sign("(") => {
                let inner = self.binary(0)?;
                let end = self.closing(")", span)?;
                return Some(Expr { span: span.to(end), ..inner });
            }
            Token::Sign("[") => {
                let (items, end) = self.items("]", span)?;
                return Some(Expr { kind: ExprKind::Array(items), span: span.to(end) });
            }
            Token::Sign(_) => {
                self.unexpected(self.at - 1);
                return None;
            }
        };
        Some(Expr { kind, span })
    }

    fn call(&mut self, name: String, span: Span) -> Option<Expr> {
        let open = self.here();
        self.at += 1;
        let (args, end) = self.items(")", open)?;
        Some(Expr { kind: ExprKind::Call(name, span, args), span: span.to(end) })
    }

    /// Items up to a closing bracket, and its place.
    fn items(&mut self, close: &'static str, open: Span) -> Option<(Vec<Expr>, Span)> {
        let mut items = Vec::new();
        let end = self.here();
        if self.take(close) {
            return Some((items, end));
        }
        loop {
            items.push(self.binary(0)?);
            if !self.take(",") {
                break;
            }
        }
        let end = self.closing(close, open)?;
        Some((items, end))
    }

    /// The closing bracket. At the end of the text its absence is reported and the expression still read.
    fn closing(&mut self, close: &'static str, open: Span) -> Option<Span> {
        let end = self.here();
        if self.take(close) {
            return Some(end);
        }
        let at = match self.tokens.get(self.at) {
            Some(extra) => extra.span,
            None => {
                let last = self.tokens.last().expect("a bracket was opened").span;
                Span { start: self.last_character(last), ..last }
            }
        };
        let opened = if close == ")" { '(' } else { '[' };
        self.problems
            .error("E102", format!("missing `{close}`"), at)
            .label(format!("expected `{close}` here"))
            .context(open, format!("this `{opened}` is never closed"));
        (self.at == self.tokens.len()).then_some(at)
    }

    fn last_character(&self, span: Span) -> usize {
        let text = &self.problems.files()[span.file].text[span.start..span.end];
        span.start + text.char_indices().last().map_or(0, |(at, _)| at)
    }
}

fn comparison(sign: &str) -> Compare {
    match sign {
        "==" => Compare::Eq,
        "!=" => Compare::Ne,
        "<" => Compare::Lt,
        "<=" => Compare::Le,
        ">" => Compare::Gt,
        _ => Compare::Ge,
    }
}

fn joined(sign: &str, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    let (left, right) = (Box::new(left), Box::new(right));
    let kind = match sign {
        "or" => ExprKind::Or(left, right),
        "and" => ExprKind::And(left, right),
        "+" => ExprKind::Arithmetic(Arithmetic::Add, left, right),
        "-" => ExprKind::Arithmetic(Arithmetic::Sub, left, right),
        "*" => ExprKind::Arithmetic(Arithmetic::Mul, left, right),
        _ => ExprKind::Arithmetic(Arithmetic::Div, left, right),
    };
    Expr { kind, span }
}
