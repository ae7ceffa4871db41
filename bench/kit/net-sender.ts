/** Writes to a port as fast as it takes it. Arguments: port, connections, bytes of a write. */
import net from 'node:net';

const [port = '0', connections = '4', writeBytes = '1048576'] = process.argv.slice(2);
const chunk = Buffer.alloc(Number(writeBytes), 7);

for (let i = 0; i < Number(connections); i++) {
  const socket = net.connect({ host: '127.0.0.1', port: Number(port), noDelay: true });
  const fill = (): void => {
    while (socket.writableLength < 4 * chunk.length) socket.write(chunk);
  };
  socket.on('connect', fill);
  socket.on('drain', fill);
  socket.on('error', () => process.exit(1));
}
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
