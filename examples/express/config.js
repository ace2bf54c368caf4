'use strict'

// Everything that can differ between two installations comes from the environment. The three
// *_OPTIONS are JSON and go to the libraries as they are, so each of their options can be used.

function json (name, fallback) {
  const text = process.env[name]
  return text ? JSON.parse(text) : fallback
}

module.exports = {
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 3000),
  // The first signs, each of them verifies: the same list as SESSIONSTORE_EXPRESS["secrets"].
  secrets: json('SESSION_SECRETS', ['keyboard cat']),
  store: process.env.SESSION_STORE || 'mysql',
  database: {
    host: process.env.DB_HOST || '127.0.0.1',
    port: Number(process.env.DB_PORT || 3306),
    user: process.env.DB_USER || 'root',
    password: process.env.DB_PASSWORD || '',
    database: process.env.DB_NAME || 'sessionstore',
    // pg: connectionTimeoutMillis, query_timeout, ...; express-mysql-session takes a few of mysql2.
    ...json('DB_OPTIONS', {})
  },
  // express-mysql-session: expiration, schema, ... or connect-pg-simple: ttl, tableName, ...
  storeOptions: json('STORE_OPTIONS', {}),
  // express-session: name, cookie, rolling, resave, saveUninitialized, unset, proxy
  sessionOptions: json('SESSION_OPTIONS', {}),
  // Where the other half of the shop runs: links between the two.
  django: process.env.DJANGO_URL || 'http://127.0.0.1:8000',
  peer: process.env.PEER === '1'
}
