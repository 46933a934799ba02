// The timer peer with a job queue on Postgres: graphile-worker as its authors tune it (local queue, batched completion), looking for
// due jobs ten times a second instead of every two seconds. A job's work is nothing: its completion is what is committed.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { keep, ran, tell } from './timers.mjs';

const { DATABASE_URL } = process.env;
const logger = new Logger(() => () => {});
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 2 });
const utils = await makeWorkerUtils({ connectionString: DATABASE_URL, logger });
await utils.migrate();
await keep((pack) => utils.addJobs(pack.map((runAt) => ({ identifier: 'fire', payload: { due: runAt.getTime() }, runAt }))));

const preset = {
  worker: {
    connectionString: DATABASE_URL,
    concurrentJobs: 24,
    maxPoolSize: 25,
    pollInterval: 100,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
};
const taskList = { fire: ({ due }) => ran(due) };
const runner = await run({ preset, taskList, logger });
await tell(async () => {
  const { rows } = await pool.query('select not exists (select from graphile_worker._private_jobs) as done');
  return rows[0].done;
});
await runner.stop();
await utils.release();
await pool.end();
process.exit(0);
