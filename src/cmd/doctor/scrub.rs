//! Secrets, taken out of a text, whatever the text is: found by how they look, or by the word that stands before them.
//!
//! FMP writes no secret anywhere, but persons edit files and programs complain in their own words. Rather one word too many
//! is taken out than one too few.

mod objects;

/// What stands in a secret's place.
const REMOVED: &str = "[removed]";

/// Ends of words after which a secret stands: `token: …`, `--password=…`, `"client-key-data": "…"`.
const NAMES: [&str; 28] = [
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
    "secretkey",
    "secret_key",
    "secret-key",
    "private_key",
    "privatekey",
    "encryption_key",
    "encryption-key",
    "_pass",
    "-pass",
    "pwd",
    "credential",
];

/// What such a word may say without telling anything.
const HARMLESS: [&str; 3] = ["true", "false", "null"];

/// Words after which credentials stand in an HTTP header.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// How the base64 of `-----BEGIN` begins.
const ENCODED_PEM: &str = "LS0tLS1CRUdJTi";

/// Base64 of this length is the key of something, or part of one. Digests are hexadecimal.
const LONG: usize = 40;

/// How the lines around a private key begin and end.
const KEY: (&str, &str, &str) = ("-----BEGIN ", "-----END ", "PRIVATE KEY-----");

/// The text without its secrets.
pub(super) fn scrubbed(text: &str) -> String {
    let text = without_users(&without_keys(&objects::without_values(text)));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // Whether a line of base64 was taken out and nothing but that line's end came since.
    let mut goes_on = false;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            let (taken, after) = rest.split_at(between(rest, first));
            goes_on &= taken.trim_end_matches('n').chars().all(|c| c.is_whitespace() || c == '\\');
            out.push_str(taken);
            rest = after;
            continue;
        }
        let (word, after) = rest.split_at(length);
        let before = &text[..text.len() - after.len()];
        rest = after;
        let is_part = is_base64(word) && (goes_on || (word.len() >= LONG && is_mixed(word)));
        goes_on = is_part || word.contains(ENCODED_PEM);
        if is_part || is_secret(word) {
            out.push_str(REMOVED);
            continue;
        }
        out.push_str(word);
        if let Some((between, after)) =
            named(word, rest).or_else(|| listed(word, rest)).or_else(|| block(word, before, rest))
        {
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
    let is_signed = word.find("eyJ").is_some_and(|at| word.len() - at >= 32 && word[at..].contains('.'));
    word.contains(ENCODED_PEM) || is_signed || word.split(['/', '+', '-', '_']).any(is_bootstrap)
}

/// `abcdef.0123456789abcdef`, also at the end of a sentence.
fn is_bootstrap(word: &str) -> bool {
    let plain = |part: &str| part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let parts = word.trim_matches('.').split_once('.');
    parts.is_some_and(|(id, rest)| (id.len(), rest.len()) == (6, 16) && plain(id) && plain(rest))
}

fn is_base64(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || "+/".contains(c))
}

/// Capitals, small letters and digits, as random bytes have them, and names and digests don't.
fn is_mixed(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

fn is_name(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    NAMES.iter().any(|name| word.ends_with(name))
}

fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// The secret that stands behind a word: what lies between, and what comes after.
fn named<'a>(word: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let is_scheme = is_scheme(word);
    let begins = if is_name(word) {
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
    let quotes = in_quotes(between, begins);
    // `password: two words` goes to the end of the line, `--password=one` to the end of the word.
    let is_line = !is_scheme && rest.starts_with(": ");
    let ends = |c: char| "\n\r\"'\\".contains(c) || (!is_line && (c.is_whitespace() || ",}]".contains(c)));
    let end = quotes.unwrap_or_else(|| with_scheme(begins, begins.find(ends).unwrap_or(begins.len())));
    let (value, after) = begins.split_at(end);
    let is_prose = is_scheme && (value.len() < 8 || value.bytes().all(|c| c.is_ascii_lowercase()));
    let is_other = quotes.is_none() && (value.starts_with(['{', '[', '|', '>']) || value.starts_with("${"));
    let tells_nothing = value.is_empty() || is_other || HARMLESS.contains(&value.trim_end()) || is_prose;
    (!tells_nothing).then_some((between, after))
}

/// Where a value ends that may be `Bearer abc`: the word behind the scheme is the secret.
fn with_scheme(value: &str, end: usize) -> usize {
    let Some(rest) = value[end..].strip_prefix(' ') else { return end };
    if !is_scheme(&value[..end]) {
        return end;
    }
    end + 1 + rest.find(|c: char| c.is_whitespace() || "\"'\\,".contains(c)).unwrap_or(rest.len())
}

/// The secret of a name that is a value itself: `{"name": "DB_PASSWORD", "value": "…"}`, `["--password", "…"]`, and the
/// same in YAML.
fn listed<'a>(word: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    if !is_name(word) {
        return None;
    }
    let space = |text: &'a str| text.trim_start_matches(['"', '\'', '\\', ' ', '\n', '\r', '\t', ',']);
    // Behind the backslash of a newline in a text within a text stands its `n`.
    let next = space(rest);
    let next = next.strip_prefix("n ").map_or(next, space);
    let begins = if let Some(value) = next.strip_prefix("value") {
        space(space(value).strip_prefix(':')?)
    } else if word.starts_with("--") && rest.starts_with(['"', '\'', '\\', '\n']) {
        next.strip_prefix("- ").map_or(next, space)
    } else {
        return None;
    };
    let end = begins.find(['"', '\'', '\\', '\n', '\r']).unwrap_or(begins.len());
    let is_other = begins.starts_with("--") || begins.starts_with(['{', '[', ':', ']', '}']);
    (end > 0 && !is_other).then(|| (&rest[..rest.len() - begins.len()], &begins[end..]))
}

