//! Rules in the API server's expression language that more than one kind needs, each with its sentence for the person
//! whose manifest it refuses. Must not know any kind.

use kube::core::Rule;

/// An object's own name fits a label value, for meterwise labels what belongs to it with that name.
pub(super) fn short_name() -> Rule {
    Rule::new("size(self.metadata.name) <= 63")
        .message("metadata.name may have at most 63 characters; choose a shorter name")
}

/// Never changes once written. `why` completes "cannot be changed: ".
pub(super) fn immutable(field: &str, why: &str) -> Rule {
    Rule::new("self == oldSelf").message(format!("{field} cannot be changed: {why}").as_str())
}

/// Lower-case letters, digits and inner hyphens.
pub(super) fn dns_label(field: &str) -> Rule {
    Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')").message(
        format!("{field} must consist of lower-case letters, digits and hyphens, and begin and end with a letter or digit").as_str(),
    )
}

/// The name of a Kubernetes object.
pub(super) fn object_name(field: &str) -> Rule {
    Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')").message(
        format!("{field} must be the name of an object: lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit").as_str(),
    )
}

/// Exactly one of several optional fields is set.
pub(super) fn exactly_one(what: &str, arms: &[&str]) -> Rule {
    let set: Vec<String> = arms.iter().map(|arm| format!("has(self.{arm})")).collect();
    let rule = format!("[{}].exists_one(set, set)", set.join(", "));
    let message = format!(
        "{what} takes exactly one of {}; set one and remove the others",
        listed(arms)
    );
    Rule::new(rule).message(message.as_str())
}

/// At least one of several optional fields is set.
pub(super) fn at_least_one(what: &str, arms: &[&str]) -> Rule {
    let set: Vec<String> = arms.iter().map(|arm| format!("has(self.{arm})")).collect();
    let message = format!("{what} takes at least one of {}", listed(arms));
    Rule::new(set.join(" || ")).message(message.as_str())
}

/// A number of zero or more, written plainly: no exponent, no sign, no superfluous zero before it.
pub(super) fn decimal(field: &str) -> Rule {
    Rule::new("self.matches('^(0|[1-9][0-9]{0,11})([.][0-9]{1,6})?$')").message(
        format!("{field} must be a number of 0 or more in quotes, with at most 12 digits before and 6 after the point, such as \"0.5\"").as_str(),
    )
}

/// As [`decimal`], with all the digits that a computed quantity may have.
pub(super) fn exact_decimal(field: &str) -> Rule {
    Rule::new("self.matches('^(0|[1-9][0-9]{0,15})([.][0-9]{1,12})?$')").message(
        format!("{field} must be a number of 0 or more in quotes, with at most 16 digits before and 12 after the point, such as \"0.5\"").as_str(),
    )
}

/// More than zero, for a text that [`decimal`] accepts.
pub(super) fn positive(field: &str) -> Rule {
    Rule::new("self.matches('[1-9]')").message(format!("{field} must be more than 0").as_str())
}

/// The first moment of a day in UTC.
pub(super) fn midnight(field: &str) -> Rule {
    Rule::new("self.getHours() == 0 && self.getMinutes() == 0 && self.getSeconds() == 0 && self.getMilliseconds() == 0").message(
        format!("{field} must be midnight UTC, such as 2026-01-01T00:00:00Z; a rule changes with the day").as_str(),
    )
}

/// A span of time of whole hours, minutes and seconds, no shorter than `least`.
pub(super) fn at_least(field: &str, least: &str) -> Rule {
    let rule =
        format!("self.matches('^([0-9]{{1,6}}[hms])+$') && duration(self) >= duration('{least}')");
    let message =
        format!("{field} must be a duration of at least {least}, written like 30s, 5m or 1h30m");
    Rule::new(rule).message(message.as_str())
}

/// Encrypted, so that no password travels in the clear.
pub(super) fn https(field: &str) -> Rule {
    Rule::new("self.startsWith('https://')").message(
        format!(
            "{field} must begin with https:// in lower case; credentials are never sent unencrypted"
        )
        .as_str(),
    )
}

/// No `user:password@`.
pub(super) fn no_user_info(field: &str) -> Rule {
    Rule::new("!self.contains('@')").message(
        format!("{field} must not hold a user name or password; put them into the Secret that credentialsSecretRef names").as_str(),
    )
}

/// No `?query` and no `#fragment`.
pub(super) fn no_query(field: &str) -> Rule {
    Rule::new("!self.contains('?') && !self.contains('#')")
        .message(format!("{field} must not hold a query (?) or a fragment (#); remove it").as_str())
}

/// A lower-case host, a port or none, and after it one of the `paths` (a regular expression; `shown` says it in words).
/// Silent about what [`https`], [`no_user_info`] and [`no_query`] already refuse.
pub(super) fn host_and_path(field: &str, paths: &str, shown: &str) -> Rule {
    let host =
        "([a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\\\\[[0-9a-f:.]+\\\\])";
    let rule = format!(
        "!self.startsWith('https://') || self.contains('@') || self.contains('?') || self.contains('#') || \
         self.matches('^https://{host}(:[0-9]{{1,5}})?({paths})?$')"
    );
    let message = format!(
        "{field} must be https://, a host name in lower case, a port if it is not 443, and {shown}"
    );
    Rule::new(rule).message(message.as_str())
}

/// No letters in the encoding of international names, which may look like another host's.
pub(super) fn no_punycode(field: &str) -> Rule {
    Rule::new("!self.matches('[/.]xn--')").message(
        format!("{field} must not hold encoded letters (xn--), which may look like another host; name the host in plain letters").as_str(),
    )
}

/// A certificate in PEM.
pub(super) fn pem(field: &str) -> Rule {
    Rule::new("self.contains('-----BEGIN CERTIFICATE-----')").message(
        format!(
            "{field} must hold PEM certificates, each beginning with -----BEGIN CERTIFICATE-----"
        )
        .as_str(),
    )
}

/// A path from the root of vCenter's inventory.
pub(super) fn inventory_path(field: &str) -> Rule {
    Rule::new("self.matches('^(/[^/\\\\p{Cc}]+)+$')").message(
        format!("{field} must be an inventory path from the root, such as /DC0/vm/Customers, without a slash at its end").as_str(),
    )
}

/// Text that prints on one line: no control, direction or other invisible characters.
pub(super) fn printable(field: &str) -> Rule {
    Rule::new("self.matches('^[^\\\\p{C}]*$')").message(
        format!(
            "{field} must be printable text on one line; remove control and invisible characters"
        )
        .as_str(),
    )
}

fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
