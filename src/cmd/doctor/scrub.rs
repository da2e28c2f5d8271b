//! Secrets, taken out of a text, whatever the text is: found by how they look, or by the word that stands before them.
//!
//! FMP writes no secret anywhere, but persons edit files and programs complain in their own words. Rather one word too many
//! is taken out than one too few.

mod objects;

/// What stands in a secret's place.
const REMOVED: &str = "[removed]";

/// Ends of words after which a secret stands: `token: …`, `--password=…`, `"client-key-data": "…"`.
const NAMES: [&str; 17] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "auth",
    "key-data",
    "key_data",
    "keydata",
    "private-key",
    "api-key",
    "api_key",
    "apikey",
    "access-key",
    "access_key",
    "from-literal",
    "from_literal",
];

/// What such a word may say without telling anything.
const HARMLESS: [&str; 3] = ["true", "false", "null"];

/// Words after which credentials stand in an HTTP header.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// How the base64 of `-----BEGIN` begins.
const ENCODED_PEM: &str = "LS0tLS1CRUdJTi";

/// How the lines around a private key begin and end.
const KEY: (&str, &str, &str) = ("-----BEGIN ", "-----END ", "PRIVATE KEY-----");

/// The text without its secrets.
pub(super) fn scrubbed(text: &str) -> String {
    let text = without_users(&without_keys(&objects::without_values(text)));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            let (taken, after) = rest.split_at(between(rest, first));
            out.push_str(taken);
            rest = after;
            continue;
        }
        let (word, after) = rest.split_at(length);
        rest = after;
        if is_secret(word) {
            out.push_str(REMOVED);
            continue;
        }
        out.push_str(word);
        if let Some((between, after)) = named(word, rest) {
            out.push_str(between);
            out.push_str(REMOVED);
            rest = after;
        }
    }
    out
}

/// How long what stands between words is: one character, or what begins with backslashes. `\n` of a text within a text is no
/// part of the word behind it.
fn between(text: &str, first: char) -> usize {
    if first != '\\' {
        return first.len_utf8();
    }
    let plain = text.trim_start_matches('\\');
    text.len() - plain.len() + plain.chars().next().map_or(0, char::len_utf8)
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/_.-".contains(c)
}

/// A private key in base64, a signed token, a bootstrap token.
fn is_secret(word: &str) -> bool {
    let is_signed = word.len() >= 32 && word.starts_with("eyJ") && word.contains('.');
    let plain = |part: &str| part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_bootstrap =
        word.split_once('.').is_some_and(|(id, rest)| (id.len(), rest.len()) == (6, 16) && plain(id) && plain(rest));
    word.contains(ENCODED_PEM) || is_signed || is_bootstrap
}

/// The secret that stands behind a word: what lies between, and what comes after.
fn named<'a>(word: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let word = word.to_ascii_lowercase();
    let is_scheme = SCHEMES.contains(&&*word);
    let begins = if NAMES.iter().any(|name| word.ends_with(name)) {
        let dress = |text: &'a str| text.trim_start_matches(['"', '\'', '\\', ' ']);
        match dress(rest).strip_prefix([':', '=']) {
            Some(value) => dress(value),
            // `--token abc`; what follows may be another flag.
            None => rest.strip_prefix(' ').filter(|value| word.starts_with("--") && !value.starts_with(['-', ' ']))?,
        }
    } else if is_scheme {
        rest.strip_prefix(' ')?
    } else {
        return None;
    };
    let between = &rest[..rest.len() - begins.len()];
    let ends = |c: char| c.is_whitespace() || "\"'\\,}]&".contains(c);
    let end = in_quotes(between, begins).or_else(|| begins.find(ends)).unwrap_or(begins.len());
    let (value, after) = begins.split_at(end);
    let is_prose = is_scheme && (value.len() < 8 || value.bytes().all(|c| c.is_ascii_lowercase()));
    let tells_nothing = value.is_empty() || value.starts_with(['{', '[', '$']) || HARMLESS.contains(&value) || is_prose;
    (!tells_nothing).then_some((between, after))
}

/// Where a value in quotes ends, whose opening one ends `before`: on its line, or not at all.
fn in_quotes(before: &str, value: &str) -> Option<usize> {
    let (_, opened) = before.split_once([':', '='])?;
    let (at, quote) = opened.char_indices().rfind(|(_, c)| "\"'".contains(*c))?;
    let backslashes = runs(&opened[..at]);
    if opened[..at].contains(['"', '\'']) {
        return None;
    }
    let line = value.lines().next()?;
    let quotes = line.match_indices(quote).map(|(at, _)| (at, runs(&line[..at])));
    let mut ends = quotes.filter(|(_, run)| *run <= backslashes || quoted(*run, backslashes));
    ends.next().map(|(at, run)| at - run.min(backslashes))
}

/// How many backslashes a text ends with.
fn runs(text: &str) -> usize {
    text.len() - text.trim_end_matches('\\').len()
}

/// Whether a quote with so many backslashes before it begins or ends a string, where those that do have `usual` ones: the
/// others belong to the string, as pairs.
const fn quoted(run: usize, usual: usize) -> bool {
    run >= usual && (run - usual).is_multiple_of(2 * (usual + 1))
}

