// The timer peer with the other well-known job queue on Postgres: pg-boss, eight loops that fetch 500 jobs and complete them, which
// is faster than its own polling.
import PgBoss from 'pg-boss';
import { isOver, keep, ran, tell } from './timers.mjs';

const QUEUE = 'fire';
const LOOPS = 8;
const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 20, supervise: false, schedule: false });
boss.on('error', (problem) => console.error(problem.message));
await boss.start();
await boss.createQueue(QUEUE);
await keep((pack) => boss.insert(pack.map((due) => ({ name: QUEUE, data: { due: due.getTime() }, startAfter: due }))));

const loops = Array.from({ length: LOOPS }, async () => {
  while (!isOver()) {
    const jobs = await boss.fetch(QUEUE, { batchSize: 500 });
    if (!jobs.length) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      continue;
    }
    for (const { data } of jobs) ran(data.due);
    await boss.complete(
      QUEUE,
      jobs.map(({ id }) => id),
    );
  }
});
await tell(async () => {
  await Promise.all(loops);
  return true;
});
await boss.stop({ graceful: false });
process.exit(0);
