// Writes records over HTTP, with nothing but fetch. Waits until they are on stable storage.
//
//   node examples/http-produce.ts http://127.0.0.1:7123 demo/greetings hello world

const [address = 'http://127.0.0.1:7123', topic = 'demo/greetings', ...words] = process.argv.slice(2);

const response = await fetch(`${address}/v1/topics/${encodeURIComponent(topic)}/records`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(words.map((word) => ({ key: word.slice(0, 1), value: { word } }))),
});
const answer = (await response.json()) as { count?: number; code?: string; detail?: string };
if (!response.ok) throw new Error(`${answer.code}: ${answer.detail}`);
console.log(`wrote ${answer.count} records to ${topic}`);
