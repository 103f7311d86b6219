//! Where the Go tools are. `tools/build` at the root of the repository knows the pins and the cache; this asks it, and
//! has it build what is missing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

/// Paths of the tools. Those that were not asked for may not exist yet.
#[derive(Debug, Clone)]
pub struct Tools {
    paths: Vec<(String, PathBuf)>,
}

/// They cannot change while this process runs, and a test binary asks for them at every start of a control plane.
static LOCATED: OnceLock<Tools> = OnceLock::new();

/// What only checks files. `tools/build` leaves these out, too, when it is given no names.
const CHECKS: [&str; 6] = [
    "kubeconform",
    "actionlint",
    "helm-docs",
    "dockerfile-check",
    "monitoring-check",
    "lua-check",
];

impl Tools {
    /// All that the stack runs on, built if need be.
    pub fn locate() -> Result<Self> {
        let tools = Self::without_building()?;
        let names = tools.paths.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = names.filter(|name| !CHECKS.contains(name)).collect();
        Self::locate_only(&names)
    }

    /// As [`Tools::locate`], but waits only for those named, so that a test of vCenter does not build Kubernetes.
    pub fn locate_only(names: &[&str]) -> Result<Self> {
        let tools = Self::without_building()?;
        let missing: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| tools.path(name).is_err())
            .collect();
        if !missing.is_empty() {
            // Its progress goes to our stderr, past what a test harness captures.
            let status = script()
                .args(&missing)
                .stdout(Stdio::null())
                .status()
                .context("run tools/build")?;
            if !status.success() {
                bail!(
                    "tools/build {} failed; what it said is above",
                    missing.join(" ")
                );
            }
        }
        Ok(tools)
    }

    fn without_building() -> Result<Self> {
        if let Some(tools) = LOCATED.get() {
            return Ok(tools.clone());
        }
        let output = script()
            .arg("--paths")
            .stderr(Stdio::inherit())
            .output()
            .context("run tools/build")?;
        if !output.status.success() {
            bail!("tools/build --paths failed; what it said is above");
        }
        let paths = String::from_utf8(output.stdout)
            .context("tools/build answered no text")?
            .lines()
            .map(|line| {
                line.split_once('\t')
                    .map(|(name, path)| (name.to_owned(), PathBuf::from(path)))
                    .with_context(|| format!("tools/build --paths answered {line:?}"))
            })
            .collect::<Result<_>>()?;
        Ok(LOCATED.get_or_init(|| Self { paths }).clone())
    }

    /// The path of one tool: `etcd`, `kube-apiserver`, `kube-controller-manager`, `kubectl`, `vcsim`, `govc`, `helm`,
    /// `kubeconform`, `actionlint`, `helm-docs`, `dockerfile-check`, `monitoring-check`,
    /// `lua-check`.
    pub fn path(&self, name: &str) -> Result<&Path> {
        match self.paths.iter().find(|(known, _)| known == name) {
            Some((_, path)) if path.exists() => Ok(path),
            Some((_, path)) => bail!("{name} is not built: {} is missing", path.display()),
            None => bail!("tools/build knows no tool named {name}"),
        }
    }

    /// Their folders joined by `:`, ready for `PATH`.
    #[must_use]
    pub fn search_path(&self) -> String {
        let mut folders: Vec<String> = Vec::new();
        for folder in self.paths.iter().filter_map(|(_, path)| path.parent()) {
            let folder = folder.display().to_string();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders.join(":")
    }
}

/// The root of the repository: the one that we are called in or below, else the one that this was built from. Those
/// differ where clones share a target folder, and `make down` in the one must not end the stack of the other.
pub(crate) fn repository() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = std::env::current_dir().unwrap_or_default();
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors()
            .find(|folder| {
                folder.join("tools/build").is_file() && folder.join("stack/Cargo.toml").is_file()
            })
            .or_else(|| built_from.parent())
            .unwrap_or(built_from)
            .to_owned()
    })
}

/// Makes a folder and answers its absolute path: what is started here gets paths, and works in other folders.
pub(crate) fn folder(dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir)
        .and_then(|()| std::path::absolute(dir))
        .with_context(|| format!("create {}", dir.display()))
}

fn script() -> Command {
    Command::new(repository().join("tools/build"))
}

/// Runs a tool to its end and answers its stdout; on failure the error holds what it said.
pub(crate) fn run(
    program: &Path,
    args: &[impl AsRef<OsStr>],
    env: &[(String, String)],
    input: Option<&str>,
) -> Result<String> {
    use std::io::Write as _;
    let mut child = Command::new(program)
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {}", program.display()))?;
    let words = || {
        let args: Vec<_> = args
            .iter()
            .map(|arg| arg.as_ref().to_string_lossy())
            .collect();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} {}", args.join(" "))
    };
    // From a thread of its own: a tool may fill its output pipe before it has read all of its input.
    let output = std::thread::scope(|scope| {
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            scope.spawn(move || {
                // A tool that stops reading says why on stderr, which is the better message.
                let _ = stdin.write_all(text.as_bytes());
            });
        }
        child.wait_with_output()
    })
    .with_context(words)?;
    if !output.status.success() {
        bail!(
            "{}: {}\n{}",
            words(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
