// What both timer peers share: jobs that are due at one instant or one after the other, how late each ran, and the lines that
// tell the harness how far it is.
//
//   DATABASE_URL=…  COUNT=200000  EVERY_US=0  AHEAD_SECONDS=30  node timers-graphile.mjs
//
// Prints a JSON line when it is ready, waits for a line on standard input, keeps COUNT jobs: the first is due AHEAD_SECONDS from then,
// each other one EVERY_US microseconds behind the one before. Prints another when all are kept, waits for a line, works, and prints
// the last when all are done.
import { once } from 'node:events';

const { COUNT, EVERY_US, AHEAD_SECONDS } = process.env;
export const count = Number(COUNT);
const late = [];
let first;
let finished;
const all = new Promise((resolve) => (finished = resolve));

/** The moment of the n-th job. */
const dueOf = (n) => new Date(first + Math.floor((n * Number(EVERY_US)) / 1000));

/** Keeps all jobs, in thousands, once the harness has begun to count, and waits until it has them run. */
export async function keep(insert) {
  console.log(JSON.stringify({ ready: true }));
  await once(process.stdin, 'data');
  first = Date.now() + Number(AHEAD_SECONDS) * 1000;
  const begun = performance.now();
  for (let from = 0; from < count; from += 1000) {
    const pack = Array.from({ length: Math.min(1000, count - from) }, (_, n) => dueOf(from + n));
    await insert(pack);
  }
  console.log(JSON.stringify({ count, seconds: (performance.now() - begun) / 1000, left: (first - Date.now()) / 1000 }));
  await once(process.stdin, 'data');
}

/** Notes that the job that was due then runs now. */
export function ran(due) {
  late.push(Date.now() - due);
  if (late.length >= count) finished();
}

/** Whether every job has run. */
export const isOver = () => late.length >= count;

/** Waits until every job has run and `isDone` finds none left, and tells how long that took and how late they were. */
export async function tell(isDone) {
  await all;
  while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 5));
  const seconds = (Date.now() - first) / 1000;
  late.sort((one, other) => one - other);
  const at = (share) => late[Math.min(late.length - 1, Math.floor(late.length * share))];
  console.log(
    JSON.stringify({ count: late.length, seconds, early: late.filter((ms) => ms < 0).length, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) }),
  );
}
