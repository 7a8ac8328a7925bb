/** CPU time of processes and of the machine, from Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** USER_HZ, which Linux fixes at 100 for every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

interface CpuReading {
  /** Seconds of all processors that were not idle. */
  busy: number;
  /** Seconds of this process and its descendants. */
  own: number;
  /** Seconds on the wall clock. */
  at: number;
}

function statFields(pid: string): string[] | undefined {
  try {
    // The command's name stands in parentheses and may hold spaces.
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
  } catch {
    // The process ended between the listing and this read.
    return undefined;
  }
}

function ownSeconds(): number {
  const processes = new Map<string, { parent: string; seconds: number }>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const fields = statFields(pid);
    if (!fields) continue;
    processes.set(pid, { parent: fields[1]!, seconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND });
  }
  const self = String(process.pid);
  const isOwn = (pid: string): boolean => pid === self || (processes.has(pid) && isOwn(processes.get(pid)!.parent));
  let seconds = 0;
  for (const [pid, entry] of processes) if (isOwn(pid)) seconds += entry.seconds;
  return seconds;
}

function read(): CpuReading {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return {
    busy: (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND,
    own: ownSeconds(),
    at: performance.now() / 1000,
  };
}

/** What others than this process and its descendants took of the processors while we measured. */
export class ForeignCpu {
  #foreign = 0;
  #capacity = 0;

  /** Counts what others take while `work` runs. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    const start = read();
    const result = await work();
    const end = read();
    this.#capacity += (end.at - start.at) * availableParallelism();
    this.#foreign += Math.max(0, end.busy - start.busy - (end.own - start.own));
    return result;
  }

  /** Of all that could have been taken, 0 to 1. */
  get share(): number {
    return this.#foreign / this.#capacity;
  }
}
