//! The event history: a collector in vCenter that hands out each event about machines once, oldest first.
//! Events say what to look at again; what is billed comes from reading the machines, elsewhere.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::inventory::{MachineEvent, MachineEventKind};
use crate::vsphere::Client;
use crate::vsphere::error::{Error, Flaw};
use crate::vsphere::session::Session;
use crate::vsphere::soap::{Arguments, Method, Reference};
use crate::vsphere::transport::Transport;
use crate::vsphere::xml::{Tag, Xml};

/// Most events in one answer; vCenter allows no more.
const AT_ONCE: usize = 1000;
/// Most answers in one call: more waiting events than this are read by the next call.
const MOST_ANSWERS: usize = 20;

/// Events after which a machine is here that was not.
const APPEARED: [&str; 5] = [
    "VmCreatedEvent",
    "VmClonedEvent",
    "VmDeployedEvent",
    "VmRegisteredEvent",
    "VmDiscoveredEvent",
];

/// The event after which a machine is not here: destroyed or unregistered.
const REMOVED: &str = "VmRemovedEvent";

/// Events after which what is known of a machine may be wrong. Power matters because some changes only take effect with it.
const CHANGED: [&str; 25] = [
    "VmReconfiguredEvent",
    "VmRenamedEvent",
    "VmAutoRenameEvent",
    "VmMigratedEvent",
    "DrsVmMigratedEvent",
    "VmRelocatedEvent",
    "VmRestartedOnAlternateHostEvent",
    "VmResourcePoolMovedEvent",
    "VmReloadFromPathEvent",
    "VmConfigMissingEvent",
    "VmUpgradeCompleteEvent",
    "VmPoweredOnEvent",
    "DrsVmPoweredOnEvent",
    "VmPoweredOffEvent",
    "VmSuspendedEvent",
    "VmConnectedEvent",
    "VmDisconnectedEvent",
    "VmOrphanedEvent",
    "VmInstanceUuidAssignedEvent",
    "VmInstanceUuidChangedEvent",
    "VmInstanceUuidConflictEvent",
    // These come as `EventEx`: a revert to a snapshot may change everything, and a machine may leave for another vCenter.
    "com.vmware.vc.vm.VmStateRevertedToSnapshot",
    "com.vmware.vc.vm.SrcVmMigratedEvent",
    "com.vmware.vc.vm.DstVmMigratedEvent",
    "com.vmware.vc.VmDiskConsolidatedEvent",
];

/// Reads the events of one vCenter from a moment on. It lives in one session; [`Error::EventsLost`] says that it does
/// not live any more, and then a snapshot and a new reader are needed.
#[derive(Debug)]
pub struct EventReader {
    collector: Reference,
    session: Arc<Session>,
    /// Set once an answer may have been lost: the server has moved on, the caller has not.
    lost: Option<&'static str>,
}

pub(super) async fn open(
    session: Arc<Session>,
    transport: &Transport,
    since: Timestamp,
) -> Result<EventReader, Error> {
    let arguments = Arguments::default().group("filter", |filter| {
        let filter = filter
            .group("time", |time| time.text("beginTime", &since.to_string()))
            .text("disableFullMessage", "true");
        let kinds = APPEARED.iter().chain([&REMOVED]).chain(&CHANGED);
        kinds.fold(filter, |filter, kind| filter.text("eventTypeId", kind))
    });
    let method = Method::CreateCollectorForEvents;
    let mut collector = None;
    session
        .call(
            transport,
            method,
            &session.event_manager,
            arguments,
            |xml, tag| {
                collector = Some(Reference::read(xml, tag)?);
                Ok(())
            },
        )
        .await?;
    let collector = collector.ok_or(Error::Malformed {
        method: method.name(),
        flaw: Flaw::Missing("the collector"),
    })?;
    Ok(EventReader {
        collector,
        session,
        lost: None,
    })
}

