import { BodyParts } from '../body-parts.ts';
import { type AppendAnswer, appendToStream } from '../streams/append-stream.ts';
import { STREAM_SAFETY } from '../streams/headers.ts';
import { STREAMS_ROUTE } from '../streams/stream-path.ts';
import type { PlainAppendHead } from './append-head.ts';
import { PlainPost } from './plain-post.ts';

/** An append to a stream. */
export class AppendPost extends PlainPost<PlainAppendHead> {
  protected readonly route = STREAMS_ROUTE;

  protected serve(body: Buffer): void {
    const parts = new BodyParts();
    parts.add(body);
    appendToStream(this.context, this.head.append, parts, this.#answered);
  }

  readonly #answered = (answer: AppendAnswer): void => {
    const headers = [...STREAM_SAFETY, ...answer.headers];
    if ('refusal' in answer) this.refuse(answer.refusal, headers);
    else this.send(answer.status, headers, answer.status === 204 ? undefined : '');
  };
}
