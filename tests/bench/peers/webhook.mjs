// The webhook peer: what a shop would write with LINE's own SDK. Express, the SDK's middleware for the signature and the
// parsing, one JetStream publish an event named by its webhookEventId, and 200 once every publish is acknowledged.
//
//   PORT=…  CHANNEL_SECRET=…  NATS_URL=…  PROCESSES=2  node webhook.mjs
import cluster from 'node:cluster';
import { middleware } from '@line/bot-sdk';
import express from 'express';
import { connect, RetentionPolicy, StorageType } from 'nats';

const { PORT, CHANNEL_SECRET, NATS_URL, PROCESSES = '1' } = process.env;
const STREAM = 'PEER_WEBHOOK';

async function serve() {
  const nats = await connect({ servers: NATS_URL });
  const jetstream = nats.jetstream();
  const encoder = new TextEncoder();
  const app = express();
  app.post('/webhook', middleware({ channelSecret: CHANNEL_SECRET }), async (request, response) => {
    const published = request.body.events.map((event) =>
      jetstream.publish(`peer.webhook.${event.type}`, encoder.encode(JSON.stringify(event)), { msgID: event.webhookEventId }),
    );
    const outcomes = await Promise.allSettled(published);
    response.status(outcomes.every((outcome) => outcome.status === 'fulfilled') ? 200 : 503).end();
  });
  app.listen(Number(PORT), '127.0.0.1');
}

async function makeStream() {
  const nats = await connect({ servers: NATS_URL });
  const manager = await nats.jetstreamManager();
  await manager.streams.delete(STREAM).catch(() => {});
  await manager.streams.add({
    name: STREAM,
    subjects: ['peer.webhook.>'],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
  });
  await nats.close();
}

if (cluster.isPrimary) {
  await makeStream();
  for (let n = 0; n < Number(PROCESSES); n += 1) cluster.fork();
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGKILL');
    process.exit(0);
  });
} else {
  await serve();
}
