// What must hold for every answer, whatever was asked.

/** Errors that the fixture's own functions provoke on purpose. */
const provoked = new Set(['PGRST111', 'PGRST112', 'PGRST121']);

/** What is wrong with an answer, in words; nothing where all is well. */
export async function complaints(request, response) {
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString('utf8');
  const said = [];
  const bodiless = request.method === 'HEAD' || [204, 205, 304].includes(response.status);
  if (bodiless && bytes.length > 0) said.push(`a body of ${bytes.length} bytes where there is none`);
  let value;
  if (/[/+]json\b/.test(response.headers.get('content-type') ?? '') && !bodiless && response.headers.get('content-type') !== 'application/vnd.geo2+json') {
    try {
      value = JSON.parse(text);
    } catch (error) {
      // Handlers of the fixture may say that something is JSON which is not.
      if (response.headers.get('content-type')?.startsWith('application/json')) said.push(`no JSON: ${error.message}`);
    }
  }
  if (response.status >= 400 && request.method !== 'HEAD') {
    const code = value?.code;
    // It answers with an error's status, and a body of its own.
    if (request.target.startsWith('/rpc/send_body_status_403')) return { said, status: response.status, text };
    if (typeof code !== 'string' || typeof value.message !== 'string' || !('details' in value) || !('hint' in value)) said.push('an error without its four members');
    else if (response.status >= 500 && !/^[0-9A-Z]{5}$/.test(code) && !provoked.has(code)) said.push(`status ${response.status} without a SQLSTATE`);
    else if (code === '42601' && /^syntax error at/.test(value.message)) said.push('SQL that Postgres cannot parse');
    else if (code === 'XX000') said.push('an internal error of Postgres');
  }
  const range = response.headers.get('content-range');
  if (range !== null && !/^(\*|\d+-\d+)\/(\*|\d+)$/.test(range)) said.push(`content-range: ${range}`);
  return { said, status: response.status, code: value?.code, text };
}
