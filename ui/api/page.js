// The page at /v1/api: every operation of openapi.json with a form that sends it. No library and no build, so that the
// broker's own page asks nothing of anybody. All text goes in as text, never as markup.

const MAX_SHOWN = 200_000;
/** Bodies to begin with, by media type; what is sent is the reader's. */
const EXAMPLES = {
  'application/json': '{}',
  'application/x-ndjson': '{"value": "one"}\n{"value": "two"}\n',
  'text/plain': 'hello',
};
/** By path, where an empty object says nothing. */
const EXAMPLE_BODIES = {
  'POST /v1/topics': { name: 'demo/greetings', partitions: 1 },
  'POST /v1/topics/{name}/records': { key: 'k', value: { hello: 'world' } },
  'POST /v1/commit': { writes: [{ topic: 'demo/greetings', records: [{ value: 'hello' }] }] },
};

/** @param {string} tag @param {Record<string, unknown>} properties @param {(Node | string)[]} children */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** One input of the form: its row, and what it holds now. */
function parameterRow({ name, in: place, required = false, description = '', schema = {} }) {
  const values = schema.enum ?? schema.items?.enum;
  const input =
    values === undefined
      ? element('input', { placeholder: schema.type === undefined ? '' : String(schema.type), required })
      : element(
          'select',
          { required },
          element('option', { value: '' }),
          ...values.map((each) => element('option', {}, each)),
        );
  input.name = `${place} ${name}`;
  const words = description === '' ? '' : element('small', {}, ` ${description}`);
  const row = element(
    'tr',
    {},
    element('td', {}, element('code', {}, name), ` ${required ? '' : '(optional) '}`, words),
    element('td', {}, input),
  );
  return { place, name, row, input };
}

function bodyFields(operation, content) {
  const types = Object.keys(content);
  const type = element('select', { name: 'type' }, ...types.map((each) => element('option', {}, each)));
  const text = element('textarea', { name: 'body', rows: 6, spellcheck: false });
  const fill = () => {
    const example = EXAMPLE_BODIES[`${operation.method} ${operation.path}`];
    const isJson = type.value === 'application/json';
    text.value = isJson && example !== undefined ? JSON.stringify(example, undefined, 2) : (EXAMPLES[type.value] ?? '');
  };
  type.addEventListener('change', fill);
  fill();
  return { type, text };
}

/** What the form says, as a request. */
function requestOf(operation, rows, body) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const { place, name, input } of rows) {
    const { value } = input;
    if (place === 'path')
      path = path.replace(`{${name}}`, name === 'path' ? encodeURI(value) : encodeURIComponent(value));
    else if (value !== '' && place === 'query') query.append(name, value);
    else if (value !== '' && place === 'header') headers[name] = value;
  }
  if (body !== undefined && body.text.value !== '') headers['content-type'] = body.type.value;
  const search = query.size === 0 ? '' : `?${query}`;
  const options = { method: operation.method, headers };
  if (headers['content-type'] !== undefined) options.body = body.text.value;
  return { url: `${path}${search}`, options };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function curlOf({ url, options }) {
  const parts = ['curl', '-i', ...(options.method === 'GET' ? [] : ['-X', options.method])];
  for (const [name, value] of Object.entries(options.headers)) parts.push('-H', quoted(`${name}: ${value}`));
  if (options.body !== undefined) parts.push('--data-binary', quoted(options.body));
  return [...parts, quoted(new URL(url, location.href).href)].join(' ');
}

/** Sends it and shows the answer as it comes: a follow goes on until it is stopped. */
async function send(request, output, signal) {
  const startedAt = performance.now();
  output.textContent = 'sending ...';
  const answer = await fetch(request.url, { ...request.options, signal });
  const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
  let shown = `${answer.status} ${answer.statusText} after ${Math.round(performance.now() - startedAt)} ms\n${head}\n\n`;
  output.textContent = shown;
  if (answer.body === null) return;
  const decoder = new TextDecoder();
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    shown += decoder.decode(value, { stream: true });
    // The newest stays: a follow never ends by itself.
    if (shown.length > MAX_SHOWN) shown = `... (only the newest is shown)\n${shown.slice(-MAX_SHOWN / 2)}`;
    output.textContent = shown;
  }
  const at = shown.indexOf('\n\n') + 2;
  if (/json/.test(answer.headers.get('content-type') ?? '') && shown.length < MAX_SHOWN)
    output.textContent = shown.slice(0, at) + pretty(shown.slice(at));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}

function formOf(operation) {
  const rows = (operation.parameters ?? []).map(parameterRow);
  const content = operation.requestBody?.content;
  const body = content === undefined ? undefined : bodyFields(operation, content);
  const curl = element('pre', {});
  const output = element('pre', { className: 'answer', hidden: true });
  const go = element('button', { type: 'submit' }, 'Send');
  const stop = element('button', { type: 'button', hidden: true }, 'Stop');
  const form = element('form', {}, element('table', {}, ...rows.map(({ row }) => row)));
  if (body !== undefined) form.append(element('p', {}, 'Body ', body.type), body.text);
  form.append(element('div', { className: 'buttons' }, go, stop), curl, output);
  const show = () => {
    curl.textContent = curlOf(requestOf(operation, rows, body));
  };
  form.addEventListener('input', show);
  show();
  let running;
  stop.addEventListener('click', () => running?.abort());
  const sendForm = async () => {
    running?.abort();
    const own = new AbortController();
    running = own;
    stop.hidden = false;
    output.hidden = false;
    try {
      await send(requestOf(operation, rows, body), output, own.signal);
    } catch (error) {
      output.textContent += own.signal.aborted ? '\n(stopped)' : `\n${String(error)}`;
    }
    if (running === own) stop.hidden = true;
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void sendForm();
  });
  return form;
}

/** Forms are made when they are first opened: there are a hundred operations. */
function operationOf(operation) {
  const { method, path, summary = '' } = operation;
  const details = element(
    'details',
    {},
    element('summary', {}, element('b', {}, method), element('code', {}, path), ` ${summary}`),
  );
  details.dataset.words = `${method} ${path} ${summary}`.toLowerCase();
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) {
      details.append(
        '101' in operation.responses ? element('p', {}, 'A WebSocket: see docs/protocol.md.') : formOf(operation),
      );
    }
  });
  return details;
}

function operationsOf(api) {
  const byTag = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, facts] of Object.entries(methods)) {
      const tag = facts.tags?.[0] ?? 'other';
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag).push(operationOf({ ...facts, method: method.toUpperCase(), path }));
    }
  }
  return [...byTag].map(([tag, operations]) => element('section', {}, element('h2', {}, tag), ...operations));
}

function find(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll('section')) {
    let count = 0;
    for (const details of section.querySelectorAll('details')) {
      details.hidden = !wanted.every((word) => details.dataset.words.includes(word));
      if (!details.hidden) count += 1;
    }
    section.hidden = count === 0;
  }
}

const main = document.querySelector('#operations');
try {
  const api = await (await fetch('openapi.json')).json();
  document.querySelector('#version').textContent = api.info.version;
  document.querySelector('#description').textContent = api.info.description ?? '';
  main.replaceChildren(...operationsOf(api));
  document.querySelector('#find').addEventListener('input', ({ target }) => find(target.value));
} catch (error) {
  main.textContent = `openapi.json cannot be read: ${String(error)}`;
}
