/** What this process serves, and whether it may take requests. */
import type { Capabilities, GenerateRequest, Load, ServedModel } from '#contract/worker.ts';
import type { Engine } from '#engine/types.ts';
import { Refusal } from './refusal.ts';
import type { Scheduler } from './scheduler/types.ts';

export interface Serving {
  engine: Engine;
  scheduler: Scheduler;
}

export interface WorkerIdentity {
  id: string;
  engine: Engine['kind'];
  /** The model it is loading or serving. */
  model: Omit<ServedModel, 'state'>;
}

const IDLE: Load = { running: 0, queued: 0, kvShare: 0, tokensPerSecond: 0 };

export class Worker {
  readonly identity: WorkerIdentity;
  #state: ServedModel['state'] = 'loading';
  #serving: Serving | undefined;
  /** Share of the model that is loaded, 0 to 1. */
  loaded = 0;

  constructor(identity: WorkerIdentity) {
    this.identity = identity;
  }

  get state(): ServedModel['state'] {
    return this.#state;
  }

  get models(): ServedModel[] {
    return [{ ...this.identity.model, state: this.#state }];
  }

  get load(): Load {
    if (this.#serving === undefined) return IDLE;
    const { running, queued, usedCells, cells, tokensPerSecond } = this.#serving.scheduler.load;
    return { running, queued, kvShare: usedCells / cells, tokensPerSecond };
  }

  get capabilities(): Capabilities {
    const { id, engine } = this.identity;
    return { worker: id, engine, models: this.models, load: this.load };
  }

  serve(serving: Serving): void {
    this.#serving = serving;
    this.#state = 'ready';
  }

  refuseNewRequests(): void {
    this.#state = 'draining';
  }

  /**
   * What runs this request.
   *
   * @throws Refusal `loading`, `draining`, `wrong_version` or `unsupported`
   */
  admit(request: GenerateRequest): Serving {
    const { model, version, kinds } = this.identity.model;
    if (request.model !== model || request.version !== version) {
      const asked = `${request.model} in version ${request.version}`;
      throw new Refusal('wrong_version', `This worker serves ${model} in version ${version}, not ${asked}.`);
    }
    if (this.#state === 'draining') throw new Refusal('draining', 'This worker is shutting down.');
    if (this.#serving === undefined) throw new Refusal('loading', `The model ${model} is still loading.`);
    if (!kinds.includes(request.kind)) throw new Refusal('unsupported', `The model ${model} cannot generate text.`);
    if (request.adapter !== null) throw new Refusal('unsupported', `The model ${model} has no adapters here.`);
    return this.#serving;
  }
}
