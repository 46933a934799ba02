//! Looking at what NATS keeps, and losing it.

use futures::TryStreamExt as _;

/// Deletes every stream whose name begins with `prefix`, as an operator's mistake or a lost disk would, and tells how many
/// there were.
pub async fn delete_streams(url: &str, prefix: &str) -> anyhow::Result<usize> {
    let jetstream = async_nats::jetstream::new(async_nats::connect(url).await?);
    let names: Vec<String> = jetstream.stream_names().try_collect().await?;
    let wanted: Vec<&String> =
        names.iter().filter(|name| name.to_lowercase().starts_with(&prefix.to_lowercase())).collect();
    for name in &wanted {
        jetstream.delete_stream(name.as_str()).await?;
    }
    Ok(wanted.len())
}

/// The event IDs (`ce-id`) in the stream that `prefix` and `name` call, in the order they were published: one for each message.
pub async fn event_ids(url: &str, prefix: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let jetstream = async_nats::jetstream::new(async_nats::connect(url).await?);
    let names: Vec<String> = jetstream.stream_names().try_collect().await?;
    let wanted = |known: &&String| {
        known.to_lowercase().starts_with(&prefix.to_lowercase()) && known.ends_with(&format!("_{name}"))
    };
    let name = names.iter().find(wanted).ok_or_else(|| anyhow::anyhow!("no stream {name} of {prefix}"))?;
    let mut stream = jetstream.get_stream(name).await?;
    let state = stream.info().await?.state.clone();
    let mut ids = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await?;
        ids.push(message.headers.get("ce-id").map(ToString::to_string).unwrap_or_default());
    }
    Ok(ids)
}
