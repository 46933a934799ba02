//! Losing what NATS keeps.

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
