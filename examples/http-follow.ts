// Follows a topic over HTTP, with nothing but fetch: first what is there, then every record as it comes.
//
//   node examples/http-follow.ts http://127.0.0.1:7123 demo/earthquakes [limit]

const [address = 'http://127.0.0.1:7123', topic = 'demo/earthquakes', limit] = process.argv.slice(2);

const query = new URLSearchParams({ follow: 'true', partition: 'all', format: 'json', ...(limit ? { limit } : {}) });
const response = await fetch(`${address}/v1/topics/${encodeURIComponent(topic)}/records?${query.toString()}`);
if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}: ${await response.text()}`);

let rest = '';
for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  // An empty line is a sign of life.
  for (const line of lines.filter(Boolean)) {
    const record = JSON.parse(line) as { offset: number; value: unknown; error?: { detail: string } };
    if (record.error !== undefined) throw new Error(record.error.detail);
    console.log(record.offset, JSON.stringify(record.value));
  }
}
