/** One request from its admission to its last event, whoever reads it. */
import type { ServerResponse } from 'node:http';
import type { GenerateRequest, WorkerErrorCode } from '#contract/worker.ts';
import { toTokenLogprobs } from '../chat/logprobs.ts';
import { Refusal } from '../refusal.ts';
import type { Job, JobEvent, Scheduler } from '../scheduler/types.ts';
import { EventLog, type UnnumberedEvent } from './event-log.ts';
import { Reader } from './reader.ts';
import { type RequestReport, Tally } from './report.ts';

export interface RequestOptions {
  request: GenerateRequest;
  /** `performance.now()` when the request arrived. */
  arrivedAt: number;
  /** Milliseconds of silence after which readers are sent a ping. */
  pingMs: number;
  /** Bytes that may wait for a slow reader. */
  maxUnreadBytes?: number;
  /** Called once, when the request ends in whatever way. */
  onEnd: (report: RequestReport) => void;
}

type Phase = 'preparing' | 'submitted' | 'accepted' | 'ended';

export class RunningRequest {
  readonly id: string;
  readonly attempt: number;
  readonly #options: RequestOptions;
  readonly #log = new EventLog();
  readonly #readers = new Set<Reader>();
  readonly #tally: Tally;
  /** Settled when the scheduler has taken the job, or not. */
  readonly #admission = Promise.withResolvers<void>();
  #phase: Phase = 'preparing';
  #choicesLeft: number;
  #isCancelled = false;
  #cancelJob: () => void = () => {};
  #ping: NodeJS.Timeout | undefined;

  constructor(options: RequestOptions) {
    const { request, arrivedAt } = options;
    this.id = request.id;
    this.attempt = request.attempt;
    this.#options = options;
    this.#choicesLeft = request.choices;
    this.#tally = new Tally(request, arrivedAt);
  }

  /** It has said something. */
  get hasBegun(): boolean {
    return this.#log.nextSeq > 0;
  }

  get hasEnded(): boolean {
    return this.#phase === 'ended';
  }

  /**
   * Hands the prepared job to the scheduler; resolves once it is accepted.
   *
   * @throws Refusal of the scheduler, or `cancelled` where the client left in the meantime
   */
  async submit(job: Job, scheduler: Scheduler): Promise<void> {
    if (this.#isCancelled) throw new Refusal('cancelled', 'The client left before its request was prepared.');
    this.#tally.submit(job.prompt.length);
    this.#cancelJob = () => scheduler.cancel(job.id);
    this.#phase = 'submitted';
    scheduler.submit(job, (event) => this.#hear(event));
    // A job that is not refused at once is accepted: it may wait for long until its first event.
    setImmediate(() => this.#accept());
    await this.#admission.promise;
  }

  /** Ends a request that could not be prepared or was not accepted. */
  refuse({ code }: Refusal): void {
    if (!this.hasEnded) this.#end(code);
  }

  /** Frees what the request holds, in whatever state it is. */
  cancel(): void {
    this.#isCancelled = true;
    this.#cancelJob();
  }

  /**
   * Sends the events after `seq` (-1: all) to a new reader, past ones at once.
   *
   * @throws Refusal `invalid_request` where some of them are no longer kept, or do not exist yet
   */
  attach(response: ServerResponse, seq: number): void {
    const missed = this.#log.linesAfter(seq);
    if (missed === undefined) {
      throw new Refusal('invalid_request', `The events after ${seq} are no longer kept.`, { status: 410 });
    }
    if (seq >= this.#log.nextSeq) throw new Refusal('invalid_request', `There is no event ${seq} yet.`);
    if (response.destroyed) return;
    const { maxUnreadBytes } = this.#options;
    const reader: Reader = new Reader({
      response,
      onLeave: () => this.#lose(reader),
      ...(maxUnreadBytes === undefined ? {} : { maxUnreadBytes }),
    });
    for (const line of missed) reader.send(line);
    if (this.hasEnded) reader.end();
    else this.#readers.add(reader);
  }

  #hear(event: JobEvent): void {
    if (event.type === 'failed' && this.#phase === 'submitted') {
      this.#end(event.code);
      this.#admission.reject(new Refusal(event.code, event.message));
      return;
    }
    this.#accept();
    switch (event.type) {
      case 'progress':
        this.#say({ type: 'progress', prefilled: event.prefilled, promptTokens: this.#tally.promptTokens });
        break;
      case 'delta':
        this.#sayDelta(event);
        break;
      case 'end':
        this.#endChoice(event);
        break;
      case 'failed':
        this.#say({ type: 'error', code: event.code, message: event.message, retryable: event.retryable });
        this.#end(event.code);
        break;
    }
  }

  #accept(): void {
    if (this.#phase !== 'submitted') return;
    this.#phase = 'accepted';
    this.#ping = setTimeout(() => this.#say({ type: 'ping' }), this.#options.pingMs);
    const { version } = this.#options.request;
    this.#say({ type: 'accepted', promptTokens: this.#tally.promptTokens, cachedTokens: 0, version });
    this.#admission.resolve();
  }

  #sayDelta({ logprobs, ...delta }: Extract<JobEvent, { type: 'delta' }>): void {
    this.#say(logprobs === undefined ? delta : { ...delta, logprobs: toTokenLogprobs(logprobs) });
  }

  #endChoice(event: Extract<JobEvent, { type: 'end' }>): void {
    const { choice, finish, cachedTokens, completionTokens } = event;
    const timings = this.#tally.endChoice(event);
    const usage = { promptTokens: this.#tally.promptTokens, cachedTokens, completionTokens };
    this.#say({ type: 'end', choice, finish, usage, timings });
    this.#choicesLeft -= 1;
    if (this.#choicesLeft === 0) this.#end();
  }

  #say(event: UnnumberedEvent): void {
    this.#ping?.refresh();
    const seq = this.#log.nextSeq;
    const line = this.#log.append(event);
    for (const reader of this.#readers) {
      if (reader.isTooSlow) reader.giveUp(seq);
      else reader.send(line);
    }
  }

  #lose(reader: Reader): void {
    this.#readers.delete(reader);
    const isWanted = this.#options.request.detached || this.#readers.size > 0;
    if (!isWanted && !this.hasEnded) this.cancel();
  }

  #end(error?: WorkerErrorCode): void {
    this.#phase = 'ended';
    clearTimeout(this.#ping);
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this.#options.onEnd(this.#tally.report(error));
  }
}
