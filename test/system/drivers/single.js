// One login and one prepared query, by node-postgres; prints what came.  Arguments: its options as JSON, the CA's file.
const fs = require('fs')
const { Client } = require('pg')

async function main() {
  const options = JSON.parse(process.argv[2])
  const client = new Client({ ...options, ssl: { ca: fs.readFileSync(process.argv[3]), servername: options.host } })
  await client.connect()
  let row
  for (let i = 1; i <= 10; i++) {
    const result = await client.query({ name: 'add', text: 'SELECT $1::int + 1 AS sum, current_user AS who', values: [i] })
    row = result.rows[0]
  }
  console.log('sum', row.sum, 'user', row.who)
  await client.end()
}

main().catch((e) => { console.error(e); process.exit(1) })
