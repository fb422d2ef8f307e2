//! Which hosts go together, and when a run has failed enough. Pure.
//!
//! Boundary: hosts are numbers here and servers are groups of them; waits for nothing. Next: `roll` carries batches out.

use std::time::Duration;

use crate::domain::{Amount, Serial};

/// How a run goes over its hosts. The default is all of them at once, whatever fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rolling {
    /// Sizes of the batches; all hosts are one batch without it.
    pub serial: Option<Serial>,
    /// As soon as this many hosts have failed, no further one is attempted: looked at after each batch, without `serial` after
    /// each host.
    pub max_fail: Option<Amount>,
    /// As soon as one host has failed, no further one is attempted.
    pub fail_fast: bool,
    /// Pause between two batches.
    pub wait: Duration,
    /// All hosts at once without `serial`, whatever `rollout` of the servers is.
    pub at_once: bool,
}

/// What may not be in one batch as a whole: the instances of one server; and how large the batches of each server are.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    /// For each host of the run, the groups it has a member of, each once.
    pub groups: Vec<Vec<usize>>,
    /// How many members each group has, those on hosts that are not in the run included.
    pub members: Vec<usize>,
    /// Sizes of the batches of each group's own hosts, used without [`Rolling::serial`]; a group without them may go at once.
    pub serials: Vec<Option<Serial>>,
}

