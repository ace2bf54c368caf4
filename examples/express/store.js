'use strict'

const session = require('express-session')

// Answer the store of the sessions, a function that asks the same database, and one that closes.
function createStore (config) {
  return config.store === 'pg' ? postgres(config) : mysql(config)
}

function mysql ({ database, storeOptions }) {
  const MySQLStore = require('express-mysql-session')(session)
  const store = new MySQLStore({ ...database, ...storeOptions })
  const query = async (sql, values) => (await store.connection.query(sql, values))[0]
  return { store, query, close: async () => store.close() }
}

function postgres ({ database, storeOptions }) {
  const { Pool } = require('pg')
  const PgStore = require('connect-pg-simple')(session)
  const pool = new Pool(database)
  const store = new PgStore({ pool, createTableIfMissing: true, ...storeOptions })
  const query = async (sql, values) => {
    let count = 0
    return (await pool.query(sql.replace(/\?/g, () => `$${++count}`), values)).rows
  }
  const close = async () => { await store.close(); await pool.end() }
  return { store, query, close }
}

module.exports = { createStore }
