/**
 * Bare servers in a process of their own: the ceilings that brokers are held against.
 * Arguments: kind (sink, echo or echo-each), read buffer in bytes (0 = Node's default reads). Says `{ port }` when it listens.
 *
 * sink counts what arrives; each message asks for the bytes since the last one and gets `{ bytes, seconds }`.
 * echo answers each frame (int32 size, body) with a Produce v7 answer for topic `echo-0`, partition 0. It looks at size
 * and correlation id and nothing else, stores nothing, and answers all frames of one read in one write;
 * echo-each writes every answer by itself.
 */
import net from 'node:net';

const [kind = 'sink', readBytesText = '0'] = process.argv.slice(2);
const readBytes = Number(readBytesText);

/** Handles what arrived on one socket; the bytes are borrowed. */
type Receive = (bytes: Buffer, end: number) => void;

let received = 0;
let countedAt = performance.now();
const sink: Receive = (_, end) => {
  received += end;
};

const answer = produceAnswer('echo-0');

function echo(socket: net.Socket): Receive {
  let carry: Buffer = Buffer.alloc(0);
  return (bytes, end) => {
    const data = carry.length === 0 ? bytes.subarray(0, end) : Buffer.concat([carry, bytes.subarray(0, end)]);
    let at = 0;
    let count = 0;
    while (data.length - at >= 4 && data.length - at >= 4 + data.readInt32BE(at)) {
      at += 4 + data.readInt32BE(at);
      count += 1;
    }
    if (count > 0 && kind === 'echo') socket.write(answers(data, count));
    if (count > 0 && kind === 'echo-each') writeEach(socket, answers(data, count));
    carry = at === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at));
  };
}

/** One answer per frame, with its correlation id (at 8 in a request frame, at 4 in an answer). */
function answers(frames: Buffer, count: number): Buffer {
  const out = Buffer.allocUnsafe(count * answer.length);
  let at = 0;
  for (let i = 0; i < count; i++) {
    answer.copy(out, i * answer.length);
    frames.copy(out, i * answer.length + 4, at + 8, at + 12);
    at += 4 + frames.readInt32BE(at);
  }
  return out;
}

function writeEach(socket: net.Socket, all: Buffer): void {
  for (let at = 0; at < all.length; at += answer.length) socket.write(all.subarray(at, at + answer.length));
}

function produceAnswer(topic: string): Buffer {
  const bytes = Buffer.alloc(4 + 4 + 4 + 2 + topic.length + 4 + 4 + 2 + 8 + 8 + 8 + 4);
  bytes.writeInt32BE(bytes.length - 4, 0);
  bytes.writeInt32BE(1, 8);
  bytes.writeInt16BE(topic.length, 12);
  bytes.write(topic, 14);
  bytes.writeInt32BE(1, 14 + topic.length);
  return bytes;
}

/**
 * Accepted sockets take no `onread`, so the accepted handle is given to a socket that has one.
 */
function withSlab(accepted: net.Socket, slab: Buffer, makeReceive: (socket: net.Socket) => Receive): void {
  const holder = accepted as unknown as { _handle: unknown };
  const handle = holder._handle;
  holder._handle = null;
  accepted.destroy();
  let receive: Receive = sink;
  const onread = {
    buffer: slab,
    callback: (end: number, bytes: Uint8Array): boolean => {
      receive(bytes as Buffer, end);
      return true;
    },
  };
  const socket = new net.Socket({ handle, onread } as unknown as net.SocketConstructorOpts);
  socket.on('error', () => socket.destroy());
  socket.setNoDelay(true);
  receive = makeReceive(socket);
  socket.resume();
}

const makeReceive = (socket: net.Socket): Receive => (kind === 'sink' ? sink : echo(socket));
const slab = readBytes > 0 ? Buffer.allocUnsafeSlow(readBytes) : undefined;
const server = net.createServer({ noDelay: true, pauseOnConnect: slab !== undefined }, (socket) => {
  if (slab !== undefined) {
    withSlab(socket, slab, makeReceive);
    return;
  }
  const receive = makeReceive(socket);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => receive(bytes, bytes.length));
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as net.AddressInfo).port }));
process.on('message', () => {
  const now = performance.now();
  process.send?.({ bytes: received, seconds: (now - countedAt) / 1000 });
  received = 0;
  countedAt = now;
});
process.on('disconnect', () => process.exit(0));
