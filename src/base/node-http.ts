/**
 * node:http and node:https, got without an import: an ES import of node:http reads all of its members, and so loads Node's
 * WebSocket and fetch too, 20 to 45 ms that a start need not spend.
 */
import type Http from 'node:http';
import type Https from 'node:https';

export const http: typeof Http = process.getBuiltinModule('node:http');
export const https: typeof Https = process.getBuiltinModule('node:https');
