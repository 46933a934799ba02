// The outbox peer: graphile-worker as its authors tune it (local queue, batched completion), each job one push through
// LINE's own SDK with a retry key. Prints a JSON line when it is ready, waits for a line on standard
// input, queues the jobs, prints another, waits for a line, works, and prints the last when all are done.
//
//   DATABASE_URL=…  LINE_URL=…  COUNT=10000  ACCOUNTS_FILE=accounts.json  node queue.mjs
//
// The file holds [{"token":"…","users":["U…"]}].
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { messagingApi } from '@line/bot-sdk';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';

const { DATABASE_URL, LINE_URL, COUNT, ACCOUNTS_FILE } = process.env;
const count = Number(COUNT);
const accounts = JSON.parse(readFileSync(ACCOUNTS_FILE, 'utf8'));
const clients = accounts.map(
  ({ token }) => new messagingApi.MessagingApiClient({ channelAccessToken: token, baseURL: LINE_URL }),
);
const logger = new Logger(() => () => {});
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 4 });
const utils = await makeWorkerUtils({ connectionString: DATABASE_URL, logger });
await utils.migrate();

const jobs = Array.from({ length: count }, (_, n) => {
  const account = n % accounts.length;
  const users = accounts[account].users;
  const to = users[Math.floor(n / accounts.length) % users.length];
  return { identifier: 'push', payload: { account, to, key: randomUUID(), text: `ご予約の確認 ${n} ${'あ'.repeat(60)}` } };
});
console.log(JSON.stringify({ ready: true }));
await once(process.stdin, 'data');
const begun = performance.now();
for (let from = 0; from < count; from += 1000) await utils.addJobs(jobs.slice(from, from + 1000));
console.log(JSON.stringify({ count, seconds: (performance.now() - begun) / 1000 }));
await once(process.stdin, 'data');
const released = performance.now();

const preset = {
  worker: {
    connectionString: DATABASE_URL,
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
};
const taskList = {
  push: ({ account, to, key, text }) => clients[account].pushMessage({ to, messages: [{ type: 'text', text }] }, key),
};
const runner = await run({ preset, taskList, logger });
for (;;) {
  const { rows } = await pool.query('select not exists (select from graphile_worker._private_jobs) as done');
  if (rows[0].done) break;
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log(JSON.stringify({ count, seconds: (performance.now() - released) / 1000 }));
await runner.stop();
await utils.release();
await pool.end();
process.exit(0);
