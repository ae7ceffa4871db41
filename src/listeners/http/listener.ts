/**
 * The HTTP listener: fastify with our limits, errors and routes. docs/protocol.md says what it serves.
 *
 * ```
 *  socket ─► node's parser ─► plain POST? ─► body ─► broker                                           (plain-posts)
 *                │ not HTTP         │ no                                        any refusal ─► problem+json
 *                └─► refuseSocket   └─► rewriteUrl (topic names) ─► onRequest (limits, CORS) ─► body ─► schema ─► route ─► broker
 * ```
 */
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { XSchema } from 'typebox/schema';
import type { Clock, Timer } from '../../base/clock.ts';
import type { ConnectedClient } from '../../base/connected-client.ts';
import { MillraceError } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/logger.ts';
import type { Broker } from '../../broker/broker.ts';
import { parseJsonBodies, parseRecordBodies } from './body-parsers.ts';
import { ByteBudget } from './byte-budget.ts';
import { ConnectionOrder } from './connection-order.ts';
import type { HttpContext, MetricsSource } from './context.ts';
import { applyCors } from './cors.ts';
import { HttpCounters } from './counters.ts';
import { MethodTable } from './method-table.ts';
import type { RouteFacts } from './openapi/document.ts';
import { PlainPosts } from './plain-posts/plain-posts.ts';
import { fromForeign, logDefect, problemHeaders, problemOf, refuseSocket } from './problem.ts';
import { pushSender } from './push/push-sender.ts';
import { holdBack } from './quota.ts';
import { ReadingRoom } from './reading.ts';
import { RECORD_MEDIA_TYPES } from './record-media.ts';
import { apiPageRoutes } from './routes/api-page.ts';
import { backupRoutes } from './routes/backup.ts';
import { clientRoutes } from './routes/clients.ts';
import { commitRoutes } from './routes/commit.ts';
import { groupOffsetRoutes } from './routes/group-offsets.ts';
import { groupRoutes } from './routes/groups.ts';
import { healthRoutes, WATCH_PATHS } from './routes/health.ts';
import { lineageRoutes } from './routes/lineage.ts';
import { openApiRoutes } from './routes/openapi.ts';
import { produceRoutes } from './routes/produce.ts';
import { pushRoutes } from './routes/pushes.ts';
import { quotaRoutes } from './routes/quotas.ts';
import { readRoutes } from './routes/read.ts';
import { statsRoutes } from './routes/stats.ts';
import { subscribeRoutes } from './routes/subscribe.ts';
import { topicConfigRoutes } from './routes/topic-config.ts';
import { topicRoutes } from './routes/topics.ts';
import { transactionRoutes } from './routes/transactions.ts';
import { HTTP_DEFAULTS, type HttpSettings } from './settings.ts';
import { streamRoutes } from './streams/routes.ts';
import { webhookSender } from './streams/webhook-sender.ts';
import { foldTopicPath } from './topic-path.ts';
import { compileValidator, isValidatorLoaded, loadValidator, type RequestPart } from './validator.ts';

export interface HttpListenerOptions {
  readonly broker: Broker;
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly settings?: Partial<HttpSettings>;
  /** Made by the composition root when the metrics read them; else the listener makes its own. */
  readonly counters?: HttpCounters;
  /** What `/metrics` answers; without it, 404. */
  readonly metrics?: MetricsSource;
  /** Clients of other listeners, for `GET /v1/clients`. */
  readonly otherClients?: () => Iterable<ConnectedClient>;
  /** Of Millrace, for the OpenAPI document. */
  readonly version?: string | undefined;
}

export interface StopOptions {
  /** Connections that are still open after so long are cut. */
  readonly deadlineMs: number;
}

interface ListenerState {
  stopping: boolean;
  validatorTimer: Timer | undefined;
  /** Ends the calls that this listener makes to others. */
  readonly abort: AbortController;
}

/** Served by another listener on this port, as an upgrade. */
const WEB_SOCKET_ROUTE: RouteFacts = { method: 'GET', url: '/v1/ws', schema: undefined };

const DEFAULT_STOP_MS = 10_000;
const VALIDATOR_LOAD_DELAY_MS = 500;
/** We set our own; fastify would load its two first, 40 ms that a start need not spend. */
const NO_COMPILERS = { buildValidator: () => notSet, buildSerializer: () => notSet };
/** How often node looks for connections that were too slow; its default of 30 s would stretch every timeout by that. */
const TIMEOUT_CHECK_MS = 1_000;

export class HttpListener {
  readonly address: { readonly host: string; readonly port: number };
  readonly counters: HttpCounters;
  /** What its routes share, for protocols that live on the same port. */
  readonly context: HttpContext;
  readonly #app: FastifyInstance;
  readonly #clock: Clock;
  readonly #state: ListenerState;
  #stopped: Promise<void> | undefined;

