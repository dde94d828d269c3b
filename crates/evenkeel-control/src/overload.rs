//! Keeps the level of the process true: ten times a second it looks at what is used of memory, descriptors and connections.
//!
//! What follows from the numbers is decided in [`evenkeel_policy::overload`], and done by the workers, which read the level. A look
//! costs some ten microseconds: a few small files of `/proc`, and of the control group where that has a limit.

mod resources;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::model::Ceilings;
use evenkeel_policy::Overload;
use evenkeel_policy::overload::{Change, Level, Usage, connections_within, room_within};
use evenkeel_state::Publisher;
use tokio::time::{self, MissedTickBehavior};

use crate::overload::resources::Resources;

/// From one look at memory to the next where it is limited: load that is new fills a small one within 100 ms, which is from one
/// look at everything to the next (64 MiB were at 130 % by then). It costs 7 µs.
const GLANCE: Duration = Duration::from_millis(10);

/// So many of them are from one look at everything to the next: 100 ms.
const GLANCES: u32 = 10;

/// The block that makes the allocator look: larger than what it serves from pages that threads keep.
const STIRRED: usize = 4 * 1024 * 1024;

/// Descriptors that the process has for itself: listening sockets, event loops, logs. Connections that came meanwhile are not among
/// them. To be called when the data plane has started.
pub(crate) fn own_descriptors(publisher: &Publisher) -> u64 {
    let open = Resources::of_process().descriptors().used;
    open.saturating_sub(publisher.pressure().connections().into())
}

/// Looks again and again, until its task is ended.
pub(crate) async fn run(publisher: Arc<Publisher>, own: u64) {
    let mut interval = time::interval(GLANCE);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::new(publisher, own);
    loop {
        watch.look();
        for _ in 0..GLANCES {
            interval.tick().await;
            if watch.limits_memory {
                watch.glance();
            }
        }
    }
}

/// What is kept from one look to the next.
#[derive(Debug)]
struct Watch {
    publisher: Arc<Publisher>,
    resources: Resources,
    overload: Overload,
    own: u64,
    /// Whether there is a limit of memory, as of the last look.
    limits_memory: bool,
    /// What workers had taken at the last glances, the oldest first to be replaced.
    taken: [u64; GLANCES as usize],
    glances: usize,
}

impl Watch {
    fn new(publisher: Arc<Publisher>, own: u64) -> Self {
        Self {
            publisher,
            resources: Resources::of_process(),
            overload: Overload::default(),
            own,
            limits_memory: false,
            taken: [0; GLANCES as usize],
            glances: 0,
        }
    }

    fn look(&mut self) {
        let ceilings = self.publisher.current().config.ceilings;
        let descriptors = self.resources.descriptors();
        let most = most_connections(ceilings, descriptors.most, self.own);
        let pressure = self.publisher.pressure();
        if pressure.set_most(most) != most {
            tell_most(ceilings, most, descriptors.most, self.own);
        }
        let connections = Usage {
            used: pressure.connections().into(),
            most: most.into(),
        };
        let memory = self.resources.memory(ceilings.memory.bytes());
        self.limits_memory = memory.most < u64::MAX;
        let memory = self.with_what_is_taken(memory);
        let change = self.overload.look([memory, descriptors, connections]);
        if self.overload.wants_room() {
            stir_allocator();
        }
        self.follow(change);
    }

    fn glance(&mut self) {
        let ceiling = self.publisher.current().config.ceilings.memory;
        let memory = self.resources.memory(ceiling.bytes());
        let memory = self.with_what_is_taken(memory);
        let change = self
            .overload
            .glance([memory, Usage::UNLIMITED, Usage::UNLIMITED]);
        self.follow(change);
    }

    /// Tells workers how much they may take until the next look. What they took in the last tenth of a second may not show yet: memory
    /// is used when bytes come into it. When that was more than there was, it counts as used.
    fn with_what_is_taken(&mut self, memory: Usage) -> Usage {
        let pressure = self.publisher.pressure();
        let (now, was_too_much) = (pressure.taken(), pressure.is_out_of_room());
        let before = std::mem::replace(&mut self.taken[self.glances], now);
        self.glances = (self.glances + 1) % self.taken.len();
        let lately = now - before;
        let left = room_within(memory).saturating_sub(lately);
        pressure.set_room(now.saturating_add(left));
        Usage {
            used: memory.used + if was_too_much { lately } else { 0 },
            ..memory
        }
    }

    fn follow(&self, change: Option<Change>) {
        let pressure = self.publisher.pressure();
        pressure.set_wants_room(self.overload.wants_room());
        if let Some(change) = change {
            pressure.set_level(change.to);
            tell(&change);
        }
    }
}

