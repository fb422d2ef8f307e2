//! Order and cycles of "points to" relations: groups hold groups, hosts jump through hosts.
//!
//! Boundary: indexes only. Iterative, so that a long chain cannot exhaust the stack.

use std::collections::HashMap;

/// The nodes such that each comes after all it points to, without those on a cycle; and the cycles, each from its first node.
pub(crate) fn order(edges: &[Vec<usize>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut order = Vec::with_capacity(edges.len());
    let mut cycles = Vec::new();
    let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (parent, children) in edges.iter().enumerate() {
        for child in children {
            if let Some(parents) = parents.get_mut(*child) {
                parents.push(parent);
            }
        }
    }
    let mut done = vec![false; edges.len()];
    let mut ready: Vec<usize> = (0..edges.len()).filter(|node| waiting.get(*node) == Some(&0)).rev().collect();
    let mut from = 0;
    loop {
        while let Some(node) = ready.pop() {
            if std::mem::replace(&mut done[node], true) {
                continue;
            }
            order.push(node);
            release(&parents, &mut waiting, &mut ready, node);
        }
        // What is left waits for something that is left, so following it ends on a cycle.
        while done.get(from) == Some(&true) {
            from += 1;
        }
        if from >= edges.len() {
            return (order, cycles);
        }
        let cycle = follow(edges, &done, from);
        for node in &cycle {
            done[*node] = true;
            release(&parents, &mut waiting, &mut ready, *node);
        }
        cycles.push(cycle);
    }
}

fn release(parents: &[Vec<usize>], waiting: &mut [usize], ready: &mut Vec<usize>, node: usize) {
    for parent in &parents[node] {
        waiting[*parent] = waiting[*parent].saturating_sub(1);
        if waiting[*parent] == 0 {
            ready.push(*parent);
        }
    }
}

fn follow(edges: &[Vec<usize>], done: &[bool], from: usize) -> Vec<usize> {
    let mut seen = HashMap::new();
    let mut path = Vec::new();
    let mut node = from;
    while !seen.contains_key(&node) {
        seen.insert(node, path.len());
        path.push(node);
        match edges[node].iter().find(|next| !done[**next]) {
            Some(next) => node = *next,
            None => break,
        }
    }
    path.split_off(seen.get(&node).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_come_before_their_parents() {
        assert_eq!(order(&[vec![1, 2], vec![2], vec![]]), (vec![2, 1, 0], vec![]));
    }

    #[test]
    fn every_cycle_is_found_and_the_rest_is_ordered() {
        let (order, cycles) = order(&[vec![1], vec![0], vec![2], vec![0], vec![]]);
        assert_eq!(cycles, [vec![0, 1], vec![2]]);
        assert_eq!(order, [4, 3]);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_does_not_exhaust_the_stack() {
        let edges: Vec<Vec<usize>> = (0..100_000).map(|n| if n + 1 < 100_000 { vec![n + 1] } else { vec![] }).collect();
        assert_eq!(order(&edges).0.len(), 100_000);
    }
}
