//! Several watches as one: of a kind in several namespaces, for one store. What one namespace lists must not empty the
//! store of the others' objects.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// Objects by namespace and name.
type Objects<K> = BTreeMap<(String, String), K>;

/// Joins the events of several watches.
#[derive(Debug)]
pub(super) struct Merge<K> {
    places: Vec<Place<K>>,
    /// What passed before every place was listed once: the store takes no changes while it is being filled.
    early: Option<Vec<Event<K>>>,
    begun: bool,
}

#[derive(Debug)]
struct Place<K> {
    listed: bool,
    listing: Option<Objects<K>>,
    held: Objects<K>,
}

impl<K: ResourceExt + Clone> Merge<K> {
    /// Of that many watches.
    pub(super) fn new(places: usize) -> Self {
        let place = |_| Place {
            listed: false,
            listing: None,
            held: Objects::new(),
        };
        Self {
            places: (0..places).map(place).collect(),
            early: Some(Vec::new()),
            begun: false,
        }
    }

    /// Takes an event of one watch, and says what the store is to be told.
    pub(super) fn take(&mut self, place: usize, event: Event<K>) -> Vec<Event<K>> {
        let mut told = Vec::new();
        if !self.begun {
            self.begun = true;
            told.push(Event::Init);
        }
        let Some(here) = self.places.get_mut(place) else {
            return told;
        };
        match event {
            Event::Init => here.listing = Some(Objects::new()),
            Event::InitApply(object) => {
                if let Some(listing) = &mut here.listing {
                    listing.insert(key(&object), object.clone());
                }
                if self.early.is_some() && !here.listed {
                    told.push(Event::InitApply(object));
                } else {
                    self.tell(Event::Apply(object), &mut told);
                }
            }
            Event::InitDone => {
                let now = here.listing.take().unwrap_or_default();
                let gone: Vec<_> = here
                    .held
                    .iter()
                    .filter(|(name, _)| !now.contains_key(*name))
                    .map(|(_, object)| object.clone())
                    .collect();
                here.held = now;
                here.listed = true;
                for object in gone {
                    self.tell(Event::Delete(object), &mut told);
                }
                if self.places.iter().all(|place| place.listed)
                    && let Some(early) = self.early.take()
                {
                    told.push(Event::InitDone);
                    told.extend(early);
                }
            }
            Event::Apply(object) => {
                here.held.insert(key(&object), object.clone());
                self.tell(Event::Apply(object), &mut told);
            }
            Event::Delete(object) => {
                here.held.remove(&key(&object));
                self.tell(Event::Delete(object), &mut told);
            }
        }
        told
    }

    fn tell(&mut self, event: Event<K>, told: &mut Vec<Event<K>>) {
        match &mut self.early {
            Some(early) => early.push(event),
            None => told.push(event),
        }
    }
}

fn key(object: &impl ResourceExt) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::rate_card::{RateCard, RateCardSpec};

    fn card(namespace: &str, name: &str) -> RateCard {
        let mut card = RateCard::new(name, RateCardSpec { rules: Vec::new() });
        card.metadata.namespace = Some(namespace.to_owned());
        card
    }

    fn words(events: &[Event<RateCard>]) -> Vec<String> {
        let word = |event: &Event<RateCard>| match event {
            Event::Init => "init".to_owned(),
            Event::InitApply(card) => format!("list {}", card.name_any()),
            Event::InitDone => "done".to_owned(),
            Event::Apply(card) => format!("apply {}", card.name_any()),
            Event::Delete(card) => format!("delete {}", card.name_any()),
        };
        events.iter().map(word).collect()
    }

    #[test]
    fn the_store_is_filled_once_all_places_are_listed() {
        let mut merge = Merge::new(2);
        let mut told = Vec::new();
        told.extend(merge.take(0, Event::Init));
        told.extend(merge.take(0, Event::InitApply(card("a", "one"))));
        told.extend(merge.take(0, Event::InitDone));
        told.extend(merge.take(0, Event::Apply(card("a", "early"))));
        told.extend(merge.take(1, Event::Init));
        told.extend(merge.take(1, Event::InitApply(card("b", "two"))));
        told.extend(merge.take(1, Event::InitDone));
        assert_eq!(
            words(&told),
            ["init", "list one", "list two", "done", "apply early"]
        );
    }

    #[test]
    fn a_place_that_lists_again_loses_only_its_own() {
        let mut merge = Merge::new(2);
        for (place, namespace) in ["a", "b"].iter().enumerate() {
            merge.take(place, Event::Init);
            merge.take(
                place,
                Event::InitApply(card(namespace, &format!("{namespace}-old"))),
            );
            merge.take(place, Event::InitDone);
        }
        let mut told = Vec::new();
        told.extend(merge.take(0, Event::Init));
        told.extend(merge.take(0, Event::InitApply(card("a", "a-new"))));
        told.extend(merge.take(0, Event::InitDone));
        assert_eq!(words(&told), ["apply a-new", "delete a-old"]);
    }
}