/// The secret on the lines behind `password: |`, `password = """` or `password:`, as far as they are deeper than its own.
fn block<'a>(word: &str, before: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    if !is_name(word) {
        return None;
    }
    let (first, after) = rest.split_once('\n')?;
    let value = first.trim_start_matches('"').trim_start().strip_prefix([':', '='])?.trim();
    if matches!(value, "\"\"\"" | "'''") {
        let end = after.find(value).unwrap_or(after.len());
        return Some((&rest[..=first.len()], &after[end..]));
    }
    if !(value.is_empty() || value.starts_with(['|', '>'])) {
        return None;
    }
    let depth = |line: &str| line.len() - line.trim_start().len();
    let own = depth(before.rsplit('\n').next().unwrap_or_default());
    let deeper = |line: &&str| line.trim().is_empty() || depth(line) > own;
    let length: usize = after.split_inclusive('\n').take_while(deeper).map(str::len).sum();
    let lines = after[..length].trim_end();
    // What has names of its own is looked through name by name.
    let is_table = value.is_empty() && lines.lines().any(|line| line.contains(": ") || line.ends_with(':'));
    let taken = first.len() + 1 + lines.len();
    (!lines.is_empty() && !is_table).then(|| (&rest[..=first.len()], &rest[taken..]))
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

/// Users and passwords in addresses: `https://user:word@host`, and those of proxies without a scheme.
fn without_users(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || "\"'<>,".contains(c);
    text.split_inclusive(is_end).map(|part| without_password(&without_user(part))).collect()
}

/// `user:word@host`, whatever stands before it. An image may be named by its digest.
fn without_password(text: &str) -> String {
    let Some(at) = text.rfind('@').filter(|at| !text[*at..].starts_with("@sha256:")) else { return text.to_owned() };
    let marks = ["://", ":\\/\\/", "="];
    let begin = marks.iter().find_map(|mark| text[..at].rfind(mark).map(|found| found + mark.len())).unwrap_or(0);
    // `https://user:word@host`, or `user:word@proxy:3128`; `system:node@cluster` is a context's name.
    let has_scheme = text[..begin].ends_with('/');
    let has_port = text[at..].rsplit_once(':').is_some_and(|(_, port)| port.starts_with(|c: char| c.is_ascii_digit()));
    if text[begin..at].contains(':') && (has_scheme || has_port) {
        format!("{}{REMOVED}{}", &text[..begin], &text[at..])
    } else {
        text.to_owned()
    }
}

fn without_user(text: &str) -> String {
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
            ("password: 'it never ends", "password: '[removed]"),
            ("password: \"$ecret\"", "password: \"[removed]\""),
            ("password: $2y$10$abc\nnext", "password: [removed]\nnext"),
            ("password: correct horse\nnext", "password: [removed]\nnext"),
            ("password=Tr0ub4&dor x", "password=[removed] x"),
            ("token=Bearer abc x", "token=[removed] x"),
            ("token: Bearer abc\nx", "token: [removed]\nx"),
            ("a:\n  password: |\n    one\n    two\n  next: 1", "a:\n  password: |\n[removed]\n  next: 1"),
            ("  password:\n    one\n  next: 1", "  password:\n[removed]\n  next: 1"),
            ("password = \"\"\"\none\n\"\"\"\nnext", "password = \"\"\"\n[removed]\"\"\"\nnext"),
            (
                r#"{"name":"DB_PASSWORD","value":"hunter2"},{"name":"A","value":"b"}"#,
                r#"{"name":"DB_PASSWORD","value":"[removed]"},{"name":"A","value":"b"}"#,
            ),
            ("- name: DB_PASSWORD\n  value: hunter2\n- name: A", "- name: DB_PASSWORD\n  value: [removed]\n- name: A"),
            (r#"["--password","hunter2","--x"]"#, r#"["--password","[removed]","--x"]"#),
            ("- --password\n- hunter2\n- --x", "- --password\n- [removed]\n- --x"),
            ("HTTPS_PROXY=user:pw@proxy:3128 x", "HTTPS_PROXY=[removed]@proxy:3128 x"),
            ("secretKey: abc", "secretKey: [removed]"),
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
        assert_eq!(scrubbed("https://user:pa/ss@proxy/x"), "https://[removed]@proxy/x");
        assert_eq!(scrubbed("join with abcdef.0123456789abcdef."), "join with [removed]");
        let wrapped = format!("LS0tLS1CRUdJTiBFQyBQUklWQVRF\n{}\nc2hvcnQ=\nend of it", "aB1+".repeat(16));
        assert_eq!(scrubbed(&wrapped), "[removed]\n[removed]\n[removed]=\nend of it");
        let der = "MHcCAQEEIAbc1".repeat(4);
        assert_eq!(scrubbed(&format!("key {der}\n-- and so on")), "key [removed]\n-- and so on");
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
            "registry.k8s.io/coredns/coredns:v1.11.3@sha256:0123456789abcdef",
            "  secret:\n    secretName: ours\n  next: 1",
            "  - name: system:kube-scheduler@fmp-sim\n",
            "identity = \"env:FMP_KEY\" at ёж \\",
        ] {
            assert_eq!(scrubbed(text), text);
        }
    }
}