impl EventReader {
    /// The events that came since the last call, or since the reader's first moment, oldest first. An event is handed
    /// out once.
    ///
    /// # Errors
    ///
    /// [`Error::EventsLost`] when the session has ended or an earlier answer was lost. After any other error the reader
    /// is lost as well, because vCenter may count events as read that never arrived; the next call says so. So it is when
    /// this future is dropped before its end.
    pub async fn read_next(&mut self, client: &Client) -> Result<Vec<MachineEvent>, Error> {
        if let Some(reason) = self.lost {
            return Err(Error::EventsLost { reason });
        }
        if !client.is_current(&self.session).await {
            return Err(self.lose("its session was replaced"));
        }
        // Stays so when the caller drops this future: vCenter may have answered by then.
        self.lost = Some("a read was abandoned");
        match self.read_waiting(client.transport()).await {
            Ok(events) => {
                self.lost = None;
                Ok(events)
            }
            Err(Error::SessionLost) => {
                client.forget(&self.session).await;
                Err(self.lose("its session ended"))
            }
            Err(Error::NotFound(gone)) if gone == self.collector.moref => {
                Err(self.lose("vCenter does not have its collector any more"))
            }
            Err(error) => {
                self.lose("an answer was lost");
                Err(error)
            }
        }
    }

    /// Gives the collector back to vCenter, which allows a session only a few.
    ///
    /// # Errors
    ///
    /// Any that a request can have; the collector then ends with the session.
    pub async fn close(self, client: &Client) -> Result<(), Error> {
        if !client.is_current(&self.session).await {
            return Ok(());
        }
        let method = Method::DestroyCollector;
        let nothing = Arguments::default();
        let closed = self
            .session
            .call(
                client.transport(),
                method,
                &self.collector,
                nothing,
                |_, _| Ok(()),
            )
            .await;
        match closed {
            Err(Error::NotFound(_) | Error::SessionLost) => Ok(()),
            other => other,
        }
    }

    fn lose(&mut self, reason: &'static str) -> Error {
        self.lost = Some(reason);
        Error::EventsLost { reason }
    }

    async fn read_waiting(&self, transport: &Transport) -> Result<Vec<MachineEvent>, Error> {
        let mut events = Vec::new();
        for _ in 0..MOST_ANSWERS {
            let mut received = 0;
            let arguments = Arguments::default().text("maxCount", &AT_ONCE.to_string());
            let method = Method::ReadNextEvents;
            self.session
                .call(transport, method, &self.collector, arguments, |xml, tag| {
                    received += 1;
                    events.extend(read_event(xml, tag)?);
                    Ok(())
                })
                .await?;
            if received < AT_ONCE {
                break;
            }
        }
        Ok(events)
    }
}

/// Reads the event in the element just started; `None` when it does not concern a machine's existence or values.
fn read_event(xml: &mut Xml<'_>, tag: &Tag) -> Result<Option<MachineEvent>, Flaw> {
    let mut name = tag.xsi_type.clone().unwrap_or_default();
    let mut key = None;
    let mut at = None;
    let mut machine = None;
    xml.children(|xml, tag| {
        match tag.name.as_str() {
            "key" => key = Some(xml.value("an event's key")?),
            "createdTime" => at = Some(xml.value("an event's time")?),
            "vm" => xml.children(|xml, tag| {
                if tag.name == "vm" {
                    machine = xml.address()?;
                }
                Ok(())
            })?,
            "eventTypeId" => name = xml.text()?,
            _ => {}
        }
        Ok(())
    })?;
    let Some(kind) = classify(&name) else {
        return Ok(None);
    };
    let Some(machine) = machine else {
        return Ok(None);
    };
    Ok(Some(MachineEvent {
        key: key.ok_or(Flaw::Missing("an event's key"))?,
        at: at.ok_or(Flaw::Missing("an event's time"))?,
        kind,
        machine,
    }))
}

/// What an event means; `None` for those that were not asked for, which a server may send nevertheless.
fn classify(name: &str) -> Option<MachineEventKind> {
    if APPEARED.contains(&name) {
        Some(MachineEventKind::Appeared)
    } else if name == REMOVED {
        Some(MachineEventKind::Removed)
    } else if CHANGED.contains(&name) {
        Some(MachineEventKind::Changed)
    } else {
        None
    }
}
