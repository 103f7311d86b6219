//! What `make up` can be told: ports and sizes through `METERWISE_*` variables, and `OPERATOR=0`.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

/// The keys that the simulator's own seed knows.
#[derive(Debug, Clone)]
pub struct ConnectWiseKeys {
    pub company: String,
    pub public_key: String,
    pub private_key: String,
    pub client_id: String,
}

/// One local stack.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `METERWISE_API_PORT`; ports that are 0 or not set are picked.
    pub api_port: Option<u16>,
    /// `METERWISE_VCENTER_PORT`
    pub vcenter_port: u16,
    /// `METERWISE_CONNECTWISE_PORT`
    pub connectwise_port: u16,
    /// `METERWISE_CONNECTWISE_CONTROL_PORT`
    pub control_port: u16,
    /// `METERWISE_VMS`: machines of all customers together.
    pub vms: usize,
    /// `METERWISE_CUSTOMERS`: their folders, separated by commas.
    pub customers: Vec<String>,
    /// `METERWISE_SEED`: the records that the ConnectWise simulator starts with, rather than its own.
    pub seed: Option<PathBuf>,
    /// `OPERATOR=0` leaves the operator and the examples out.
    pub operator: bool,
    pub keys: ConnectWiseKeys,
    /// Folder of the binaries `meterwise` and `connectwise-sim`: they are built beside this one.
    pub binaries: PathBuf,
    /// Everything that the stack writes.
    pub state: PathBuf,
}

impl Settings {
    pub fn from_env() -> Result<Self> {
        let program = env::current_exe().context("find this program")?;
        let binaries = program.parent().context("this program lies in no folder")?;
        let customers: String = variable("METERWISE_CUSTOMERS", "acme,globex".to_owned())?;
        let customers: Vec<String> = customers
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        ensure!(!customers.is_empty(), "METERWISE_CUSTOMERS names nobody");
        let port: u16 = variable("METERWISE_API_PORT", 0)?;
        let seed: PathBuf = variable("METERWISE_SEED", PathBuf::new())?;
        Ok(Self {
            api_port: (port != 0).then_some(port),
            vcenter_port: variable("METERWISE_VCENTER_PORT", 0)?,
            connectwise_port: variable("METERWISE_CONNECTWISE_PORT", 0)?,
            control_port: variable("METERWISE_CONNECTWISE_CONTROL_PORT", 0)?,
            vms: variable("METERWISE_VMS", 20)?,
            customers,
            seed: (!seed.as_os_str().is_empty()).then_some(seed),
            operator: variable::<u8>("OPERATOR", 1)? != 0,
            keys: ConnectWiseKeys {
                company: "meterwise_c".to_owned(),
                public_key: "operatorPublicKey".to_owned(),
                private_key: "operatorPrivateKey".to_owned(),
                client_id: "00000000-0000-4000-8000-000000000001".to_owned(),
            },
            binaries: binaries.to_owned(),
            state: tools::repository().join(".run"),
        })
    }

    /// For `make demo`: the same sizes, and nothing that a stack of `make up` could hold already.
    pub fn for_demo() -> Result<Self> {
        Ok(Self::from_env()?.apart("demo"))
    }

    /// For `make bench`: as for the demo, and always with the customers that its script knows.
    pub fn for_bench() -> Result<Self> {
        Ok(Self {
            vms: variable("METERWISE_VMS", 60)?,
            customers: vec!["acme".to_owned(), "globex".to_owned()],
            seed: None,
            ..Self::from_env()?.apart("bench")
        })
    }

    /// In a folder of its own, on free ports.
    fn apart(self, folder: &str) -> Self {
        Self {
            api_port: None,
            vcenter_port: 0,
            connectwise_port: 0,
            control_port: 0,
            operator: true,
            state: self.state.join(folder),
            ..self
        }
    }

    /// An error that says how to build what is missing of the binaries.
    pub(crate) fn expect_binaries(&self) -> Result<()> {
        for binary in ["connectwise-sim", "meterwise"] {
            let path = self.binaries.join(binary);
            ensure!(
                path.exists(),
                "{} is missing; `make build` builds it",
                path.display()
            );
        }
        Ok(())
    }
}

/// An unset or empty variable is the default; one that does not parse is an error that names it.
fn variable<T>(name: &str, default: T) -> Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match env::var(name) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .with_context(|| format!("{name}={text} is not what it should be")),
        _ => Ok(default),
    }
}