impl Rolling {
    /// The batches of a run over `all` hosts, which are numbered from 0. Each host is in one of them. A batch is the next hosts
    /// in their order, as many as its size says; a host that would complete a group of two or more goes first in the next
    /// batch. Without `serial` the sizes of each group hold for its own hosts; groups without them go in the first batch, as far as
    /// their hosts have no other.
    #[must_use]
    pub fn batches(&self, all: usize, spread: &Spread) -> Vec<Vec<usize>> {
        if self.serial.is_none() && spread.serials.iter().all(Option::is_none) {
            return vec![(0..all).collect()];
        }
        let mut left: Vec<usize> = (0..all).collect();
        let mut batches = vec![];
        let (mut taken, mut turns) = (vec![0; spread.members.len()], vec![0; spread.members.len()]);
        let mut hosts = vec![0; spread.members.len()];
        spread.groups.iter().flatten().for_each(|g| hosts[*g] += 1);
        while !left.is_empty() {
            let size = self.serial.as_ref().map_or(left.len(), |serial| serial.size(batches.len(), all));
            let rest = left.split_off(size.min(left.len()));
            taken.fill(0);
            let most = |g: usize, turns: &[usize]| {
                // Of a group with one member there is no other that could go on.
                let spare = (spread.members[g] - 1).max(1);
                match (&self.serial, spread.serials.get(g).and_then(Option::as_ref)) {
                    (Some(_), _) => spare,
                    (None, Some(serial)) => serial.size(turns[g], hosts[g]).min(spare),
                    (None, None) => usize::MAX,
                }
            };
            let (mut batch, mut moved) = (vec![], vec![]);
            for host in left {
                let groups = spread.groups.get(host).map_or(&[][..], Vec::as_slice);
                // The first host is always taken: of each group at least one member may go.
                if groups.iter().any(|g| taken[*g] >= most(*g, &turns)) {
                    moved.push(host);
                } else {
                    groups.iter().for_each(|g| taken[*g] += 1);
                    batch.push(host);
                }
            }
            batches.push(batch);
            turns.iter_mut().zip(&taken).for_each(|(turns, taken)| *turns += usize::from(*taken > 0));
            moved.extend(rest);
            left = moved;
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn rolling(serial: &str) -> Rolling {
        Rolling { serial: Some(serial.parse().unwrap()), ..Rolling::default() }
    }

    fn sizes(serial: &str, all: usize) -> Vec<usize> {
        rolling(serial).batches(all, &Spread::default()).iter().map(Vec::len).collect()
    }

    #[test]
    fn the_last_size_repeats_and_percent_are_rounded_down_to_at_least_one_host() {
        assert_eq!(sizes("1", 3), [1, 1, 1]);
        assert_eq!(sizes("25%", 12), [3, 3, 3, 3]);
        assert_eq!(sizes("25%", 7), [1; 7]);
        assert_eq!(sizes("1,10%,50%", 20), [1, 2, 10, 7]);
        assert_eq!(sizes("1,25%", 12), [1, 3, 3, 3, 2]);
        assert_eq!(sizes("1%", 3), [1, 1, 1]);
        assert_eq!(sizes("100", 3), [3]);
        assert_eq!(sizes("100%", 3), [3]);
    }

    #[test]
    fn what_is_no_amount_is_refused_and_what_is_one_reads_back() {
        for text in ["", "0", "0%", "101%", "-1", "+1", "1.5", "1,", ",1", "%", "a", "1,0", "99999999999999999999"] {
            assert!(text.parse::<Serial>().is_err(), "{text}");
        }
        for text in ["1", "25%", "1,10%,50%", "100%"] {
            assert_eq!(text.parse::<Serial>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_limit_in_percent_is_one_of_all_selected_hosts() {
        let reached = |text: &str, failed, all| text.parse::<Amount>().unwrap().is_reached(failed, all);
        assert!(!reached("2", 1, 12) && reached("2", 2, 12));
        assert!(!reached("25%", 2, 12) && reached("25%", 3, 12));
        assert!(!reached("1%", 0, 12) && reached("1%", 1, 12));
    }

    #[test]
    fn a_host_that_would_complete_a_server_goes_first_in_the_next_batch() {
        // One server on hosts 0 and 1, another on 0 to 3.
        let spread = Spread {
            groups: vec![vec![0, 1], vec![0, 1], vec![1], vec![1], vec![]],
            members: vec![2, 4],
            ..Spread::default()
        };
        assert_eq!(rolling("3").batches(5, &spread), [vec![0, 2], vec![1, 3, 4]]);
        assert_eq!(rolling("100%").batches(5, &spread), [vec![0, 2, 3, 4], vec![1]]);
        // Not selected, but placed: the third instance goes on serving.
        let spread = Spread { groups: vec![vec![0], vec![0]], members: vec![3], ..Spread::default() };
        assert_eq!(rolling("2").batches(2, &spread), [vec![0, 1]]);
    }

    #[test]
    fn without_serial_all_hosts_are_one_batch() {
        let spread = Spread { groups: vec![vec![0], vec![0]], members: vec![2], ..Spread::default() };
        assert_eq!(Rolling::default().batches(2, &spread), [vec![0, 1]]);
    }

    #[test]
    fn a_server_with_a_rollout_goes_in_batches_of_its_own_and_the_others_at_once() {
        let serial = |text: &str| text.parse::<Serial>().ok();
        // Hosts 0 to 3 have `a`, hosts 2 to 5 have `b`, host 6 has `c` alone.
        let groups = vec![vec![0], vec![0], vec![0, 1], vec![0, 1], vec![1], vec![1], vec![2]];
        let spread = |serials: Vec<Option<Serial>>| Spread { groups: groups.clone(), members: vec![4, 4, 1], serials };
        let batches = |serials| Rolling::default().batches(7, &spread(serials));
        assert_eq!(batches(vec![serial("1"), None, None]), [vec![0, 4, 5, 6], vec![1], vec![2], vec![3]]);
        assert_eq!(batches(vec![serial("1,2"), serial("50%"), None]), [vec![0, 4, 5, 6], vec![1, 2], vec![3]]);
        // Never all members at once, however large a batch may be; a server with one instance has no other.
        assert_eq!(batches(vec![serial("100%"), None, serial("1")]), [vec![0, 1, 2, 4, 5, 6], vec![3]]);
        // The command line's sizes hold for all hosts, in place of the servers' own.
        let spread = spread(vec![serial("1"), None, None]);
        assert_eq!(rolling("4").batches(7, &spread), [vec![0, 1, 2], vec![3, 4, 5, 6]]);
    }

    fn amounts() -> impl Strategy<Value = Vec<Amount>> {
        let amount = prop_oneof![(1_usize..30).prop_map(Amount::Hosts), (1_u8..=100).prop_map(Amount::Percent)];
        prop::collection::vec(amount, 1..4)
    }

    /// Servers with the hosts they are placed on; hosts from `all` on are not selected.
    fn fleets() -> impl Strategy<Value = (usize, Vec<Vec<usize>>)> {
        (1_usize..40).prop_flat_map(|all| {
            let hosts = prop::collection::btree_set(0..all + 3, 1..12).prop_map(|set| set.into_iter().collect());
            (Just(all), prop::collection::vec(hosts, 0..8))
        })
    }

    proptest! {
        #[test]
        fn every_host_is_in_one_batch_no_batch_is_too_large_and_no_server_is_whole_in_one(
            (all, servers) in fleets(), amounts in amounts()
        ) {
            let serial = Serial::new(amounts);
            let spread = Spread {
                groups: (0..all)
                    .map(|host| (0..servers.len()).filter(|s| servers[*s].contains(&host)).collect())
                    .collect(),
                members: servers.iter().map(Vec::len).collect(),
                serials: vec![],
            };
            let batches = Rolling { serial: Some(serial.clone()), ..Rolling::default() }.batches(all, &spread);
            let mut hosts: Vec<usize> = batches.concat();
            hosts.sort_unstable();
            prop_assert_eq!(hosts, (0..all).collect::<Vec<_>>());
            for (number, batch) in batches.iter().enumerate() {
                prop_assert!(!batch.is_empty() && batch.len() <= serial.size(number, all));
                prop_assert!(batch.is_sorted(), "in one batch hosts keep their order");
                for placed in servers.iter().filter(|placed| placed.len() > 1) {
                    prop_assert!(!placed.iter().all(|host| batch.contains(host)), "{placed:?} in {batch:?}");
                }
            }
        }

        #[test]
        fn without_servers_in_the_way_the_order_is_kept_and_batches_are_full(all in 1_usize..60, amounts in amounts()) {
            let serial = Serial::new(amounts);
            let batches = Rolling { serial: Some(serial.clone()), ..Rolling::default() }.batches(all, &Spread::default());
            prop_assert_eq!(batches.concat(), (0..all).collect::<Vec<_>>());
            for (number, batch) in batches.iter().enumerate().take(batches.len() - 1) {
                prop_assert_eq!(batch.len(), serial.size(number, all));
            }
        }
    }
}
