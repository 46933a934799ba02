//! How many followers LINE counts, asked through the gateway (F-60).

use contracts::messaging::v1 as wire;
use contracts::messaging::v1::FollowerCountStatus as Status;
use line_simulator::{Act, Effect, Fault};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::house::House;
use crate::world::{Tenant, World};

const FOLLOWERS: &str = "GET /v2/bot/insight/followers";

async fn ask(house: &House, tenant: &Tenant, date: &str) -> Result<wire::GetFollowerCountResponse, tonic::Status> {
    let request = wire::GetFollowerCountRequest { account_id: tenant.account.to_string(), date: date.to_owned() };
    Ok(house.gateway(tenant).get_follower_count(request).await?.into_inner())
}

fn refused(status: &tonic::Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

#[tokio::test]
async fn lines_figures_of_a_day_are_told_and_where_there_are_none_nothing_is() {
    let world = World::new("followers").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let channel = &tenant.card.channel_id;
    let friends = world.control.add_friends(channel, 3, true).await.unwrap();
    world.control.act(channel, &friends[0].person, Act::Block).await.unwrap();
    // Blocked today, which is not counted yet.
    let counted = ask(&house, &tenant, "2026-04-01").await.unwrap();
    assert_eq!(counted.status(), Status::Ready);
    assert_eq!(counted.count, Some(wire::FollowerCount { followers: 3, blocks: 0 }));
    for (day, status) in [("2999-01-01", Status::Unready), ("2016-10-31", Status::OutOfService)] {
        let told = ask(&house, &tenant, day).await.unwrap();
        assert_eq!((told.status(), told.count), (status, None), "{day}");
    }
    for day in ["", "20260401", "2026-4-1", "2026-02-30", "yesterday", "+2026-4-1"] {
        let status = ask(&house, &tenant, day).await.unwrap_err();
        let fields = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!((status.code(), fields[0].field.as_str()), (Code::InvalidArgument, "date"), "{day}");
    }
    house.close().await;
}

#[tokio::test]
async fn whatever_line_answers_to_the_question_for_followers_has_a_reason() {
    let world = World::new("followers_faults").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let day = "2026-04-01";
    let refuse = |status, message: &str| Effect::Refuse { status, message: message.to_owned() };
    for (effect, times, wanted) in [
        (Effect::RateLimited, 1, (Code::Unavailable, "LINE_UNAVAILABLE")),
        (Effect::ServerError, 1, (Code::Unavailable, "LINE_UNAVAILABLE")),
        (Effect::CutBefore, 1, (Code::Unavailable, "LINE_UNAVAILABLE")),
        (refuse(400, "An invalid date is specified"), 1, (Code::FailedPrecondition, "LINE_REFUSED")),
        (
            refuse(403, "Access to this API is not available for your account"),
            1,
            (Code::FailedPrecondition, "LINE_REFUSED"),
        ),
        (refuse(401, "Authentication failed"), 2, (Code::FailedPrecondition, "CREDENTIAL_REFUSED")),
    ] {
        let about = format!("{effect:?}");
        world.control.add_fault(&Fault::times(effect, times).at(FOLLOWERS)).await.unwrap();
        let status = ask(&house, &tenant, day).await.unwrap_err();
        assert_eq!(refused(&status), (wanted.0, wanted.1.to_owned()), "{about}");
        world.control.clear_faults().await.unwrap();
    }
    assert_eq!(ask(&house, &tenant, day).await.unwrap().status(), Status::Ready, "all of that has passed");
    house.close().await;
}