  /** Listens when it resolves. @throws what node gives for an address that cannot be listened on (EADDRINUSE...). */
  static async start(options: HttpListenerOptions): Promise<HttpListener> {
    const state: ListenerState = { stopping: false, validatorTimer: undefined, abort: new AbortController() };
    const settings: HttpSettings = { ...HTTP_DEFAULTS, ...options.settings };
    const counters = options.counters ?? new HttpCounters();
    const context: HttpContext = {
      broker: options.broker,
      settings,
      counters,
      logger: options.logger ?? silentLogger,
      metrics: options.metrics,
      room: new ReadingRoom(options.broker, settings, counters),
      bodies: new ByteBudget(settings.maxBodiesBytes),
      isStopping: () => state.stopping,
      order: new ConnectionOrder(),
    };
    counters.bodies = context.bodies;
    counters.answers = context.room.budget;
    const newRequestId = requestIds(context.broker.clock.now());
    const app = createApp(context, options, newRequestId);
    new PlainPosts(context, newRequestId).attach(app.server);
    limitServer(app.server, context);
    try {
      await app.listen({ host: options.host, port: options.port });
    } catch (error) {
      await app.close();
      throw error;
    }
    // After whoever waits has heard that the broker is ready; a request that needs it earlier loads it itself.
    const load = (): void =>
      void loadValidator().catch((error: unknown) =>
        context.logger.error(`The validator cannot be loaded: ${String(error)}`),
      );
    state.validatorTimer = options.broker.clock.schedule(VALIDATOR_LOAD_DELAY_MS, load);
    options.broker.subscriptions.attach(webhookSender(options.broker.clock, state.abort.signal));
    options.broker.pushes.attach(pushSender(context, { signal: state.abort.signal }));
    return new HttpListener(app, context, options.clock ?? options.broker.clock, state);
  }

  private constructor(app: FastifyInstance, context: HttpContext, clock: Clock, state: ListenerState) {
    const { address, port } = app.server.address() as AddressInfo;
    this.address = { host: address, port };
    this.counters = context.counters;
    this.#app = app;
    this.context = context;
    this.#clock = clock;
    this.#state = state;
  }

  /** For upgrades. */
  get server(): Server {
    return this.#app.server;
  }

  /**
   * Takes no new connections, ends long polls and follows, lets running requests finish, then closes. Safe to call twice.
   */
  stop({ deadlineMs = DEFAULT_STOP_MS }: Partial<StopOptions> = {}): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#state.stopping = true;
    this.#state.validatorTimer?.cancel();
    this.context.room.stop();
    this.context.broker.subscriptions.attach(undefined);
    this.context.broker.pushes.attach(undefined);
    this.#state.abort.abort();
    const timer = this.#clock.schedule(deadlineMs, () => this.#app.server.closeAllConnections());
    try {
      await this.#app.close();
    } finally {
      timer.cancel();
    }
  }
}

