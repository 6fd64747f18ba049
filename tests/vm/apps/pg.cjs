// Runs the statements that it is sent on one connection of a pool of npm's `pg`, until one fails.
const { createServer } = require('node:http');
const { Pool } = require('pg');

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 3 });
pool.on('error', (error) => console.error(`an idle connection ended: ${error.message}`));

async function run(statements) {
  const client = await pool.connect();
  const answers = [];
  let failed;
  try {
    for (const { text, values, name } of statements) {
      const { command, rowCount, rows } = await client.query({ text, values, name });
      answers.push({ command, rowCount, rows });
    }
  } catch (error) {
    failed = error;
    answers.push({ severity: error.severity, code: error.code, message: error.message, table: error.table, constraint: error.constraint });
    await client.query('rollback');
  } finally {
    client.release(failed?.code === undefined ? failed : undefined);
  }
  return answers;
}

createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  try {
    answer(200, await run(JSON.parse(Buffer.concat(parts))));
  } catch (error) {
    answer(500, { message: error.message, code: error.code });
  }
}).listen(Number(process.env.PORT), () => console.log('listening'));
