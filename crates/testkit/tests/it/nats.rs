//! The shared NATS server, and a private one that is killed.

use async_nats::jetstream::{self, stream};

#[tokio::test]
async fn the_shared_server_has_jetstream_and_prefixes_keep_tests_apart() {
    let jetstream = jetstream::new(async_nats::connect(testkit::nats::url()).await.unwrap());
    let (one, other) = (testkit::nats::prefix(), testkit::nats::prefix());
    for prefix in [&one, &other] {
        let config =
            stream::Config { name: prefix.clone(), subjects: vec![format!("{prefix}.>")], ..Default::default() };
        jetstream.create_stream(config).await.unwrap();
    }
    jetstream.publish(format!("{one}.event"), "x".into()).await.unwrap().await.unwrap();
    let messages = |name: String| {
        let jetstream = &jetstream;
        async move { jetstream.get_stream(name).await.unwrap().get_info().await.unwrap().state.messages }
    };
    assert_eq!((messages(one.clone()).await, messages(other.clone()).await), (1, 0));
    for prefix in [one, other] {
        jetstream.delete_stream(prefix).await.unwrap();
    }
}

#[tokio::test]
async fn a_private_server_keeps_its_streams_over_a_kill_and_its_port() {
    let mut server = testkit::nats::Private::start().await.unwrap();
    let url = server.url();
    let config = stream::Config { name: "kept".into(), subjects: vec!["kept.>".into()], ..Default::default() };
    let before = jetstream::new(async_nats::connect(&url).await.unwrap());
    before.create_stream(config).await.unwrap();
    before.publish("kept.one", "x".into()).await.unwrap().await.unwrap();

    server.kill9().await.unwrap();
    async_nats::connect(&url).await.unwrap_err();

    server.start_again().await.unwrap();
    assert_eq!(server.url(), url);
    let after = jetstream::new(async_nats::connect(&url).await.unwrap());
    assert_eq!(after.get_stream("kept").await.unwrap().get_info().await.unwrap().state.messages, 1);
    server.stop().await.unwrap();
    async_nats::connect(&url).await.unwrap_err();
}