function createApp(context: HttpContext, options: HttpListenerOptions, newRequestId: () => string): FastifyInstance {
  const { settings } = context;
  const { version = '0.0.0', otherClients = () => [] } = options;
  const app = fastify({
    logger: false,
    bodyLimit: settings.maxBodyBytes,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: settings.keepAliveTimeoutMs,
    return503OnClosing: false,
    routerOptions: { maxParamLength: settings.maxUrlBytes },
    rewriteUrl: (request) => foldTopicPath(request.url ?? '/'),
    genReqId: newRequestId,
    clientErrorHandler: refuseSocket,
    frameworkErrors: (error, request, reply) => sendProblem(context, error, request, reply),
    schemaController: { compilersFactory: NO_COMPILERS },
    http: {
      // One byte more than both, so that what passes here is judged by our own limits, with a better answer.
      maxHeaderSize: settings.maxHeaderBytes + settings.maxUrlBytes,
      headersTimeout: settings.headersTimeoutMs,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      keepAliveTimeoutBuffer: 0,
    },
  });
  // Set for every request before anything else happens to it.
  app.decorateRequest('held');
  app.setValidatorCompiler(({ schema, httpPart }) => compileValidator(schema as XSchema, httpPart as RequestPart));
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler((error, request, reply) => sendProblem(context, error, request, reply));
  const methods = new MethodTable();
  const routes: RouteFacts[] = [WEB_SOCKET_ROUTE];
  app.addHook('onRoute', ({ method, url, schema }) => {
    methods.add(method, url);
    // HEAD follows from GET, but where a route is made for it.
    for (const each of typeof method === 'string' ? [method] : method) routes.push({ method: each, url, schema });
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(context, methods.refusal(request.method, pathOf(request)), request, reply),
  );
  addHooks(app, context);
  holdBack(app, context.broker);
  app.register(async (scope) => {
    parseJsonBodies(scope, context);
    healthRoutes(scope, context);
    openApiRoutes(scope, routes, version);
    apiPageRoutes(scope);
    statsRoutes(scope, context, version);
    clientRoutes(scope, context, otherClients);
    topicRoutes(scope, context);
    topicConfigRoutes(scope, context);
    groupRoutes(scope, context);
    groupOffsetRoutes(scope, context);
    transactionRoutes(scope, context);
    quotaRoutes(scope, context);
    pushRoutes(scope, context);
  });
  app.register(async (scope) => {
    parseRecordBodies(scope, context, RECORD_MEDIA_TYPES, context.broker.pool);
    produceRoutes(scope, context);
    readRoutes(scope, context);
    subscribeRoutes(scope, context);
    lineageRoutes(scope, context);
  });
  app.register(async (scope) => {
    parseRecordBodies(scope, context, ['application/json'], context.broker.pool);
    commitRoutes(scope, context);
    backupRoutes(scope, context, version);
  });
  app.register(async (scope) => {
    streamRoutes(scope, context);
  });
  return app;
}

function notSet(): never {
  throw new Error('createApp sets the compilers before there are routes');
}

function limitServer(server: Server, { settings, counters, broker }: HttpContext): void {
  server.maxConnections = settings.maxConnections;
  // Node drops what is beyond the count silently; one more makes the excess visible to `checkRequest`.
  server.maxHeadersCount = settings.maxHeaderCount + 1;
  server.on('connection', (socket: Socket) => counters.connected(socket, broker.clock.now()));
  server.on('drop', () => {
    counters.connectionsRefused += 1;
  });
}

/** With callbacks: a promise for each hook of each request would be a tenth of a small one. What they throw is answered. */
function addHooks(app: FastifyInstance, context: HttpContext): void {
  const { counters, settings } = context;
  app.addHook('onRequest', (request, reply, done) => {
    counters.sockets.get(request.raw.socket)?.requested(request.raw);
    watchEnd(context, request, reply.raw);
    reply.header('millrace-request-id', request.id);
    checkRequest(request, context);
    if (applyCors(settings.corsOrigins, request, reply)) reply.code(204).send();
    else done();
  });
  app.addHook('preValidation', ({ routeOptions }, _reply, done) => {
    if (isValidatorLoaded() || routeOptions.schema === undefined) done();
    else void loadFirst(done);
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (context.isStopping()) reply.header('connection', 'close');
    done();
  });
}

async function loadFirst(done: (error?: Error) => void): Promise<void> {
  try {
    await loadValidator();
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}

/** What waits for the end keeps neither request nor reply: an answer that does not end would hold both. */
function watchEnd({ counters, bodies }: HttpContext, request: FastifyRequest, response: ServerResponse): void {
  const { method } = request;
  const route = request.routeOptions.url ?? 'unknown';
  const held = { heldBytes: 0 };
  request.held = held;
  counters.inFlight += 1;
  // It closes once; `once` would make three objects more.
  response.on('close', () => {
    counters.inFlight -= 1;
    bodies.give(held.heldBytes);
    held.heldBytes = 0;
    counters.answered(method, route, response.statusCode);
  });
}

function checkRequest(request: FastifyRequest, context: HttpContext): void {
  const { settings } = context;
  const url = request.originalUrl;
  if (context.isStopping() && !WATCH_PATHS.has(pathOf(request))) {
    throw new MillraceError('HTTP_STOPPING', 'The broker is stopping. Connect again when it is back.');
  }
  if (url.length > settings.maxUrlBytes) {
    throw new MillraceError(
      'HTTP_URL_TOO_LONG',
      `Path and query have ${url.length} bytes; the limit is ${settings.maxUrlBytes}.`,
      {
        details: { sizeBytes: url.length, maxBytes: settings.maxUrlBytes },
      },
    );
  }
  if (request.raw.rawHeaders.length / 2 > settings.maxHeaderCount) {
    throw new MillraceError('HTTP_HEADERS_TOO_LARGE', `A request takes ${settings.maxHeaderCount} headers at most.`, {
      details: { maxHeaders: settings.maxHeaderCount },
    });
  }
}

function sendProblem(context: HttpContext, thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = fromForeign(thrown);
  const problem = problemOf(error, pathOf(request));
  if (problem.status === 500) logDefect(context.logger, error, { request: request.id, path: problem.instance ?? '' });
  const allow = error.details['allow'];
  if (problem.status === 405 && typeof allow === 'string') reply.header('allow', allow);
  reply.code(problem.status).headers(problemHeaders(problem)).send(JSON.stringify(problem));
}

/** As the client wrote it, without the query. */
function pathOf(request: FastifyRequest): string {
  const url = request.originalUrl;
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

/** Unique in a process and, by its start, very probably between two. */
function requestIds(startedAt: number): () => string {
  const prefix = startedAt.toString(36);
  let next = 0;
  return () => `${prefix}-${(next++).toString(36)}`;
}