/// Private keys as they lie in files, also where only one end of one is there.
fn without_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        match (line(rest, KEY.0), line(rest, KEY.1)) {
            (None, None) => break,
            (Some((at, _)), Some((end, after))) if at < end => {
                out.push_str(&rest[..at]);
                rest = &rest[after..];
            }
            // Its beginning was cut off: it may be all that came before.
            (_, Some((_, after))) => {
                out.clear();
                rest = &rest[after..];
            }
            (Some((at, _)), None) => {
                out.push_str(&rest[..at]);
                rest = "";
            }
        }
        out.push_str(REMOVED);
    }
    out + rest
}

/// The first line that begins so and is about a private key: where it begins and ends.
fn line(text: &str, begin: &str) -> Option<(usize, usize)> {
    text.match_indices(begin).find_map(|(at, _)| {
        let label = at + begin.len();
        let end = label + text[label..].find(KEY.2)?;
        (!text[label..end].contains('-')).then_some((at, end + KEY.2.len()))
    })
}

/// Users and passwords in addresses: `https://user:word@host`.
fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        let authority = part.find(|c: char| c.is_whitespace() || "/\"'\\<>,".contains(c)).unwrap_or(part.len());
        match part[..authority].rfind('@') {
            Some(at) => {
                out.push_str(REMOVED);
                out.push_str(&part[at..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_by_the_word_before_it() {
        for (text, wanted) in [
            ("token: s3cr3t\nnext", "token: [removed]\nnext"),
            ("--password=p@ss!word x", "--password=[removed] x"),
            (r#"{"client-key-data":"LS0x","a":1}"#, r#"{"client-key-data":"[removed]","a":1}"#),
            (r"- name: key1\n  secret: aGVsbG8=\n", r"- name: key1\n  secret: [removed]\n"),
            (r#""text": "a\nsecret: \"x y\"""#, r#""text": "a\nsecret: \"[removed]\"""#),
            (r#"password: "two words" and"#, r#"password: "[removed]" and"#),
            (r#"{"password":"a \" b \\","c":"d"}"#, r#"{"password":"[removed]","c":"d"}"#),
            ("password: 'it never ends", "password: '[removed] never ends"),
            ("kubeadm join --token abc --discovery", "kubeadm join --token [removed] --discovery"),
            (r#"{"auths":{"here":{"auth":"dTpw"}}}"#, r#"{"auths":{"here":{"auth":"[removed]"}}}"#),
            ("--from-literal=user=me x", "--from-literal=[removed] x"),
            ("BOOTSTRAP_TOKEN=abc", "BOOTSTRAP_TOKEN=[removed]"),
            ("Authorization: Bearer abc123XYZ0", "Authorization: Bearer [removed]"),
            ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [removed]"),
        ] {
            assert_eq!(scrubbed(text), wanted);
        }
    }

    #[test]
    fn a_secret_is_found_by_its_look() {
        let signed = format!("eyJ{}.{}.x", "a".repeat(30), "b".repeat(30));
        for secret in ["abcdef.0123456789abcdef", &signed, "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCg=="] {
            for text in [secret.to_owned(), format!("is {secret}, said"), format!("{{\"a\":\"b\\n{secret}\\n\"}}")] {
                let left = scrubbed(&text);
                assert!(!left.contains(secret.trim_end_matches('=')) && left.contains(REMOVED), "{text}: {left}");
            }
        }
        assert_eq!(scrubbed("https://user:word@proxy:3128/x"), "https://[removed]@proxy:3128/x");
    }

    #[test]
    fn private_keys_go_also_in_parts() {
        let key = |kind: &str, body: &str| format!("-----{}N {kind}-----\n{body}\n-----END {kind}-----", "BEGI");
        for kind in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            let whole = key(kind, "canary");
            assert_eq!(scrubbed(&format!("a {whole} b {whole} c")), "a [removed] b [removed] c");
            let escaped = whole.replace('\n', "\\n");
            assert_eq!(scrubbed(&format!("a {escaped} b")), "a [removed] b");
            let (first, last) = whole.split_at(whole.len() / 2);
            assert_eq!(scrubbed(&format!("a {first}")), "a [removed]");
            assert_eq!(scrubbed(&format!("y{last} b")), "[removed] b");
        }
        let certificate = key("CERTIFICATE", "public");
        assert_eq!(scrubbed(&certificate), certificate);
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "automountServiceAccountToken: false",
            "resources: [\"secrets\", \"tokenreviews\"]",
            "\"secrets\": {}, \"token\": {\"a\": 1}",
            "client-key: /etc/kubernetes/pki/admin.key",
            "--anonymous-auth=false --client-cert-auth=true --token --secret",
            r#"{"token":"","secret":null,"a":"b"}"#,
            "--initial-cluster-token=${ETCD_INITIAL_CLUSTER_TOKEN}",
            "bearer token, basic authentication",
            "sha256:0123456789abcdef https://127.0.0.1:7443/readyz",
            "identity = \"env:FMP_KEY\" at ёж \\",
        ] {
            assert_eq!(scrubbed(text), text);
        }
    }
}
