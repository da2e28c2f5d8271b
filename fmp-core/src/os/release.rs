//! What a system says of itself ([os-release](https://www.freedesktop.org/software/systemd/man/os-release.html)).

/// Where systems say it.
pub const RELEASE: &str = "/etc/os-release";

/// Where Astra Linux says which update it is: `1.7.5.16`.
pub const ASTRA_VERSION: &str = "/etc/astra/build_version";

/// What is said, and empty where nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

impl Release {
    /// Reads the lines of [`RELEASE`], shell assignments, and the first one of [`ASTRA_VERSION`] where there is that file:
    /// Astra Linux gives each of its updates one `VERSION_ID`, `1.7_x86-64`.
    pub fn read<'a>(lines: &(impl Iterator<Item = &'a str> + Clone), astra: Option<&str>) -> Self {
        let value = |key: &str| {
            let (_, value) = lines.clone().filter_map(|line| line.split_once('=')).find(|(name, _)| *name == key)?;
            Some(value.trim_matches(['"', '\'']).to_owned())
        };
        let [id, version, name] = ["ID", "VERSION_ID", "PRETTY_NAME"].map(|key| value(key).unwrap_or_default());
        let update = astra.filter(|line| id == "astra" && line.starts_with(|c: char| c.is_ascii_digit()));
        Self { version: update.map_or(version, |update| update.trim().to_owned()), id, name }
    }
}
