//! Streams that were made with other settings than they should have: by an earlier version, by other settings, by hand.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, StorageType};
use bus::stream::Stream;
use bus::{Bus, BusConfig};
use chassis::{Host, HostConfig};
use testkit::eventually;
use testkit::nats::Cluster;

use crate::world::SOON;

const WEEK: Duration = Duration::from_hours(7 * 24);

/// A place on a server, and one process there.
struct Place {
    jetstream: jetstream::Context,
    prefix: String,
    host: Host,
}

impl Place {
    async fn new(url: &str) -> Self {
        let jetstream = jetstream::new(async_nats::connect(url).await.unwrap());
        let host = Host::start("bus-test", HostConfig::loopback()).unwrap();
        Self { jetstream, prefix: testkit::nats::prefix(), host }
    }

    fn name(&self, stream: Stream) -> String {
        format!("{}_{}", self.prefix, stream.name())
    }

    /// Makes a stream as somebody else would have.
    async fn make(&self, stream: Stream, change: impl FnOnce(&mut Config)) {
        let mut config = Config {
            name: self.name(stream),
            subjects: vec![format!("{}.{}", self.prefix, stream.subjects())],
            max_age: WEEK,
            max_bytes: -1,
            discard: DiscardPolicy::New,
            duplicate_window: Duration::from_mins(2),
            num_replicas: 1,
            ..Config::default()
        };
        change(&mut config);
        self.jetstream.create_stream(config).await.unwrap();
    }

    async fn bus(&self, url: &str, replicas: usize, max_bytes: Option<u64>) -> Bus {
        let config = BusConfig {
            prefix: Some(self.prefix.clone()),
            replicas,
            stream_max_bytes: max_bytes,
            ..BusConfig::at(url)
        };
        let bus = Bus::connect(&config, &self.host).await.unwrap();
        tokio::time::timeout(SOON, self.host.readiness().ready()).await.unwrap();
        bus
    }

    async fn config(&self, stream: Stream) -> Config {
        self.jetstream.get_stream(self.name(stream)).await.unwrap().cached_info().config.clone()
    }

    /// Waits until the process tells exactly these of `stream` as different: setting and value.
    async fn tells(&self, stream: Stream, wanted: &[(&str, u8)]) {
        let url = format!("http://{}/metrics", self.host.admin_addr());
        let mut lines: Vec<String> = wanted
            .iter()
            .map(|(setting, value)| {
                format!("tsunagi_bus_stream_differs{{stream=\"{}\",setting=\"{setting}\"}} {value}", stream.name())
            })
            .collect();
        lines.sort();
        let begin = format!("tsunagi_bus_stream_differs{{stream=\"{}\"", stream.name());
        eventually(SOON, async || {
            let text = reqwest::get(&url).await.map_err(|error| error.to_string())?.text().await.unwrap();
            let mut told: Vec<&str> = text.lines().filter(|line| line.starts_with(&begin)).collect();
            told.sort_unstable();
            if told == lines { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_otherwise_is_brought_to_its_settings_and_what_cannot_change_is_told() {
    let url = testkit::nats::url();
    let place = Place::new(&url).await;
    place
        .make(Stream::Identity, |config| {
            config.subjects = vec![format!("{}.identity.v0.>", place.prefix)];
            config.max_age = Duration::from_hours(1);
            config.max_bytes = 1 << 20;
            config.discard = DiscardPolicy::Old;
            config.duplicate_window = Duration::from_secs(10);
            config.storage = StorageType::Memory;
        })
        .await;
    let bus = place.bus(&url, 1, Some(1 << 22)).await;
    bus.observe(Stream::Identity).await.unwrap();
    let now = place.config(Stream::Identity).await;
    assert_eq!(now.subjects, [format!("{}.identity.v1.>", place.prefix)]);
    assert_eq!((now.max_age, now.max_bytes, now.discard), (WEEK, 1 << 22, DiscardPolicy::New));
    assert_eq!(now.duplicate_window, Duration::from_mins(2));
    // The server changes neither where a stream lies nor whether it may forget.
    assert_eq!((now.storage, now.persist_mode.unwrap_or_default()), (StorageType::Memory, PersistenceMode::Default));
    let changed = ["subjects", "max_age", "max_bytes", "discard", "duplicate_window"].map(|setting| (setting, 0));
    place.tells(Stream::Identity, &[&changed[..], &[("storage", 1), ("persist_mode", 1)]].concat()).await;
    // What somebody changes while the process lives is told, and left to them.
    let two_hours = Duration::from_hours(2);
    place.jetstream.update_stream(&Config { max_age: two_hours, ..now }).await.unwrap();
    bus.observe(Stream::Identity).await.unwrap();
    assert_eq!(place.config(Stream::Identity).await.max_age, two_hours);
    let kept = [("subjects", 0), ("max_bytes", 0), ("discard", 0), ("duplicate_window", 0)];
    place.tells(Stream::Identity, &[&kept[..], &[("max_age", 1), ("storage", 1), ("persist_mode", 1)]].concat()).await;
    // What is as it should be is not spoken of.
    bus.observe(Stream::Messaging).await.unwrap();
    place.tells(Stream::Messaging, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spill_is_never_made_to_keep_less() {
    let url = testkit::nats::url();
    let place = Place::new(&url).await;
    place
        .make(Stream::IngestSpill, |config| {
            config.max_age = 4 * WEEK;
            config.duplicate_window = Duration::from_secs(10);
        })
        .await;
    let bus = place.bus(&url, 1, Some(1 << 20)).await;
    bus::spill::spawn(&place.host, &bus, |_| async { Ok(()) });
    place.tells(Stream::IngestSpill, &[("max_age", 1), ("max_bytes", 1), ("duplicate_window", 0)]).await;
    let now = place.config(Stream::IngestSpill).await;
    assert_eq!((now.max_age, now.max_bytes, now.duplicate_window), (4 * WEEK, -1, Duration::from_mins(2)));
    place.host.stop();
    place.host.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_a_lone_copy_may_not_forget_and_becomes_three() {
    let cluster = Cluster::start().await.unwrap();
    let place = Place::new(&cluster.url()).await;
    let alone = place.bus(&cluster.url(), 1, None).await;
    for stream in Stream::ALL {
        alone.observe(stream).await.unwrap();
        let made = place.config(stream).await;
        assert_eq!(
            (made.num_replicas, made.persist_mode.unwrap_or_default()),
            (1, PersistenceMode::Default),
            "{stream}"
        );
    }
    let config = BusConfig { prefix: Some(place.prefix.clone()), replicas: 3, ..BusConfig::at(cluster.url()) };
    let together = Bus::connect(&config, &place.host).await.unwrap();
    for stream in Stream::ALL {
        eventually(SOON, async || together.observe(stream).await).await.unwrap();
        assert_eq!(place.config(stream).await.num_replicas, 3, "{stream}");
    }
}
