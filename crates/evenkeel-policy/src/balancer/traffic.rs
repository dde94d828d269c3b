//! A little traffic for tests: endpoints that take as long as they are told, clients that send a request as soon as the one
//! before has ended, and the time of a simulation.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use evenkeel_base::Rng;

use super::{Balancer, Member, Wanted};
use crate::load::{Load, Observed, Report};
use crate::{Candidate, Tried};

/// An endpoint whose behavior a test sets.
#[derive(Debug)]
pub(super) struct Site {
    weight: u16,
    pub(super) in_flight: Cell<u32>,
    pub(super) share: Cell<u16>,
    /// The most requests in flight.
    pub(super) limit: Cell<u32>,
    /// How long a request takes, give or take a tenth.
    pub(super) micros: Cell<u64>,
    pub(super) fails: Cell<bool>,
    /// It answers with errors of its own.
    pub(super) errs: Cell<bool>,
    pub(super) report: Cell<Report>,
    load: Load,
}

impl Candidate for Site {
    fn weight(&self) -> u16 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    fn share(&self) -> u16 {
        self.share.get()
    }

    fn has_room(&self) -> bool {
        self.in_flight.get() < self.limit.get()
    }

    fn load(&self) -> Option<&Load> {
        Some(&self.load)
    }
}

/// Idle endpoints with these weights that take 10 ms.
pub(super) fn sites(weights: &[u16]) -> Vec<Site> {
    let site = |&weight| Site {
        weight,
        in_flight: Cell::new(0),
        share: Cell::new(1_000),
        limit: Cell::new(u32::MAX),
        micros: Cell::new(10_000),
        fails: Cell::new(false),
        errs: Cell::new(false),
        report: Cell::new(Report::default()),
        load: Load::new(),
    };
    weights.iter().map(site).collect()
}

/// A balancer and clients.
#[derive(Debug)]
pub(super) struct Traffic {
    balancer: Balancer,
    pub(super) now_us: u64,
    rng: Rng,
    /// When it ends, and where.
    running: BinaryHeap<Reverse<(u64, usize)>>,
    /// Whether endpoints report the latency of their last request, however long ago that was, and are probed for it.
    reports: bool,
}

impl Traffic {
    /// For these endpoints; nobody sends yet.
    pub(super) fn new(rules: &evenkeel_base::rules::BalancerRules, from: &[Site]) -> Self {
        let members: Vec<_> = from
            .iter()
            .map(|site| Member {
                id: "",
                weight: site.weight,
                rank: 0,
            })
            .collect();
        Self {
            balancer: Balancer::new(rules, &members, None),
            now_us: 0,
            rng: Rng::new(7),
            running: BinaryHeap::new(),
            reports: false,
        }
    }

    /// Endpoints report, with responses and when they are asked.
    pub(super) fn with_reports(self) -> Self {
        Self {
            reports: true,
            ..self
        }
    }

    /// So many clients for so many seconds; the part of the requests that each endpoint got.
    pub(super) fn run(&mut self, from: &[Site], clients: usize, seconds: u64) -> Vec<f64> {
        let end = self.now_us + seconds * 1_000_000;
        let mut counts = vec![0_u32; from.len()];
        while self.running.len() < clients {
            self.send(from, &mut counts);
        }
        let mut tick = self.now_us;
        while let Some(&Reverse((ends, at))) = self.running.peek()
            && ends <= end
        {
            while tick <= ends {
                self.balancer.tick(from, tick);
                tick += 100_000;
            }
            self.running.pop();
            self.now_us = ends;
            self.answer(&from[at], from, at);
            self.send(from, &mut counts);
            self.probe(from);
        }
        self.now_us = end;
        let total: u32 = counts.iter().sum();
        counts
            .iter()
            .map(|&count| f64::from(count) / f64::from(total.max(1)))
            .collect()
    }

    /// One pick, without a request.
    pub(super) fn pick(&mut self, from: &[Site]) -> usize {
        let tried = Tried::new();
        let wanted = Wanted {
            now_us: self.now_us,
            ..Wanted::new(&tried)
        };
        self.balancer.pick(from, wanted, &mut self.rng).unwrap()
    }

    /// An attempt at `at` ended now.
    pub(super) fn observe(&self, from: &[Site], at: usize, observed: &Observed) {
        self.balancer.observe(from, at, observed, self.now_us);
    }

    /// What the control plane does.
    pub(super) fn tick(&self, from: &[Site]) {
        self.balancer.tick(from, self.now_us);
    }

    fn send(&mut self, from: &[Site], counts: &mut [u32]) {
        let at = self.pick(from);
        counts[at] += 1;
        let site = &from[at];
        site.in_flight.set(site.in_flight.get() + 1);
        let micros = site.micros.get();
        let noise = self.rng.below_long(micros / 5 + 1);
        let ends = self.now_us + micros - micros / 10 + noise;
        self.running.push(Reverse((ends, at)));
    }

    /// The probes that are due, answered at once.
    fn probe(&mut self, from: &[Site]) {
        for _ in 0..self.balancer.probes_due() {
            let tried = Tried::new();
            let wanted = Wanted::new(&tried);
            if let Some(at) = self.balancer.probe_target(from, wanted, &mut self.rng) {
                let report = Report {
                    in_flight: Some(from[at].in_flight.get()),
                    ..from[at].report.get()
                };
                let observed = Observed {
                    report,
                    ..Observed::default()
                };
                self.observe(from, at, &observed);
            }
        }
    }

    fn answer(&self, site: &Site, from: &[Site], at: usize) {
        site.in_flight.set(site.in_flight.get() - 1);
        if self.reports {
            site.report.set(Report {
                in_flight: Some(site.in_flight.get()),
                latency: Some(Duration::from_micros(site.micros.get())),
                ..Report::default()
            });
        }
        let observed = Observed {
            latency: Some(Duration::from_micros(site.micros.get())),
            failed: site.fails.get(),
            erred: site.errs.get(),
            in_flight: site.in_flight.get(),
            report: site.report.get(),
        };
        self.observe(from, at, &observed);
    }
}