/// Has the allocator return what is free. It does that of itself a second after memory was freed, but only looks when it is asked
/// for something large; a process that has just refused all its load asks for nothing, and would stay at its limit for ever. Nothing
/// is written to the block, so it costs no memory.
fn stir_allocator() {
    drop(black_box(Vec::<u8>::with_capacity(STIRRED)));
}

/// How many client connections may be open.
fn most_connections(ceilings: Ceilings, descriptors: u64, own: u64) -> u32 {
    match ceilings.connections {
        0 => u32::try_from(connections_within(descriptors, own)).unwrap_or(u32::MAX),
        most => most,
    }
}

fn tell_most(ceilings: Ceilings, most: u32, descriptors: u64, own: u64) {
    let room = connections_within(descriptors, own);
    if ceilings.connections == 0 {
        tracing::info!(
            max_connections = most,
            descriptors,
            own,
            "so many clients may be connected: two thirds of the descriptors that are left"
        );
    } else if u64::from(most) > room {
        tracing::warn!(
            max_connections = most,
            descriptors,
            room,
            "max_connections is more than the descriptors leave room for; raise their limit (LimitNOFILE= of systemd, ulimit -n)"
        );
    } else {
        tracing::info!(max_connections = most, "so many clients may be connected");
    }
}

fn tell(change: &Change) {
    let Change {
        from,
        to,
        by,
        usage,
    } = *change;
    let (level, was, cause) = (to.name(), from.name(), by.name());
    let Usage { used, most } = usage;
    let percent = usage.thousandths() / 10;
    let what = match to {
        Level::Normal => "no limit is near any more",
        Level::High => "near a limit: idle connections are closed, the oldest first",
        Level::Critical => {
            "nearly at a limit: new connections are turned away, and requests of low priority refused"
        }
        Level::Extreme => {
            "at a limit: new connections are turned away, and requests of low and normal priority refused"
        }
    };
    if to > from {
        tracing::warn!(level, was, cause, used, most, percent, "{what}");
    } else {
        tracing::info!(level, was, cause, used, most, percent, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_base::ByteSize;
    use evenkeel_config::{Nowhere, check};
    use evenkeel_state::{Registry, Resolved};

    use super::*;

    fn watch(top: &str) -> Watch {
        let text = format!(
            "version = 1\n{top}\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"\"\n"
        );
        let config = check(&text, "test", &Nowhere).config.unwrap();
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
        Watch::new(Publisher::new(Arc::new(snapshot)), 10)
    }

    #[test]
    fn clients_may_have_what_is_configured_or_what_descriptors_leave() {
        let ceilings = |connections| Ceilings {
            connections,
            memory: ByteSize(u64::MAX),
        };
        assert_eq!(most_connections(ceilings(7), 60, 10), 7);
        assert_eq!(most_connections(ceilings(0), 70, 10), 40);
        assert_eq!(most_connections(ceilings(0), u64::MAX, 10), u32::MAX);
    }

    #[test]
    fn connections_that_are_many_raise_the_level_and_fewer_end_it() {
        let mut watch = watch("max_connections = 2");
        let publisher = Arc::clone(&watch.publisher);
        let pressure = publisher.pressure();
        watch.look();
        assert_eq!((pressure.level(), pressure.most()), (Level::Normal, 2));
        assert!(pressure.open() && pressure.open() && !pressure.open());
        watch.look();
        assert_eq!(pressure.level(), Level::High);
        pressure.close();
        (0..10).for_each(|_| watch.look());
        assert_eq!(pressure.level(), Level::Normal);
    }

    #[test]
    fn workers_may_take_what_is_left_and_no_more_until_it_is_seen() {
        let mut watch = watch("max_memory = \"4GiB\"");
        let publisher = Arc::clone(&watch.publisher);
        let pressure = publisher.pressure();
        watch.look();
        pressure.take_room(1 << 30);
        assert!(!pressure.is_out_of_room());
        pressure.take_room(2 << 30);
        watch.glance();
        assert!(!pressure.is_out_of_room(), "something is left");
        pressure.take_room(1 << 30);
        assert!(pressure.is_out_of_room());
        // Nobody has used what was taken: after a while that is known.
        (0..GLANCES).for_each(|_| watch.glance());
        assert!(!pressure.is_out_of_room());
    }

    #[test]
    fn memory_beyond_its_ceiling_is_the_worst_level() {
        let ballast = vec![1_u8; 17 * 1024 * 1024];
        let mut watch = watch("max_memory = \"16MiB\"");
        watch.look();
        assert_eq!(watch.publisher.pressure().level(), Level::Extreme);
        assert_eq!(
            ballast.iter().map(|one| u64::from(*one)).sum::<u64>(),
            17 << 20
        );
    }
}
