/**
 * A disk for one thread that is none: when the thread is terminated, what it does stops where it is. Calls under way end, as
 * system calls do, but nobody hears of it; what is asked for later never happens; open files are closed, as Node closes those
 * of a worker.
 */
import type { Disk, DiskFile } from '../../src/journal/disk.ts';

type Method = (...args: unknown[]) => unknown;

export class MortalDisk {
  readonly disk: Disk;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #open = new Set<DiskFile>();
  #dead = false;

  constructor(disk: Disk) {
    this.disk = this.#guard(disk);
  }

  /** Resolves when nothing is under way any more. */
  async die(): Promise<void> {
    this.#dead = true;
    await Promise.allSettled(this.#underWay);
    for (const file of this.#open) await file.close();
    this.#open.clear();
  }

  #guard<T extends Disk | DiskFile>(target: T): T {
    return new Proxy(target, {
      get: (_, key) => {
        const member: unknown = Reflect.get(target, key, target);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => this.#call(target, key, member as Method, args);
      },
    });
  }

  #call(target: Disk | DiskFile, key: string | symbol, method: Method, args: unknown[]): unknown {
    if (this.#dead) return new Promise(() => {});
    const answer = method.apply(target, args);
    if (!(answer instanceof Promise)) return answer;
    const heard = answer.then((value: unknown) => this.#answered(target, key, value));
    this.#underWay.add(heard);
    const forget = (): boolean => this.#underWay.delete(heard);
    heard.then(forget, forget);
    return heard.then(
      (value) => (this.#dead ? new Promise(() => {}) : value),
      (error: unknown) => (this.#dead ? new Promise(() => {}) : Promise.reject(error)),
    );
  }

  #answered(target: Disk | DiskFile, key: string | symbol, value: unknown): unknown {
    if (key === 'close') this.#open.delete(target as DiskFile);
    if (key !== 'open') return value;
    this.#open.add(value as DiskFile);
    return this.#guard(value as DiskFile);
  }
}
