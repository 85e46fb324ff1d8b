//! Fair parts of a limit: everybody gets what he wants as long as that is no more than the others get.

/// What becomes of units that nobody wants now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Those who want something have them too, so that more demand need not wait for a round.
    Divided,
    /// Nobody has them.
    Left,
}

/// The part of the one at `me` of `total` units, when each wants so many. All who compute it of the same numbers come to parts
/// that sum to `total` at most. Single units that cannot be divided go round with `turn`.
pub(crate) fn part(total: u64, wants: &[u64], me: usize, rest: Rest, turn: u64) -> u64 {
    let mut ascending = wants.to_vec();
    ascending.sort_unstable();
    let (mut left, mut people) = (total, wants.len() as u64);
    for want in ascending {
        if want > left / people {
            break;
        }
        left -= want;
        people -= 1;
    }
    let own = wants[me];
    if people == 0 {
        let is_wanting = |want: u64| want > 0;
        return match rest {
            Rest::Divided if is_wanting(own) => own + cut(left, wants, me, is_wanting, turn),
            Rest::Divided | Rest::Left => own,
        };
    }
    let level = left / people;
    if own <= level {
        return own;
    }
    cut(left, wants, me, |want| want > level, turn)
}

/// An even part among those who are `counted`, of whom `me` is one.
fn cut(units: u64, wants: &[u64], me: usize, counted: impl Fn(u64) -> bool, turn: u64) -> u64 {
    let number = |wants: &[u64]| wants.iter().filter(|want| counted(**want)).count() as u64;
    let (people, before) = (number(wants), number(&wants[..me]));
    let place = before.wrapping_add(turn) % people;
    units / people + u64::from(place < units % people)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(total: u64, wants: &[u64], rest: Rest, turn: u64) -> Vec<u64> {
        (0..wants.len())
            .map(|me| part(total, wants, me, rest, turn))
            .collect()
    }

    #[test]
    fn who_wants_little_gets_it_and_the_others_share_the_rest() {
        let of = |wants: &[u64]| parts(100, wants, Rest::Left, 0);
        assert_eq!(of(&[100]), [100]);
        assert_eq!(of(&[10, 100, 100]), [10, 45, 45]);
        assert_eq!(of(&[10, 20, 30]), [10, 20, 30]);
        assert_eq!(of(&[0, 200, 0]), [0, 100, 0]);
        assert_eq!(of(&[0, 0]), [0, 0]);
    }

    #[test]
    fn what_nobody_wants_is_divided_among_those_who_want_something() {
        assert_eq!(parts(100, &[10, 20, 0], Rest::Divided, 0), [45, 55, 0]);
        assert_eq!(parts(100, &[1], Rest::Divided, 0), [100]);
        assert_eq!(parts(100, &[0, 0], Rest::Divided, 0), [0, 0]);
    }

    #[test]
    fn single_units_go_round() {
        let turns: Vec<_> = (0..3)
            .map(|turn| parts(1, &[5, 5, 5], Rest::Divided, turn))
            .collect();
        assert_eq!(turns, [[1, 0, 0], [0, 0, 1], [0, 1, 0]]);
    }

    #[test]
    fn parts_never_sum_to_more_and_nothing_that_is_wanted_is_left() {
        for total in 0..60 {
            for a in 0..12 {
                for b in [0, 1, 7, 20, 50] {
                    for turn in 0..3 {
                        let wants = [a, b, 9, a];
                        let sum: u64 = parts(total, &wants, Rest::Left, turn).iter().sum();
                        assert_eq!(sum, total.min(wants.iter().sum()), "{total} of {wants:?}");
                        let all: u64 = parts(total, &wants, Rest::Divided, turn).iter().sum();
                        assert_eq!(all, total, "{total} of {wants:?}");
                    }
                }
            }
        }
    }
}
