//! L-15 for linking: whatever order and repetition events come in, the same links are there in the end.

use super::stage::{Nonce, Stage, person};

/// Numbers that look random, the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }
}

/// What one person does; each has a customer of his own.
struct Play {
    who: String,
    given: String,
    customer: String,
    events: Vec<(&'static str, String)>,
    is_linked: bool,
}

async fn play(stage: &Stage, number: u32, again: bool) -> Play {
    let (who, given) = (person(number), format!("花子{number}"));
    let mobile = format!("090-1234-{number:04}");
    let customer = stage.customer(("山田", &given), &mobile).await;
    let mut asked: Vec<Nonce> = Vec::new();
    for _ in 0..3 {
        asked.push(stage.ask(&who, ("山田", &given), &mobile).await);
    }
    let mut events = vec![
        stage.confirmed(&who, stage.moment(), &asked[0]),
        stage.failed(&asked[1]),
        stage.tapped(&who, stage.moment(), "unlink:yes"),
    ];
    if again {
        events.push(stage.confirmed(&who, stage.moment(), &asked[2]));
    }
    events.extend(events.clone());
    Play { who, given, customer, events, is_linked: again }
}

#[tokio::test]
async fn any_order_and_repetition_ends_in_the_same_links() {
    let stage = Stage::open("shuffle").await;
    let mut dice = Dice(7);
    let mut plays = Vec::new();
    for number in 1..=12 {
        let mut play = play(&stage, number, number % 2 == 0).await;
        // The first two come in their order.
        if number > 2 {
            dice.shuffle(&mut play.events);
        }
        plays.push(play);
    }
    let longest = plays.iter().map(|play| play.events.len()).max().unwrap();
    for round in 0..longest {
        let due: Vec<_> = plays.iter().filter_map(|play| play.events.get(round).cloned()).collect();
        stage.send(&due).await;
    }
    for play in plays {
        let linked: Vec<String> = stage.linked(&play.who).await.into_iter().map(|(customer, _)| customer).collect();
        let expected = if play.is_linked { vec![play.customer.clone()] } else { vec![] };
        assert_eq!(linked, expected, "{}: {:?}", play.given, play.events);
        assert_eq!(stage.standing(&play.customer).await.linked, play.is_linked);
    }
    assert_eq!(stage.count("identity.customer").await, 12, "nobody was made anew");
    stage.replay().await;
}
