/** `/v1/transactions`: list, describe and abort, for operators. Producers speak Kafka's protocol. */
import type { FastifyInstance } from 'fastify';
import { type ErrorCode, MillraceError } from '../../../base/errors.ts';
import type { TransactionDescription, TransactionListing } from '../../../broker/transactions/api.ts';
import type { HttpContext } from '../context.ts';
import { cursorName, pageOf } from '../paging.ts';
import {
  ListTransactionsQuery,
  type TransactionList,
  TransactionParams,
  type TransactionView,
} from '../transaction-schemas.ts';

const TRANSACTIONS_PATH = '/v1/transactions';
const DEFAULT_PAGE = 100;

export function transactionRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  const { transactions } = broker;

  app.get<{ Querystring: ListTransactionsQuery }>(
    TRANSACTIONS_PATH,
    { schema: { querystring: ListTransactionsQuery } },
    (request, reply) => reply.send(listTransactions(transactions.list(), request.query)),
  );

  app.get<{ Params: TransactionParams }>(
    `${TRANSACTIONS_PATH}/:id`,
    { schema: { params: TransactionParams } },
    (request, reply) => {
      const found = transactions.describe(request.params.id);
      if (found === undefined) throw refusal('BROKER_TRANSACTION_NOT_FOUND', request.params.id);
      return reply.send(viewOf(found));
    },
  );

  app.post<{ Params: TransactionParams }>(
    `${TRANSACTIONS_PATH}/:id/abort`,
    { schema: { params: TransactionParams } },
    async (request, reply) => {
      const { id } = request.params;
      const error = await transactions.abort(id);
      const found = transactions.describe(id);
      if (error !== undefined || found === undefined) throw refusal(error ?? 'BROKER_TRANSACTION_NOT_FOUND', id);
      return reply.send(viewOf(found));
    },
  );
}

function listTransactions(listed: readonly TransactionListing[], query: ListTransactionsQuery): TransactionList {
  const limit = query.limit ?? DEFAULT_PAGE;
  const byId = new Map(listed.map((each) => [each.transactionalId, each]));
  const { names, nextCursor } = pageOf(matching(byId.values(), query), limit);
  return {
    transactions: names.map((id) => summaryOf(byId.get(id) as TransactionListing)),
    nextCursor,
  };
}

function* matching(listed: Iterable<TransactionListing>, query: ListTransactionsQuery): Iterable<string> {
  const { prefix = '', state, cursor } = query;
  const after = cursor === undefined ? undefined : cursorName(cursor);
  for (const { transactionalId: id, phase } of listed) {
    const isIn = id.startsWith(prefix) && (state === undefined || state === phase);
    if (isIn && (after === undefined || id > after)) yield id;
  }
}

function summaryOf({ transactionalId, phase, producerId, startedAt }: TransactionListing) {
  return { transactionalId, state: phase, producerId, startedAt: startedAt < 0 ? null : startedAt };
}

function viewOf(found: TransactionDescription): TransactionView {
  const { producerEpoch, timeoutMs } = found;
  const topics = found.topics.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] }));
  return { ...summaryOf(found), producerEpoch, timeoutMs, topics };
}

/** The coordinator answers codes only; people read sentences. */
const WORDS: Readonly<Partial<Record<ErrorCode, (id: string) => string>>> = {
  BROKER_TRANSACTION_NOT_FOUND: (id) =>
    `There is no transactional id ${id}. GET ${TRANSACTIONS_PATH} lists those that are.`,
  BROKER_TRANSACTION_STATE_INVALID: (id) => `No transaction of ${id} is open, so there is nothing to abort.`,
  BROKER_COORDINATOR_UNAVAILABLE: (id) =>
    `The transaction of ${id} cannot be aborted at the moment. Try again; whether it was aborted may be unknown.`,
};

function refusal(code: ErrorCode, transactionalId: string): MillraceError {
  const id = JSON.stringify(transactionalId.slice(0, 200));
  return new MillraceError(code, WORDS[code]?.(id) ?? `The transaction of ${id} cannot be changed so: ${code}.`, {
    details: { transactionalId: transactionalId.slice(0, 1_000) },
  });
}
