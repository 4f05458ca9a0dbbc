//! A wanted value: exact, within bounds, one of several, or an object with these fields.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;

/// How far a number may lie off, relative to its size.
const PRECISION: f64 = 1e-6;

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub enum Want {
    Exactly(Value),
    Within(Bounds),
    OneOf(Vec<Want>),
    Object(Vec<(String, Want)>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    near: Option<f64>,
    tol: Option<f64>,
    from: Option<f64>,
    to: Option<f64>,
    below: Option<f64>,
    above: Option<f64>,
}

const KEYS_OF_BOUNDS: [&str; 6] = ["near", "tol", "from", "to", "below", "above"];

impl TryFrom<Value> for Want {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Object(object) => Self::of_object(object),
            other => Ok(Self::Exactly(other)),
        }
    }
}

impl Want {
    fn of_object(mut object: Map<String, Value>) -> Result<Self, String> {
        if let Some(several) = object.remove("one_of") {
            let (Value::Array(several), true) = (several, object.is_empty()) else {
                return Err("`one_of` stands alone and holds a list".to_owned());
            };
            return Ok(Self::OneOf(several.into_iter().map(Self::try_from).collect::<Result<_, _>>()?));
        }
        if object.keys().any(|key| KEYS_OF_BOUNDS.contains(&key.as_str())) {
            let bounds: Bounds =
                serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())?;
            if bounds.tol.is_some() && bounds.near.is_none() {
                return Err("`tol` without `near`".to_owned());
            }
            return Ok(Self::Within(bounds));
        }
        let fields = object.into_iter().map(|(key, value)| Ok((key, Self::try_from(value)?)));
        Ok(Self::Object(fields.collect::<Result<_, String>>()?))
    }

    /// Whether a value of JSON, or of a CSV cell as a text, is as wanted.
    pub fn fits(&self, got: &Value) -> bool {
        match self {
            Self::OneOf(several) => several.iter().any(|want| want.fits(got)),
            Self::Within(bounds) => number(got).is_some_and(|value| bounds.hold(value)),
            Self::Object(fields) => {
                got.is_object()
                    && fields.iter().all(|(key, want)| got.get(key).is_some_and(|got| want.fits(got)))
            }
            Self::Exactly(Value::Null) => got.is_null() || got == "",
            Self::Exactly(Value::Bool(yes)) => {
                got.as_bool().map_or_else(|| got == if *yes { "1" } else { "0" }, |got| got == *yes)
            }
            Self::Exactly(Value::Number(want)) => {
                let want = want.as_f64().unwrap_or(f64::NAN);
                number(got).is_some_and(|got| (got - want).abs() <= PRECISION * want.abs().max(1.0))
            }
            Self::Exactly(want) => want == got,
        }
    }
}

impl Bounds {
    fn hold(&self, value: f64) -> bool {
        let near = self.near.is_none_or(|near| (value - near).abs() <= self.tol.unwrap_or(PRECISION));
        let closed = self.from.is_none_or(|from| value >= from) && self.to.is_none_or(|to| value <= to);
        let open =
            self.below.is_none_or(|below| value < below) && self.above.is_none_or(|above| value > above);
        near && closed && open
    }
}

/// A number, also one written as a text; yes and no are none.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(Value::Null) => f.write_str("missing"),
            Self::Exactly(value) => write!(f, "{value}"),
            Self::OneOf(several) => {
                let several: Vec<String> = several.iter().map(Self::to_string).collect();
                f.write_str(&several.join(" or "))
            }
            Self::Object(fields) => {
                let fields: Vec<String> = fields.iter().map(|(key, want)| format!("{key}: {want}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
            Self::Within(bounds) => {
                let named = [
                    ("near", bounds.near),
                    ("± ", bounds.tol),
                    ("from", bounds.from),
                    ("to", bounds.to),
                    ("below", bounds.below),
                    ("above", bounds.above),
                ];
                let parts: Vec<String> =
                    named.iter().filter_map(|(name, value)| Some(format!("{name} {}", (*value)?))).collect();
                f.write_str(&parts.join(" "))
            }
        }
    }
}
