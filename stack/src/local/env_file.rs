//! `.run/env`: what a shell needs to talk to the stack with kubectl, govc and any ConnectWise client.

use std::fmt::Write as _;

use anyhow::Result;

use super::settings::Settings;
use crate::connectwise::ConnectWiseSim;
use crate::control_plane::ControlPlane;
use crate::pki::write_private;
use crate::tools::Tools;
use crate::vcsim::Vcsim;

pub(super) fn write(
    settings: &Settings,
    tools: &Tools,
    plane: &ControlPlane,
    vcsim: &Vcsim,
    connectwise: &ConnectWiseSim,
) -> Result<()> {
    let mut variables = vec![(
        "KUBECONFIG".to_owned(),
        plane.admin_kubeconfig().display().to_string(),
    )];
    variables.extend(vcsim.govc_env());
    let keys = &settings.keys;
    for (name, value) in [
        ("CONNECTWISE_URL", connectwise.url()),
        ("CONNECTWISE_COMPANY", &keys.company),
        ("CONNECTWISE_PUBLIC_KEY", &keys.public_key),
        ("CONNECTWISE_PRIVATE_KEY", &keys.private_key),
        ("CONNECTWISE_CLIENT_ID", &keys.client_id),
        (
            "CONNECTWISE_CA",
            &connectwise.ca_file().display().to_string(),
        ),
    ] {
        variables.push((name.to_owned(), value.to_owned()));
    }
    let mut text = String::new();
    for (name, value) in &variables {
        writeln!(text, "export {name}={}", quoted(value))?;
    }
    // The tools go first: another kubectl may be installed, and ours fits the server.
    let folders = format!("{}:{}", tools.search_path(), settings.binaries.display());
    writeln!(text, "export PATH={}:\"$PATH\"", quoted(&folders))?;
    write_private(&settings.state.join("env"), &text)
}

/// For a POSIX shell, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
